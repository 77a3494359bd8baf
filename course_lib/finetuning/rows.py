"""From labelled examples to rows of tokens, and from rows to padded batches.

    text    [CLS] text [SEP]                  label in the first column
    pair    [CLS] first [SEP] second [SEP]    label in the first column; types 0 ... 0 1 ... 1
    words   [CLS] pieces [SEP]                label on the first piece of each word (``alignment``)
    span    [CLS] question [SEP] text [SEP]   the first two columns hold the places of the span's
                                              first and last token

All other labels are -100. A text that does not fit into ``max_len`` is cut at its end; of a pair
the longer part is cut. A span is asked for at the pieces that overlap its visible part; one that
was cut away, or in two, at [CLS], place 0, as "not here" (Devlin et al. 2019, section 4.3).

A batch is as long as its longest row; ``segment_ids`` is 1 on tokens and 0 on padding, and left out
where nothing is padded, since attention without a mask is faster.

Cost: the tokenizer's. Rows are kept in memory, 8 bytes a token.

>>> rows = [Row((2, 7, 3), labels=(1, -100, -100)), Row((2, 3), labels=(0, -100))]
>>> padded(rows).input_ids.tolist()
[[2, 7, 3], [2, 3, 0]]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.batch import IGNORE, Batch
from course_lib.batches import pad_rows
from course_lib.data import Example, PairExample, SpanExample, TokenExample
from course_lib.data.tasks.words import trimmed
from course_lib.settings import settle
from course_lib.tokenization import Encoding, Tokenizer
from course_lib.tokenization.texts import check_text

from .alignment import first_pieces, piece_span, project, with_marks

AnyExample = Example | PairExample | TokenExample | SpanExample
KINDS = {Example: "text", PairExample: "pair", TokenExample: "words", SpanExample: "span"}


@dataclass(frozen=True)
class Row:
    """One example as tokens.

    ids, labels: equally long.
    types: 0 in the first text, 1 in the second; empty where there is one text.
    pieces: for words, the place of each word's first piece (-1: none).
    offsets: for spans, each token's (start, stop) in the text, (0, 0) outside of it.
    """

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    types: tuple[int, ...] = ()
    pieces: tuple[int, ...] = ()
    offsets: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        settle(self)

    def __len__(self) -> int:
        return len(self.ids)


def kind_of(examples: Sequence[AnyExample]) -> str:
    """``"text"``, ``"pair"``, ``"words"`` or ``"span"``.

    Raises TypeError for a mixture or another record, ValueError for none.
    """
    if not examples:
        raise ValueError("no examples: nothing can be learnt or judged")
    kinds = {KINDS.get(type(example), "") for example in examples}
    if len(kinds) > 1 or "" in kinds:
        names = sorted({type(example).__name__ for example in examples})
        raise TypeError(
            f"examples must all be of one of {[k.__name__ for k in KINDS]}, got {names}"
        )
    return kinds.pop()


def encode_examples(
    examples: Sequence[AnyExample], tokenizer: Tokenizer, *, max_len: int = 128
) -> list[Row]:
    """The examples as rows of at most ``max_len`` tokens, in order.

    Raises ValueError for a ``max_len`` that leaves no room, an answer that has no token, or a text
    that holds half a character (a lone surrogate); TypeError for a text that is no string.
    """
    if max_len < 8:
        raise ValueError(f"max_len must be at least 8, got {max_len}")
    kind = kind_of(examples)
    for i, example in enumerate(examples):
        for name in _TEXTS[kind]:
            check_text(getattr(example, name), f"examples[{i}].{name}")
    make = _MAKERS[kind]
    return [make(example, tokenizer, max_len) for example in examples]


def _plain(text: str, tokenizer: Tokenizer) -> Encoding:
    """Without specials; ``[MASK]`` written in the text is text."""
    return tokenizer.encode(text, add_special=False, parse_special=False)


def _at_start(label: int, length: int) -> tuple[int, ...]:
    return (label, *(IGNORE,) * (length - 1))


def _framed(pieces: Sequence[int], tokenizer: Tokenizer) -> tuple[int, ...]:
    return (tokenizer.cls_id, *pieces, tokenizer.sep_id)


def _text_row(example: Example, tokenizer: Tokenizer, max_len: int) -> Row:
    ids = _framed(_plain(example.text, tokenizer).ids[: max_len - 2], tokenizer)
    return Row(ids, _at_start(example.label, len(ids)))


def _joined(
    first: Sequence[int], second: Sequence[int], tokenizer: Tokenizer
) -> tuple[tuple, tuple]:
    """Ids and token types of a pair."""
    ids = (*_framed(first, tokenizer), *second, tokenizer.sep_id)
    return ids, (0,) * (len(first) + 2) + (1,) * (len(second) + 1)


def _pair_row(example: PairExample, tokenizer: Tokenizer, max_len: int) -> Row:
    first, second = (_plain(text, tokenizer).ids for text in (example.first, example.second))
    room = max_len - 3
    if len(first) + len(second) > room:  # cut the longer until they are even, then both
        short = min(len(first), len(second), room // 2)
        first, second = (
            part[: max(room - short, short) if len(part) > short else short]
            for part in (first, second)
        )
        second = second[: room - len(first)]
    ids, types = _joined(first, second, tokenizer)
    return Row(ids, _at_start(example.label, len(ids)), types)


def _words_row(example: TokenExample, tokenizer: Tokenizer, max_len: int) -> Row:
    encoding = _plain(example.text, tokenizer)
    ids = _framed(encoding.ids[: max_len - 2], tokenizer)
    offsets = [(0, 0), *encoding.offsets[: max_len - 2], (0, 0)]
    labels = project(example.words, example.tags, offsets)
    return Row(ids, tuple(labels), pieces=tuple(first_pieces(example.words, offsets)))


def _span_row(example: SpanExample, tokenizer: Tokenizer, max_len: int) -> Row:
    question = _plain(example.question, tokenizer).ids[: max_len // 2]
    encoding = _plain(example.text, tokenizer)
    room = max_len - 3 - len(question)
    ids, types = _joined(question, encoding.ids[:room], tokenizer)
    pieces = with_marks(example.text, encoding.offsets)
    first, last = _answer_pieces(example, pieces)
    before = len(question) + 2
    places = (before + first, before + last) if last < room else (0, 0)
    offsets = [*[(0, 0)] * before, *pieces[:room], (0, 0)]
    labels = (*places, *(IGNORE,) * (len(ids) - 2))
    return Row(ids, labels, types, offsets=tuple(offsets))


def _answer_pieces(example: SpanExample, pieces: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The first and the last piece of the answer, of the whole text's. Raises ValueError if it has
    none.
    """
    span = trimmed(example.text, (example.start, example.stop))
    found = span and piece_span(*span, pieces)
    if not found:
        raise ValueError(
            f"the tokenizer drops the answer {example.answer!r} at {example.start} .. "
            f"{example.stop}, so that no token can be it: mark more of {example.text[:60]!r}, or "
            "leave the example out"
        )
    return found


_TEXTS = {
    "text": ("text",),
    "pair": ("first", "second"),
    "words": ("text",),
    "span": ("question", "text"),
}
_MAKERS = {"text": _text_row, "pair": _pair_row, "words": _words_row, "span": _span_row}


def padded(rows: Sequence[Row], pad_id: int = 0) -> Batch:
    """The rows as one batch, filled up to the longest with ``pad_id``.

    Raises ValueError if there is none.
    """
    if not rows:
        raise ValueError("a batch needs at least one row")
    ids, inside = pad_rows([row.ids for row in rows], pad_id)
    given = [row.labels + (IGNORE,) * (len(row) - len(row.labels)) for row in rows]
    labels, _ = pad_rows(given, IGNORE)
    return Batch(
        ids,
        labels,
        segment_ids=None if inside.all() else inside,
        token_type_ids=pad_rows([row.types for row in rows], 0)[0] if rows[0].types else None,
    )
