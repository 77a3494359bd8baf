"""Is a gradient right? Ask the loss itself: move one number a little; how much does the loss move?

    two points:   (f(x + h) - f(x - h)) / 2h
                  error  h^2 |f'''| / 6    + eps |f| / h
    four points:  (8 (f(x + h) - f(x - h)) - (f(x + 2h) - f(x - 2h))) / 12h
                  error  h^4 |f^(5)| / 30  + 3 eps |f| / 2h

(``order`` 2 and 4). The first term of an error is what Taylor's series leaves out; the second is
rounding, with eps = 2.2e-16 in float64. A large h is bad for the first, a small one for the second,
and the best lies at about eps^(1/3) = 6e-6 or eps^(1/5) = 7e-4 for numbers of size one: hence the
default steps.

What is a *relative* error? Entry by entry it says nothing where a derivative is zero or tiny, since
there the rounding of the loss is all that one sees. So the largest difference in a tensor is
divided by the largest entry of that tensor, and by no less than a hundredth (``FLOOR``) of the
largest entry of the whole gradient:

    error(a, b) = max |a - b| / max(max |a|, max |b|, FLOOR * max over all tensors)

Cost: two (four) evaluations of the loss for every number that is checked. It is a test, not a way
to train.

Sources: Nocedal & Wright 2006, *Numerical Optimization*, section 8.1; Fornberg 1988
(doi:10.1090/S0025-5718-1988-0935077-0).

>>> x = np.array([1.0, 2.0])
>>> print(check_gradients(lambda p: (p["x"] ** 3).sum(), {"x": x}, {"x": 3 * x**2}).verdict)
all 1 gradients agree to 1e-07
>>> check_gradients(lambda p: (p["x"] ** 3).sum(), {"x": x}, {"x": 2 * x**2}).wrong
['x']
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

Arrays = Mapping[str, np.ndarray]
STEPS = {2: 6e-6, 4: 7e-4}  # about eps^(1/3) and eps^(1/5)
FLOOR = 1e-2
# (how many steps, weight of f(x + kh) - f(x - kh))
_STENCILS = {2: ((1, 1 / 2),), 4: ((1, 8 / 12), (2, -1 / 12))}


class GradientError(ValueError):
    """A gradient that does not agree; the message is the table of the report."""


@dataclass(frozen=True)
class Entry:
    """One tensor of a report: its largest relative error, where it lies, and both values there."""

    name: str
    shape: tuple[int, ...]
    error: float
    where: tuple[int, ...]
    given: float
    reference: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the error is a number within the tolerance (not so for NaN)."""
        return bool(self.error <= self.tolerance)

    def cells(self) -> tuple[str, ...]:
        """Its row of the report's table, as text."""
        values = (f"{value:.6g}" for value in (self.given, self.reference))
        verdict = "agrees" if self.passed else "WRONG"
        return (self.name, str(self.shape), f"{self.error:.1e}", str(self.where), *values, verdict)


@dataclass(frozen=True, repr=False)
class Report:
    """What a check found, one ``Entry`` a tensor: ``print`` it, or let a notebook show a table."""

    entries: tuple[Entry, ...]

    @property
    def error(self) -> float:
        """The largest relative error of all (NaN if any is)."""
        return float(np.max([entry.error for entry in self.entries]))

    @property
    def wrong(self) -> list[str]:
        """Names of the tensors that do not agree."""
        return [entry.name for entry in self.entries if not entry.passed]

    @property
    def verdict(self) -> str:
        """One line: how many agree, and which do not."""
        tolerance = self.entries[0].tolerance
        if not self.wrong:
            return f"all {len(self.entries)} gradients agree to {tolerance:.0e}"
        differ = f"{len(self.wrong)} of {len(self.entries)} differ by more than {tolerance:.0e}"
        return f"{differ}: {', '.join(self.wrong)}"

    def rows(self) -> list[tuple[str, ...]]:
        """The table as text: what its columns are called, then a row for each tensor."""
        head = ("name", "shape", "largest relative error", "where", "given", "reference", "verdict")
        return [head, *(entry.cells() for entry in self.entries)]

    def __str__(self) -> str:
        rows = self.rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = (
            "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
        )
        return "\n".join((*lines, self.verdict))

    __repr__ = __str__  # what a viewer without HTML prints

    def _repr_html_(self) -> str:
        def line(row: tuple[str, ...], tag: str) -> str:
            cells = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)
            return f"<tr>{cells}</tr>"

        head, *body = self.rows()
        lines = "".join(line(row, "td") for row in body)
        table = f"<table><thead>{line(head, 'th')}</thead><tbody>{lines}</tbody></table>"
        return f"{table}<p>{html.escape(self.verdict)}</p>"

    def raise_if_wrong(self) -> Report:
        """Itself if all agree. Raises GradientError otherwise, with the table."""
        if self.wrong:
            raise GradientError(
                f"{self}\nCheck the named derivations, and that loss and gradient use the same data"
            )
        return self


