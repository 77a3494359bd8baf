"""Settings that are what they say: each field of exactly the type that it declares, or an error.

A rate out of ``np.logspace`` or a seed out of ``np.arange`` looks right and computes right until it
is to be written as JSON: after the training. So a record settles its fields when it is made:

=====================  =======================================================================
a field of type        takes, and keeps as its own type
=====================  =======================================================================
``int``                whole numbers of any kind: ``np.int64(3)``, ``3.0``, ``torch.tensor(3)``
``float``              finite numbers: ``1``, ``np.float32(0.5)``, ``torch.tensor(0.5)``
``bool``               ``True``, ``False`` and NumPy's
``str``                strings, NumPy's too, and paths
``tuple[X, ...]``      tuples, lists, arrays of one axis, sets (sorted); each item settled as X
=====================  =======================================================================

What would lose something is refused: ``2.5`` for a whole number, ``"3"`` or ``True`` for a number,
``1`` for yes or no, a set for a pair (it has no order). Fields of other types are left alone.

Cost: some microseconds a record.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Walk(Settings):
...     steps: int
...     length: float = 0.7
>>> Walk(np.int64(3), np.float32(0.5))
Walk(steps=3, length=0.5)
>>> Walk.from_json(Walk(3).to_json()) == Walk(3)
True
>>> Walk("3")
Traceback (most recent call last):
TypeError: steps must be a whole number, got '3' (str): write it without quotes
"""

from __future__ import annotations

import functools
import json
import math
import os
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any, TypeVar

import numpy as np
from torch import Tensor
from typing_extensions import Self

S = TypeVar("S", bound="Settings")
_WORDS = {int: "a whole number", float: "a number", bool: "True or False", str: "a string"}
_WORDS |= {type(None): "None"}


class Settings:
    """The parent of the configurations, frozen dataclasses all: fields that are settled, and JSON
    both ways.

    A child that has a ``__post_init__`` of its own calls this one first.
    """

    def __post_init__(self) -> None:
        settle(self)

    def values(self) -> dict[str, Any]:
        """The fields as plain values, for JSON; configurations inside as dictionaries."""
        return asdict(self)  # type: ignore[call-overload]

    def to_json(self) -> str:
        """The configuration as a JSON object."""
        return json.dumps(self.values(), indent=2)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of ``values``, also after a way through JSON.

        Raises ValueError for anything but an object, fields that there are not, or missing ones.
        """
        if not isinstance(values, Mapping):
            raise ValueError(  # noqa: TRY004  (it may come out of a file)
                f"a {cls.__name__} is made of fields and their values, got {values!r}: give a JSON "
                "object, as its to_json writes"
            )
        known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
        if unknown := set(values) - set(known):
            raise ValueError(
                f"unknown fields of {cls.__name__}: {sorted(map(str, unknown))}; it has "
                f"{', '.join(known)}"
            )
        needed = [
            f.name for f in known.values() if f.default is MISSING and f.default_factory is MISSING
        ]
        if missing := [name for name in needed if name not in values]:
            raise ValueError(f"{cls.__name__} also needs {', '.join(missing)}: add them")
        hints = typing.get_type_hints(cls)
        inner = {
            name: hints[name].from_values(value)
            for name, value in values.items()
            if _is_settings(hints[name]) and isinstance(value, Mapping)
        }
        # JSON knows no tuples
        tuples = {
            name: tuple(value)
            for name, value in values.items()
            if isinstance(value, list) and any(map(_items, _members(hints[name])))
        }
        return cls(**{**values, **inner, **tuples})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of ``to_json``. Raises ValueError as ``from_values`` does, or for no JSON."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"this is no JSON of a {cls.__name__}: {error}") from error
        return cls.from_values(values)


def settle(record: object, *, finite: bool = True) -> None:
    """Turn the fields of a dataclass, frozen or not, into the types that they declare.

    finite: whether a float may be neither infinite nor NaN (in what was measured it may).

    Raises TypeError for a value of another type, ValueError for one that would lose something, both
    naming the field, the value and the remedy.
    """
    for name, hint in _declared(type(record)):
        value = getattr(record, name)
        if type(value) is hint and (hint is not float or not finite or math.isfinite(value)):
            continue
        try:
            settled = _fit(value, hint, finite)
        except (TypeError, ValueError) as error:
            shown = repr(value)
            shown = shown if len(shown) < 80 else f"{shown[:76]} ..."
            raise (TypeError if isinstance(error, TypeError) else ValueError)(
                f"{name} must be {_in_words(hint)}, got {shown} ({type(value).__name__}): {error}"
            ) from None
        object.__setattr__(record, name, settled)


def as_plain(value: object) -> object:
    """What NumPy's and torch's values and paths are in JSON: ``json.dumps(..., default=as_plain)``.

    Raises TypeError for anything else.

    >>> json.dumps({"loss": np.float32(0.5), "curve": np.arange(2)}, default=as_plain)
    '{"loss": 0.5, "curve": [0, 1]}'
    """
    if isinstance(value, (np.generic, np.ndarray, Tensor)):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(
        f"{value!r} ({type(value).__name__}) can't be written as JSON: give numbers, strings, "
        "lists and dictionaries"
    )


@functools.cache
def _declared(cls: type) -> tuple[tuple[str, Any], ...]:
    """The fields whose types are settled, and these."""
    hints = typing.get_type_hints(cls)
    return tuple((f.name, hints[f.name]) for f in fields(cls) if _is_plain(hints[f.name]))


def _is_settings(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Settings)


def _members(hint: Any) -> tuple:
    """The types of a union; of another type, itself."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if union else (hint,)


