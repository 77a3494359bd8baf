"""What happens to characters before words are found: Unicode form, case, accents, and what goes.

BERT's normalizer drops all characters of the categories Cc, Cf and Co: control characters, private
ones, and marks of format that nobody sees (soft hyphens, zero-width spaces, marks of direction).
Some marks of that category are spelling, though, and two texts without them are one:

    U+200C, U+200D     joiners: Persian plurals and verbs, Indic conjuncts, emoji of several people
    U+0600 and others  number signs and the end of a verse, which are seen
    U+E0020 - E007F    tags: the flags of England, Scotland and Wales

These stay in a tokenizer whose texts have them. One trained on other texts drops them as BERT does,
since to its alphabet they would be unknown.

Cost: that of one pass over the text; one more where such marks stay.

>>> make_normalizer(False, "NFC").normalize_str("a\\u200db\\u00ad")
'ab'
>>> make_normalizer(False, "NFC", marks="\\u200d").normalize_str("a\\u200db\\u00ad")
'a\\u200db'
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from tokenizers import Regex, normalizers

_SIGNS = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
MARKS = "\u200c\u200d" + _SIGNS + "".join(map(chr, range(0xE0020, 0xE0080)))
"""The marks that are spelling."""

UnicodeForm = Literal["NFC", "NFKC", "NFD", "NFKD"]


def make_normalizer(lowercase: bool, unicode_form: str, marks: str = "") -> normalizers.Normalizer:
    """The Unicode form, then BERT's normalizer, which also sets Chinese characters apart.

    marks: those of ``MARKS`` that stay. Raises ValueError for another form than the four.
    """
    if unicode_form not in ("NFC", "NFKC", "NFD", "NFKD"):
        raise ValueError(f"unicode_form must be NFC, NFKC, NFD or NFKD, got {unicode_form!r}")
    form = getattr(normalizers, unicode_form)()
    if not marks:
        return normalizers.Sequence([form, normalizers.BertNormalizer(lowercase=lowercase)])
    stay = "".join(f"\\x{{{ord(c):X}}}" for c in marks)
    gone = Regex(f"[\\p{{Cc}}\\p{{Cf}}\\p{{Co}}\\x{{FFFD}}&&[^\\t\\n\\r{stay}]]")
    bert = normalizers.BertNormalizer(clean_text=False, lowercase=lowercase)
    return normalizers.Sequence([form, normalizers.Replace(gone, ""), bert])


def marks_in(texts: Iterable[str]) -> str:
    """Those of ``MARKS`` that occur in the texts, in order."""
    find = re.compile(f"[{MARKS}]").findall
    return "".join(sorted({c for text in texts if not text.isascii() for c in find(text)}))
