"""Sentence patterns with holes, as voice assistants write them, and random sentences from them.

    [x]      x or nothing             {list:slot}   a value of the list, which fills the slot
    (x|y)    x or y                   {list}        the same, where slot and list have one name
    (x;y)    both, in any order       <rule>        a pattern that has a name

The language is that of hassil (https://github.com/OHF-Voice/hassil). A pattern is parsed once into
a tree of small tuples:

    ("text", words)         ("all", parts)     ("one", parts)     ("any order", parts)
    ("hole", list, slot)    ("rule", name)

Cost: linear in the pattern; a draw costs its own length.

>>> import random
>>> tree = parse("[please] turn (on|off) <the> {area}")
>>> rules, values = {"the": parse("the")}, {"area": ("kitchen",)}
>>> draw = lambda seed: sentence(tree, rules, values, random.Random(seed))
>>> draw(1), draw(0)
(('please turn on the kitchen', [(19, 26, 'area')]), ('turn on the kitchen', [(12, 19, 'area')]))
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

TOKEN = re.compile(r"[\[\](){}<>|;]|[^\[\](){}<>|;]+")
CLOSING = {"[": "]", "(": ")"}
Tree = tuple
Piece = tuple[int, int, str]


class Part(NamedTuple):
    """Text, and the slot that it fills (``""``: none)."""

    text: str
    slot: str = ""


def parse(pattern: str) -> Tree:
    """The tree of ``pattern``.

    Raises ValueError for brackets that do not close, or close what is not open.
    """
    tokens = TOKEN.findall(pattern)
    tree, at = _choice(tokens, 0, pattern)
    if at < len(tokens):
        raise ValueError(f"{tokens[at]!r} closes nothing in the pattern {pattern!r}")
    return tree


def _choice(tokens: Sequence[str], at: int, pattern: str) -> tuple[Tree, int]:
    """Up to the bracket that closes: alternatives, permutations or one sequence."""
    sequences, separators = [[]], set()
    while at < len(tokens) and tokens[at] not in ("]", ")"):
        token = tokens[at]
        if token in "|;":
            sequences.append([])
            separators.add(token)
            at += 1
        elif token in CLOSING:
            inner, at = _choice(tokens, at + 1, pattern)
            if at == len(tokens) or tokens[at] != CLOSING[token]:
                raise ValueError(f"{token!r} is not closed in the pattern {pattern!r}")
            sequences[-1].append(("one", [inner, ("text", "")]) if token == "[" else inner)
            at += 1
        elif token in "{<":
            sequences[-1].append(_named(tokens[at : at + 3], pattern))
            at += 3
        else:
            sequences[-1].append(("text", token))
            at += 1
    if len(separators) > 1:
        raise ValueError(f"'|' and ';' stand in one bracket of the pattern {pattern!r}: nest them")
    parts = [("all", sequence) for sequence in sequences]
    return (("any order", parts) if ";" in separators else ("one", parts)), at


def _named(tokens: Sequence[str], pattern: str) -> Tree:
    if len(tokens) < 3 or tokens[0] + tokens[2] not in ("{}", "<>"):
        raise ValueError(f"{tokens[0]!r} is not closed in the pattern {pattern!r}")
    if tokens[0] == "<":
        return "rule", tokens[1]
    name, _, slot = tokens[1].partition(":")
    return "hole", name, slot or name


def holes(tree: Tree) -> set[tuple[str, str]]:
    """(list, slot) of each hole, those inside named rules aside."""
    if tree[0] == "hole":
        return {tree[1:]}
    if tree[0] in ("text", "rule"):
        return set()
    return {hole for part in tree[1] for hole in holes(part)}


def parts_of(
    tree: Tree,
    rules: Mapping[str, Tree],
    values: Mapping[str, Sequence[str]],
    chance: random.Random,
) -> list[Part]:
    """One draw, as parts in order: each choice is equally likely, and so is each value of a list.

    Raises ValueError for a rule or a list that is not there.
    """
    kind, content = tree[:2]
    if kind == "text":
        return [Part(content)]
    if kind == "hole":
        return [Part(chance.choice(_of(values, content, "list")), tree[2])]
    if kind == "rule":
        return parts_of(_of(rules, content, "rule"), rules, values, chance)
    chosen = [chance.choice(content)] if kind == "one" else list(content)
    if kind == "any order":
        chance.shuffle(chosen)
        chosen = [part for one in chosen for part in (("text", " "), one, ("text", " "))]
    return [found for part in chosen for found in parts_of(part, rules, values, chance)]


def _of(table: Mapping, name: str, what: str):
    if name not in table:
        raise ValueError(
            f"the pattern names the {what} {name!r}; known are {', '.join(sorted(table))}"
        )
    return table[name]


def joined(parts: Sequence[Part]) -> tuple[str, list[Piece]]:
    """The text of the parts with single spaces, and (start, stop, slot) of those that fill one.

    >>> joined([Part("set "), Part(" 5", "hours"), Part("  hours ")])
    ('set 5 hours', [(4, 5, 'hours')])
    """
    text, pieces = "", []
    for part in parts:
        words = " ".join(part.text.split())
        if text and not text.endswith(" ") and part.text[:1].isspace() and words:
            text += " "
        start = len(text)
        text += words
        if part.slot and words:
            pieces.append((start, len(text), part.slot))
        if part.text[-1:].isspace() and text and not text.endswith(" "):
            text += " "
    return text.strip(), pieces


def sentence(
    tree: Tree,
    rules: Mapping[str, Tree],
    values: Mapping[str, Sequence[str]],
    chance: random.Random,
) -> tuple[str, list[Piece]]:
    """One sentence of the pattern, and its filled slots. Raises ValueError as ``parts_of`` does."""
    return joined(parts_of(tree, rules, values, chance))
