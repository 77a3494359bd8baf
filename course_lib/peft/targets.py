"""Which modules of a model an adapter goes to: by the end of their names, as regular expressions.

``"query"`` means every module whose name ends in ``query`` (``encoder.blocks.0.attention.query``),
``r"blocks\\.[01]\\..*query"`` those of the first two blocks. The constants below name the parts of
a Transformer block in this course's encoder, in BERT and its kin, and in Llama's family.

A pattern that matches nothing is an error with the nearest names: a silent mismatch would train the
head alone.

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
from collections.abc import Sequence

from torch import nn

QUERY = "query|q_proj|q_lin"
KEY = "key|k_proj|k_lin"
VALUE = "value|v_proj|v_lin"
ATTENTION_OUTPUT = r"attention\.output|attention\.output\.dense|o_proj|out_lin"
INNER = r"feed_forward\.inner|intermediate\.dense|gate_proj|up_proj|lin1"
OUTPUT = r"feed_forward\.output|layer\.\d+\.output\.dense|down_proj|lin2"
FEED_FORWARD_NORM = r"feed_forward_norm|layer\.\d+\.output\.LayerNorm|output_layer_norm"
ATTENTION = r"attention|attention\.self|self_attn|attn"
EVERY_LINEAR = (QUERY, KEY, VALUE, ATTENTION_OUTPUT, INNER, OUTPUT)


def find_modules(
    model: nn.Module, patterns: Sequence[str], kind: type[nn.Module], *, skip: Sequence[str] = ()
) -> dict[str, nn.Module]:
    """Modules of class ``kind`` whose name ends in a match of one of ``patterns``, by name, in the
    model's order.

    skip: nothing below these names (the head, which is trained whole).

    Raises ValueError for a pattern that is no regular expression, that matches nothing (with near
    names), or that matches modules of other classes only.
    """
    names = {name: module for name, module in named_modules(model, skip)}
    found: set[str] = set()
    for pattern in patterns:
        matches = [name for name in names if _compiled(pattern).search(name)]
        if not matches:
            raise ValueError(
                f"targets: {pattern!r} matches no module of the model. Near: "
                f"{_near(pattern, names, kind)}"
            )
        right = [name for name in matches if isinstance(names[name], kind)]
        if not right:
            others = sorted({type(names[name]).__name__ for name in matches})
            raise ValueError(
                f"targets: {pattern!r} matches {matches[0]!r} ..., of class {', '.join(others)}; "
                f"this method goes to {kind.__name__}"
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


def _near(pattern: str, names: dict[str, nn.Module], kind: type[nn.Module]) -> str:
    """The ends of names that look most like the pattern, or some of those that there are."""
    ends = {
        ".".join(name.split(".")[-n:])
        for name, m in names.items()
        if isinstance(m, kind)
        for n in (1, 2)
    }
    near = difflib.get_close_matches(pattern, sorted(ends), n=4, cutoff=0.5)
    singles = sorted(end for end in ends if "." not in end and not end.isdigit())
    chosen = near + [end for end in singles if end not in near]
    return ", ".join(map(repr, chosen[:6])) or f"the model has no {kind.__name__}"