def central_difference(
    f: Callable[[np.ndarray], float],
    x: Float[np.ndarray, "*shape"],
    *,
    step: float | None = None,
    order: int = 2,
    entries: Sequence[int] | None = None,
) -> Float[np.ndarray, "*shape"]:
    """The gradient of the scalar function ``f`` at ``x``, one number after the other.

    step: h, by default the best for numbers of size one.  order: 2 (two points) or 4 (four points).
    entries: flat indices of the numbers to move; the others are NaN.  ``x`` is not changed.

    Raises ValueError for a step that is not positive or lost in rounding, another order, or a loss
    that is not finite.
    """
    if order not in _STENCILS:
        raise ValueError(f"order must be 2 or 4, got {order}: two points for each number, or four")
    step = STEPS[order] if step is None else step
    if not step > 0:
        raise ValueError(
            f"step must be positive, got {step}: {STEPS[order]} is the default for order {order}"
        )
    moved = np.array(x)  # a copy
    slope, numbers = np.full(moved.size, np.nan, dtype=moved.dtype), moved.reshape(-1)
    for i in range(moved.size) if entries is None else entries:
        here = numbers[i]
        slope[i] = 0
        for k, weight in _STENCILS[order]:
            numbers[i] = up = here + moved.dtype.type(k * step)
            above = _value(f, moved)
            numbers[i] = down = here - moved.dtype.type(k * step)
            if up == down:
                raise ValueError(
                    f"step {step} is lost in the rounding of {here}: take a larger step, or float64"
                )
            # the step that was really made
            slope[i] += weight * 2 * k * (above - _value(f, moved)) / (up - down)
        numbers[i] = here
    return slope.reshape(moved.shape)


def relative_error(
    given: Float[np.ndarray, "*shape"],
    reference: Float[np.ndarray, "*shape"],
    *,
    floor: float = 0.0,
) -> tuple[float, tuple[int, ...]]:
    """Largest difference over largest entry, and where it lies; NaN in ``reference``: not compared.

    floor: the least denominator. Two tensors of zeros have error 0. Raises ValueError if the shapes
    differ.
    """
    if given.shape != reference.shape:
        raise ValueError(
            f"given has shape {given.shape}, reference {reference.shape}: a gradient has its "
            "tensor's shape"
        )
    if not given.size:
        return 0.0, ()
    gap = np.where(np.isnan(reference), 0.0, np.abs(given - reference))
    # argmax stops at a NaN
    where = tuple(int(i) for i in np.unravel_index(np.argmax(gap), gap.shape))
    if gap[where] == 0:
        return 0.0, where
    return float(gap[where] / max(np.abs(given).max(), np.nanmax(np.abs(reference)), floor)), where