def _items(hint: Any) -> tuple:
    """What a tuple's type says of its items; empty for another type."""
    return typing.get_args(hint) if typing.get_origin(hint) is tuple else ()


def _is_plain(hint: Any) -> bool:
    if len(members := _members(hint)) > 1:
        return all(map(_is_plain, members))
    if items := _items(hint):
        return all(item is ... or _is_plain(item) for item in items)
    return hint in _WORDS or _is_settings(hint)


def _in_words(hint: Any) -> str:
    if len(members := _members(hint)) > 1:
        return " or ".join(map(_in_words, members))
    if items := _items(hint):
        each = " and ".join(_in_words(item) for item in items if item is not ...)
        return f"a tuple of {each}" if len(items) > 1 else f"a tuple of one, {each}"
    return _WORDS.get(hint) or f"a {hint.__name__}"


def _fit(value: Any, hint: Any, finite: bool) -> Any:
    """``value`` as ``hint``; raises TypeError or ValueError with the remedy."""
    if isinstance(value, (np.generic, np.ndarray, Tensor)):
        value = value.item() if value.ndim == 0 else value.tolist()
    members = _members(hint)
    if len(members) > 1:
        return _fit_one_of(value, members, finite)
    if items := _items(hint):
        return _fit_items(value, items, finite)
    if hint in (int, float):
        return _fit_number(value, hint, finite)
    if hint is str and isinstance(value, os.PathLike) and isinstance(os.fspath(value), str):
        return os.fspath(value)
    if hint is str and isinstance(value, str):
        # of NumPy's strings and of enumerations, the text alone
        return str.__str__(value)
    if isinstance(value, hint):
        return value
    raise TypeError(_remedy(value, hint))


def _fit_one_of(value: Any, members: tuple, finite: bool) -> Any:
    # what is of one of the types already stays of it
    order = sorted(members, key=lambda member: type(value) is not member)
    found: Exception | None = None
    for member in order:
        try:
            return _fit(value, member, finite)
        except (TypeError, ValueError) as error:
            # the first that is not about None says more
            found = error if found is None or isinstance(error, ValueError) else found
    raise found or TypeError("give another value")


def _fit_items(value: Any, items: tuple, finite: bool) -> tuple:
    if items[-1] is ... and isinstance(value, (set, frozenset)):
        value = sorted(value, key=str)
    if not isinstance(value, (list, tuple)):
        raise TypeError(_remedy(value, tuple))
    if items[-1] is ...:
        # thousands of rows of tokens come this way
        if items[0] is int and set(map(type, value)) <= {int}:
            return tuple(value)
        items = (items[0],) * len(value)
    if len(items) != len(value):
        raise ValueError(f"give {len(items)} values")
    return tuple(_fit(item, kind, finite) for item, kind in zip(value, items, strict=True))


def _fit_number(value: Any, hint: type, finite: bool) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(_remedy(value, hint))
    if isinstance(value, float):
        if finite and not math.isfinite(value):
            raise ValueError("a setting is a finite number")
        if hint is int and not value.is_integer():
            raise ValueError("round it")
    elif hint is float and value.bit_length() > 53:
        raise ValueError("it has too many digits for a float: take a rounder one, such as 1e16")
    return hint(value)


def _remedy(value: Any, hint: type) -> str:
    if value is None:
        return "leave the field out to get its default"
    if hint is tuple:
        return f"write ({value!r},)" if isinstance(value, str) else "write a tuple, (first, ...)"
    if hint in (int, float):
        quoted = isinstance(value, str)
        return "write it without quotes" if quoted else f"write {_WORDS[hint]}, such as 1"
    if _is_settings(hint):
        return f"write {hint.__name__}(...)"
    return "write True or False" if hint is bool else "write it in quotes"
