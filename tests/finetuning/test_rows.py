"""Rows and batches of labelled examples: framing, cutting, labels, padding."""

from __future__ import annotations

import unicodedata

import pytest
import torch
from chance import chance

from course_lib.batch import IGNORE
from course_lib.data import Example, PairExample, SpanExample, TokenExample
from course_lib.evaluation import span_scores
from course_lib.finetuning import encode_examples
from course_lib.finetuning.prediction import best_span
from course_lib.finetuning.rows import Row, kind_of, padded
from course_lib.tokenization import train_tokenizer

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


BASE = "the answer is café today ❤️ किताब्"
NFD = unicodedata.normalize("NFD", "the answer is café today")
ODD = {
    "leading space": (BASE, " café"),
    "trailing space": (BASE, "café "),
    "line end": ("the answer is café\n", "café\n"),
    "decomposed accent": (NFD, "cafe\u0301"),
    "accent at the very end": (NFD.removesuffix(" today"), "cafe\u0301"),
    "at the very start": ("cafe\u0301 is open", "cafe\u0301"),
    "variation selector": (BASE, "❤️"),
    "virama": (BASE, "किताब्"),
    "zero-width space in front": ("the answer is \u200bcafé today", "\u200bcafé"),
    "zero-width space behind": ("the answer is café\u200b today", "café\u200b"),
    "byte-order mark": ("\ufeffcafé is open", "\ufeffcafé"),
    "soft hyphen inside": ("the answer is ca\u00adfé today", "ca\u00adfé"),
    "control character": ("the answer is café\x07 today", "café\x07"),
    "no-break spaces": ("the answer is\u00a0café\u00a0today", "\u00a0café\u00a0"),
    "unknown emoji": ("the answer is 👩\u200d👧 today", "👩\u200d👧"),
}


@pytest.fixture(scope="module", params=["wordpiece", "bpe", "unigram"])
def kinds(request):
    text = f"{BASE} where is open"
    return [
        train_tokenizer([text] * 20, 400, request.param, coverage=1.0, lowercase=lower)
        for lower in (True, False)
    ]


@pytest.mark.parametrize("case", ODD)
def test_an_answer_with_odd_ends_is_found_and_can_be_guessed(kinds, case):
    text, answer = ODD[case]
    start = text.index(answer)
    example = SpanExample("where is", text, start, start + len(answer), "g")
    for tokenizer in kinds:
        (row,) = encode_examples([example], tokenizer, max_len=120)
        first, last = row.labels[:2]
        assert 0 < first <= last
        # slowly: every piece that shares a visible character with the answer, and no other
        seen = {i for i in range(start, example.stop) if text[i].isprintable() and text[i] != " "}
        pieces = [i for i, (a, b) in enumerate(row.offsets) if seen & set(range(a, b))]
        assert (first, last) == (pieces[0], pieces[-1])
        logits = torch.zeros(2, len(row))
        logits[0, first] = logits[1, last] = 9.0
        guess = best_span(logits, row, len(row))
        scores = span_scores(
            [text] * 2, [(start, example.stop)] * 2, [guess] * 2, generator=chance()
        )
        assert scores["exact_match"].estimate == scores["span_f1"].estimate == 1.0


def test_an_answer_that_cuts_pieces_takes_them_whole(kinds):
    for tokenizer in kinds:
        example = SpanExample("where", BASE, 15, 17, "g")
        (row,) = encode_examples([example], tokenizer, max_len=64)
        first, last = row.labels[:2]
        assert row.offsets[first][0] <= example.start and example.stop <= row.offsets[last][1]


def test_an_answer_that_is_cut_in_two_is_not_here(tokenizer):
    text = "kiss " * 3 + "dol ban"
    sizes = [len(encode_examples([SpanExample("ban", text, 0, 4, "g")], tokenizer)[0])]
    for max_len in range(8, sizes[0] + 1):
        (row,) = encode_examples(
            [SpanExample("ban", text, 15, 22, "g")], tokenizer, max_len=max_len
        )
        assert (row.labels[:2] == (0, 0)) == (max_len < sizes[0])


def test_an_answer_without_a_token_is_refused(kinds):
    with pytest.raises(ValueError, match="only white space or invisible"):
        SpanExample("where", "it is  \u200b here", 5, 8, "g")
    alone = SpanExample("where", "a \u0301 b", 2, 3, "g")
    with pytest.raises(ValueError, match="the tokenizer drops the answer .* at 2 .. 3"):
        encode_examples([alone], kinds[0])


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


@pytest.mark.not_strict("wrong types")
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
@pytest.mark.not_strict("wrong types")
def test_half_a_character_is_named_with_its_example(tokenizer, example, name):
    good = example("ban")
    with pytest.raises(TypeError, match=f"{name} must be a str"):
        example(None)
    with pytest.raises(ValueError, match=rf"examples\[1\].{name} holds half a character"):
        encode_examples([good, example("ban \ud83d")], tokenizer)