def compare(given: Arrays, reference: Arrays, *, tolerance: float) -> Report:
    """Two gradients of the same tensors, name by name; say by hand, and from ``torch.autograd``.

    Raises ValueError if a name is missing on one side or the shapes differ.
    """
    if odd := sorted(set(given) ^ set(reference)):
        raise ValueError(f"these names are in one gradient only: {odd}; give both the same")
    largest = max((np.abs(g).max(initial=0.0) for g in given.values()), default=0.0)
    entries = []
    for name, g in given.items():
        try:
            error, where = relative_error(g, reference[name], floor=FLOOR * largest)
        except ValueError as problem:
            raise ValueError(f"{name}: {problem}") from None
        values = (float(g[where]), float(reference[name][where])) if g.size else (0.0, 0.0)
        entries.append(Entry(name, g.shape, error, where, *values, tolerance))
    return Report(tuple(entries))


def check_gradients(
    loss: Callable[[Arrays], float],
    parameters: Arrays,
    gradients: Arrays,
    *,
    tolerance: float = 1e-7,
    step: float | None = None,
    order: int = 2,
    max_entries: int | None = None,
    generator: torch.Generator | None = None,
) -> Report:
    """The gradient of ``loss`` at ``parameters``, compared with central differences.

    loss: a function of a dictionary like ``parameters``; it must give the same number when called
        again.
    parameters, gradients: float64 arrays under the same names.
    max_entries: of a larger tensor only so many numbers, drawn with ``generator``, and the one with
        the largest gradient.

    Raises ValueError for names or shapes that differ, numbers that are not float64, or a loss that
    is not repeatable.
    """
    _check(parameters, gradients)
    if loss(dict(parameters)) != loss(dict(parameters)):
        raise ValueError(
            "loss gives two values for the same parameters: switch dropout off and fix the batch"
        )
    reference = {}
    for name, x in parameters.items():
        chosen = _choose(gradients[name], max_entries, generator)
        reference[name] = central_difference(
            lambda moved, name=name: loss({**parameters, name: moved}),
            x,
            step=step,
            order=order,
            entries=chosen,
        )
    return compare({name: gradients[name] for name in parameters}, reference, tolerance=tolerance)


def step_curve(
    f: Callable[[np.ndarray], float],
    x: Float[np.ndarray, "*shape"],
    gradient: Float[np.ndarray, "*shape"],
    steps: Sequence[float] | Float[np.ndarray, " s"],
    *,
    order: int = 2,
) -> Float[np.ndarray, " s"]:
    """The relative error of central differences for each step of ``steps``: the V-shaped curve."""
    return np.array(
        [relative_error(gradient, central_difference(f, x, step=h, order=order))[0] for h in steps]
    )


def _value(f: Callable[[np.ndarray], float], x: np.ndarray) -> float:
    value = f(x)
    if not np.isfinite(value):
        raise ValueError(
            f"the loss is {value}: differences need finite losses; check the inputs, or take a "
            "smaller step"
        )
    return value


def _choose(
    gradient: np.ndarray, at_most: int | None, generator: torch.Generator | None
) -> list[int] | None:
    """Flat indices of the entries to check, or ``None`` for all."""
    if at_most is None or gradient.size <= at_most:
        return None
    drawn = torch.randperm(gradient.size, generator=generator)[:at_most].tolist()
    return sorted({*drawn, int(np.argmax(np.abs(gradient)))})


def _check(parameters: Arrays, gradients: Arrays) -> None:
    """Raise ValueError for what cannot be compared."""
    if not parameters:
        raise ValueError("parameters is empty: give at least one tensor to check")
    if missing := sorted(set(parameters) - set(gradients)):
        raise ValueError(f"gradients lacks {missing}: give one for each of the parameters")
    for name, x in parameters.items():
        for kind, array in (("parameters", x), ("gradients", gradients[name])):
            if getattr(array, "dtype", None) != np.float64 or not isinstance(array, np.ndarray):
                got = getattr(array, "dtype", type(array).__name__)
                raise ValueError(
                    f"{kind}[{name!r}] is {got}, not a float64 array: differences in lower "
                    "precision drown in rounding; convert the model and its inputs first "
                    "(model.double(), array.astype(np.float64))"
                )
        if x.shape != gradients[name].shape:
            raise ValueError(
                f"gradients[{name!r}] has shape {gradients[name].shape}, but the parameter has "
                f"{x.shape}: a gradient has the shape of its tensor"
            )
