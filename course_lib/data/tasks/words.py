"""What a word is, and where the visible part of a marked stretch of text begins and ends.

A combining mark (an accent of its own, the virama of Hindi, an emoji's variation selector) belongs
to the character before it, as a reader sees it.

Cost: linear in the text.
"""

from __future__ import annotations

import re
import unicodedata

MARK = "\u0301"
# after `_plain`, every combining mark is MARK
WORD = re.compile(rf"[^\W_](?:[^\W_]|{MARK})*(?:['’](?:[^\W\d_]{MARK}*)+)*|(?:[^\w\s]|_){MARK}*")
CHINESE = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]")
Span = tuple[int, int]


def word_spans(text: str) -> list[Span]:
    """(start, stop) of each word of ``text``.

    A word is a run of letters and digits, a punctuation mark, or one Chinese character.

    >>> [("don't, 开灯")[a:b] for a, b in word_spans("don't, 开灯")]
    ["don't", ',', '开', '灯']
    """
    spans = []
    for match in WORD.finditer(_plain(text)):
        start = match.start()
        for at in range(*match.span()):
            if CHINESE.match(text[at]):
                spans += [(start, at)] * (at > start) + [(at, at + 1)]
                start = at + 1
        spans += [(start, match.end())] * (match.end() > start)
    return spans


def _plain(text: str) -> str:
    """``text``, equally long, with one combining mark in place of all."""
    if text.isascii():
        return text
    return "".join(MARK if is_mark(character) else character for character in text)


def is_mark(character: str) -> bool:
    """Whether it is a combining mark."""
    return unicodedata.category(character)[0] == "M"


def trimmed(text: str, span: Span) -> Span | None:
    """``span`` without white space and invisible characters (zero-width spaces, control characters)
    at its ends; ``None`` if nothing is left.

    >>> trimmed("so  new\\u200b!", (2, 8)), trimmed("a b", (1, 2))
    ((4, 7), None)
    """
    start, stop = span
    while start < stop and _is_blank(text[start]):
        start += 1
    while start < stop and _is_blank(text[stop - 1]):
        stop -= 1
    return (start, stop) if start < stop else None


def _is_blank(character: str) -> bool:
    return character.isspace() or unicodedata.category(character)[0] == "C" or character == "\ufffd"
