"""Where words begin and end, seen from a vocabulary item alone: so masking needs no text.

====================  ===========================================  ====================
made by               an item                                      that
====================  ===========================================  ====================
WordPiece             ``low``, not ``##est``                       begins a word
BPE on bytes          ``Ġlow``; ``Ċ``, which is a line break       begins a word
SentencePiece         ``▁low``; ``<0x0A>``, a line break as byte   begins a word
BPE of whole texts    ``est</w>``                                  ends a word
any of them           ``;Ċ``, white space at its end               ends a word
====================  ===========================================  ====================

White space before a word belongs to the word, and so an item of nothing but white space begins one.
The first item of a text begins a word too, marked or not, and so does what follows a special token.
Not seen is a rare space that a vocabulary has only as its bytes, one by one.

Cost: one look at each item when a tokenizer is made.

>>> bpe = {"model": {"type": "BPE"}, "decoder": {"type": "ByteLevel"}}
>>> boundaries(["Ġlow", "est", "Ċ", ";Ċ"], bpe)
[(True, False), (False, False), (True, False), (False, True)]
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

# how GPT-2 writes the bytes: the visible ones as themselves, the others from U+0100 upwards
_VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_HIDDEN = [byte for byte in range(256) if byte not in _VISIBLE]
_BYTES = {chr(b): b for b in _VISIBLE} | {chr(256 + i): b for i, b in enumerate(_HIDDEN)}
_MARKERS = str.maketrans("Ġ▁", "  ")
_FALLBACK = re.compile("<0x([0-9A-F]{2})>")


def boundaries(items: Iterable[str], state: Mapping[str, Any]) -> list[tuple[bool, bool]]:
    """(begins a word, ends a word) of each vocabulary item; specials are not known here.

    state: the tokenizer as JSON, as ``tokenizers`` writes it.
    """
    model = state["model"]
    prefix, suffix = model.get("continuing_subword_prefix"), model.get("end_of_word_suffix")
    if model["type"] == "WordLevel":
        return [(True, False) for _ in items]
    if prefix:
        return [(not item.startswith(prefix), False) for item in items]
    if suffix:
        return [(False, item.endswith(suffix)) for item in items]
    parts = [state.get("pre_tokenizer"), state.get("decoder")]
    on_bytes = '"ByteLevel"' in json.dumps(parts)
    return [_by_space(_surface(item, on_bytes)) for item in items]


def _by_space(text: str) -> tuple[bool, bool]:
    return text[:1].isspace(), text[-1:].isspace() and not text.isspace()


def _surface(item: str, on_bytes: bool) -> str:
    """The text of an item, with spaces for the markers."""
    if one := _FALLBACK.fullmatch(item):
        return chr(int(one[1], 16)) if int(one[1], 16) < 128 else item
    # what was added by hand is written as it is
    if on_bytes and _BYTES.keys() >= set(item):
        item = bytes(_BYTES[c] for c in item).decode("utf-8", "replace")
    return item.translate(_MARKERS)
