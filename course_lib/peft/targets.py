"""Which modules of a model an adapter goes to: by the end of their names, as regular expressions.

``"query"`` means every module whose name ends in ``query`` (``encoder.blocks.0.attention.query``),
``r"blocks\\.[01]\\..*query"`` those of the first two blocks. The constants below are roles, parts
of a Transformer block: in a model of a known family (see ``architectures``) a role stands for what
the family calls it, in any other it is a pattern as it is written, made for this course's encoder.

A pattern that matches nothing is an error that says what the model has: a silent mismatch would
train the head alone.

A linear layer is an ``nn.Linear`` or GPT-2's ``Conv1D``, whose weight is transposed.

Cost: one pass over the names.

>>> model = nn.ModuleDict({"query": nn.Linear(2, 2), "value": nn.Linear(2, 2)})
>>> list(find_modules(model, (QUERY,), nn.Linear))
['query']
>>> find_modules(model, ("qeury",), nn.Linear)
Traceback (most recent call last):
ValueError: targets: 'qeury' matches no module of the model. Near: 'query', 'value'
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from .architectures import architecture

QUERY = "query|q_proj|q_lin"
KEY = "key|k_proj|k_lin"
VALUE = "value|v_proj|v_lin"
ATTENTION_OUTPUT = r"attention\.output|attention\.output\.dense|o_proj|out_lin"
INNER = r"feed_forward\.inner|intermediate\.dense|gate_proj|up_proj|lin1"
OUTPUT = r"feed_forward\.output|layer\.\d+\.output\.dense|down_proj|lin2"
FEED_FORWARD_NORM = r"feed_forward_norm|layer\.\d+\.output\.LayerNorm|output_layer_norm"
ATTENTION = r"attention|attention\.self|self_attn|attn"
EVERY_LINEAR = (QUERY, KEY, VALUE, ATTENTION_OUTPUT, INNER, OUTPUT)
ROLES = {
    QUERY: "query",
    KEY: "key",
    VALUE: "value",
    ATTENTION_OUTPUT: "attention_output",
    INNER: "inner",
    OUTPUT: "output",
    FEED_FORWARD_NORM: "feed_forward_norm",
    ATTENTION: "attention",
}
REMEDIES = {
    "feed_forward_norm": "it normalises before its layers: take BottleneckConfig(targets="
    "(OUTPUT,))",
    "attention": "its attention does not call scaled_dot_product_attention: take another method",
}


def resolve(model: nn.Module, pattern: str) -> str:
    """What a role is called in this model; any other pattern is itself.

    Raises ValueError for a role that the model's family does not have.
    """
    role, found = ROLES.get(pattern), architecture(model)
    if role is None or found is None:
        return pattern
    kind, names = found
    if not (there := getattr(names, role)):
        raise ValueError(f"targets: {kind} has no {role} ({REMEDIES[role]})")
    return there


def is_linear(module: nn.Module) -> bool:
    """Whether it computes W x + b: nn.Linear, or the Conv1D of ``transformers``."""
    return isinstance(module, nn.Linear) or _transposed(module)


def weight_of(module: nn.Module) -> Tensor:
    """The weight of a linear layer, a norm or a table."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight


def bias_of(module: nn.Module) -> Tensor | None:
    """The bias of a linear layer or a norm, where it has one."""
    bias = module.bias
    assert bias is None or isinstance(bias, Tensor)
    return bias


def sizes(module: nn.Module) -> tuple[int, int]:
    """(out, in) of a linear layer."""
    if _transposed(module):
        n_in, n_out = weight_of(module).shape
        return n_out, n_in
    assert isinstance(module, nn.Linear)
    return module.out_features, module.in_features


def as_matrix(module: nn.Module) -> Tensor | None:
    """W (out, in) of a linear layer, or None where its numbers are packed (a quantised layer)."""
    weight = weight_of(module).T if _transposed(module) else weight_of(module)
    return weight if weight.is_floating_point() and weight.shape == sizes(module) else None


def as_weight(module: nn.Module, matrix: Tensor) -> Tensor:
    """The inverse: a matrix (out, in) in the form and type of the layer's weight."""
    matrix = matrix.to(weight_of(module).dtype)
    return matrix.T.contiguous() if _transposed(module) else matrix


def _is_a(kind: type[nn.Module], module: nn.Module) -> bool:
    return isinstance(module, kind)


def _transposed(module: nn.Module) -> bool:
    return type(module).__name__ == "Conv1D" and not isinstance(module, nn.Conv1d)


def find_modules(
    model: nn.Module,
    patterns: Sequence[str],
    kind: type[nn.Module] | Callable[[nn.Module], bool],
    *,
    skip: Sequence[str] = (),
) -> dict[str, nn.Module]:
    """Modules of class ``kind`` whose name ends in a match of one of ``patterns``, by name, in the
    model's order.

    kind: a class, or ``is_linear``.

    skip: nothing below these names (the head, which is trained whole).

    Raises ValueError for a pattern that is no regular expression, that matches nothing (with near
    names), or that matches modules of other classes only.
    """
    names = dict(named_modules(model, skip))
    found: set[str] = set()
    if isinstance(kind, type):
        right_kind, what = partial(_is_a, kind), kind.__name__
    else:
        right_kind, what = kind, "Linear (or Conv1D) layers"
    for pattern in dict.fromkeys(resolve(model, pattern) for pattern in patterns):
        matches = [name for name in names if _compiled(pattern).search(name)]
        if not matches:
            raise ValueError(
                f"targets: {pattern!r} matches no module of the model. Near: "
                f"{_near(pattern, names, right_kind) or f'the model has no {what}'}"
            )
        right = [name for name in matches if right_kind(names[name])]
        if not right:
            others = sorted({type(names[name]).__name__ for name in matches})
            raise ValueError(
                f"targets: {pattern!r} matches {matches[0]!r} ..., of class {', '.join(others)}; "
                f"this method goes to {what}"
            )
        found |= set(right)
    return {name: module for name, module in names.items() if name in found}


def named_modules(model: nn.Module, skip: Sequence[str] = ()) -> list[tuple[str, nn.Module]]:
    """Names and modules of the base, without adapters that are there already and what they hold."""
    inside = re.compile(r"(?:^|\.)adapters(?:_aside)?(?:\.|$)")
    below = tuple(f"{name}." for name in skip)
    return [
        (name, module)
        for name, module in model.named_modules()
        if name and not inside.search(name) and not f"{name}.".startswith(below)
    ]


def _compiled(pattern: str) -> re.Pattern:
    try:
        return re.compile(rf"(?:^|\.)(?:{pattern})$")
    except re.error as error:
        raise ValueError(f"targets: {pattern!r} is not a regular expression: {error}") from error


def _near(
    pattern: str, names: dict[str, nn.Module], right_kind: Callable[[nn.Module], bool]
) -> str:
    """The ends of names that look most like the pattern, then the others that there are."""
    ends = {
        ".".join(name.split(".")[-n:])
        for name, module in names.items()
        if right_kind(module)
        for n in (1, 2)
    }
    near = difflib.get_close_matches(pattern, sorted(ends), n=4, cutoff=0.5)
    singles = sorted(end for end in ends if "." not in end and not end.isdigit())
    chosen = near + [end for end in singles if end not in near]
    return ", ".join(map(repr, chosen[:12]))
