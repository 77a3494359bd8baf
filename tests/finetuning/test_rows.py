"""Rows and batches of labelled examples: framing, cutting, labels, padding."""

from __future__ import annotations

import pytest
import torch

from course_lib.batch import IGNORE
from course_lib.data import Example, PairExample, SpanExample, TokenExample
from course_lib.finetuning import encode_examples
from course_lib.finetuning.rows import Row, kind_of, padded

TEXT = "ban dol kiss lumo meve sun ban dol kiss"


def test_a_text(tokenizer):
    (row,) = encode_examples([Example(TEXT, 3, "g")], tokenizer)
    pieces = tokenizer.encode(TEXT, add_special=False).ids
    assert row.ids == (tokenizer.cls_id, *pieces, tokenizer.sep_id)
    assert row.labels == (3, *(IGNORE,) * (len(pieces) + 1)) and row.types == ()
    (short,) = encode_examples([Example(TEXT, 3, "g")], tokenizer, max_len=8)
    assert short.ids == (*row.ids[:7], tokenizer.sep_id)


def test_a_pair_has_two_types(tokenizer):
    (row,) = encode_examples([PairExample("ban dol", "kiss", 1, "g")], tokenizer)
    first, second = (len(tokenizer.encode(t, add_special=False).ids) for t in ("ban dol", "kiss"))
    assert row.types == (0,) * (first + 2) + (1,) * (second + 1)
    ends = [i for i, x in enumerate(row.ids) if x == tokenizer.sep_id]
    assert ends == [first + 1, first + second + 2]


@pytest.mark.parametrize(("n", "m"), [(1, 40), (40, 1), (30, 30), (9, 30), (31, 10), (3, 3)])
def test_of_a_pair_the_longer_is_cut(tokenizer, n, m):
    word = "ban"
    size = len(tokenizer.encode(word, add_special=False).ids)
    pair = PairExample(" ".join([word] * n), " ".join([word] * m), 1, "g")
    (row,) = encode_examples([pair], tokenizer, max_len=24)
    first, second = row.types.count(0) - 2, row.types.count(1) - 1
    n, m, room = n * size, m * size, 21
    assert first + second == min(room, n + m) and len(row) == first + second + 3
    if n + m > room:
        # the shorter loses nothing before both are even
        assert min(first, second) >= min(n, m, room // 2)


def test_words(tokenizer):
    example = TokenExample.of_spans("ban dol kiss", [(4, 12, "x")], ("O", "B-x", "I-x"), group="g")
    (row,) = encode_examples([example], tokenizer)
    assert [row.labels[p] for p in row.pieces] == list(example.tags)
    assert sum(x != IGNORE for x in row.labels) == 3
    long = TokenExample.of_words(["ban"] * 30, [0] * 30, group="g")
    (cut,) = encode_examples([long], tokenizer, max_len=8)
    assert cut.pieces[-1] == -1 and max(cut.pieces) < 7


def test_spans_lie_in_the_text_and_not_in_the_question(tokenizer):
    text = "kiss ban dol lumo"
    example = SpanExample("ban dol?", text, 5, 12, "g")
    (row,) = encode_examples([example], tokenizer)
    first, last = row.labels[:2]
    assert row.types[first] == 1 and (row.offsets[first][0], row.offsets[last][1]) == (5, 12)
    assert set(row.labels[2:]) == {IGNORE}
    assert all(o == (0, 0) for o, t in zip(row.offsets, row.types, strict=True) if t == 0)
    long = SpanExample("ban?", "kiss " * 30 + "dol", 150, 153, "g")
    (cut,) = encode_examples([long], tokenizer, max_len=16)
    assert cut.labels[:2] == (0, 0)


def test_a_mask_written_in_the_text_is_text(tokenizer):
    (row,) = encode_examples([Example("ban [MASK] dol", 0, "g")], tokenizer)
    assert tokenizer.mask_id not in row.ids


def test_padding_is_marked_and_only_where_it_is():
    batch = padded([Row((2, 7, 3), (1, -100, -100)), Row((2, 3), (0, -100))], pad_id=9)
    assert batch.input_ids.tolist() == [[2, 7, 3], [2, 3, 9]]
    assert batch.labels.tolist() == [[1, -100, -100], [0, -100, -100]]
    assert batch.segment_ids.tolist() == [[1, 1, 1], [1, 1, 0]] and batch.token_type_ids is None
    assert padded([Row((2, 3), (0, -100), (0, 1))] * 2).segment_ids is None
    types = padded([Row((2, 3), (0, -100), (0, 1))]).token_type_ids
    assert torch.equal(types, torch.tensor([[0, 1]]))


def test_what_cannot_be(tokenizer):
    with pytest.raises(ValueError, match="no examples"):
        kind_of([])
    with pytest.raises(TypeError, match=r"got \['Example', 'PairExample'\]"):
        kind_of([Example("a", 0, "g"), PairExample("a", "b", 0, "g")])
    with pytest.raises(TypeError, match="got \\['str'\\]"):
        encode_examples(["text"], tokenizer)
    with pytest.raises(ValueError, match="max_len must be at least 8, got 7"):
        encode_examples([Example("a", 0, "g")], tokenizer, max_len=7)
    with pytest.raises(ValueError, match="at least one row"):
        padded([])


@pytest.mark.parametrize(
    ("example", "name"),
    [
        (lambda x: Example(x, 0, "g"), "text"),
        (lambda x: PairExample("ban", x, 0, "g"), "second"),
        (lambda x: PairExample(x, "ban", 0, "g"), "first"),
    ],
)
def test_a_text_that_is_none_is_named_with_its_example(tokenizer, example, name):
    good = example("ban")
    with pytest.raises(TypeError, match=rf"examples\[1\].{name} must be a str, got NoneType"):
        encode_examples([good, example(None)], tokenizer)
    with pytest.raises(ValueError, match=rf"examples\[1\].{name} holds half a character"):
        encode_examples([good, example("ban \ud83d")], tokenizer)
