"""Predictions: order kept in any batches, spans against a slow search, words without a piece."""

from __future__ import annotations

import random

import pytest
import torch

from course_lib.batch import IGNORE
from course_lib.data import Example, SpanExample, TokenExample
from course_lib.encoder import Encoder, EncoderConfig
from course_lib.finetuning import SequenceClassifier, SpanExtractor, TokenClassifier
from course_lib.finetuning.kinds import guesses, judge
from course_lib.finetuning.prediction import best_span, row_logits, word_tags
from course_lib.finetuning.rows import Row


def rows(n=23):
    chance = random.Random(0)
    return [
        Row((2, *(chance.randrange(5, 50) for _ in range(chance.randrange(1, 12))), 3), (0,))
        for _ in range(n)
    ]


@pytest.mark.parametrize("kind", [SequenceClassifier, TokenClassifier, SpanExtractor])
def test_logits_come_in_order_and_without_padding(kind):
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig.bert(vocab_size=50, n_layers=1, d_model=8, n_heads=2))
    model = kind(encoder) if kind is SpanExtractor else kind(encoder, 3)
    model.train()
    found = row_logits(model, rows(), precision="fp32", batch_size=5)
    assert model.training
    model.eval()
    for row, line in zip(rows(), found, strict=True):
        with torch.no_grad():
            alone = model(torch.tensor([row.ids]))[0]
        torch.testing.assert_close(line, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_the_best_span_against_all_spans(seed):
    generator = torch.Generator().manual_seed(seed)
    offsets = ((0, 0), (0, 0), (0, 2), (3, 5), (6, 7), (7, 9), (10, 12), (0, 0))
    logits = 3 * torch.randn(2, 8, generator=generator)
    row = Row((1,) * 8, (0,) * 8, offsets=offsets)
    allowed = [(i, j) for i in range(2, 7) for j in range(i, 7) if j - i < 3]
    i, j = max(allowed, key=lambda ij: float(logits[0, ij[0]] + logits[1, ij[1]]))
    assert best_span(logits, row, longest=3) == (offsets[i][0], offsets[j][1])


def test_no_text_left_is_no_answer():
    assert best_span(torch.zeros(2, 3), Row((1,) * 3, (0,) * 3, offsets=((0, 0),) * 3)) is None


def test_words_that_were_cut_off_are_outside():
    logits = torch.tensor([[0.0, 9.0]] * 4)
    assert word_tags(logits, Row((1,) * 4, (IGNORE,) * 4, pieces=(1, 3, -1))) == [1, 1, 0]


def test_judging_names_the_quoted_score_first():
    generator = torch.Generator().manual_seed(0)
    texts = [Example("a", i % 2, f"g{i}") for i in range(4)]
    scores = judge("text", texts, [0, 1, 0, 0], ("n", "p"), generator=generator)
    assert next(iter(scores)) == "accuracy"
    words = [TokenExample.of_words(["a"], [i % 2], group=f"g{i}") for i in range(4)]
    scores = judge("words", words, [[0], [1], [0], [1]], ("O", "B-x", "I-x"), generator=generator)
    assert next(iter(scores)) == "entity_f1" and scores["entity_f1"].estimate == 1
    spans = [SpanExample("q", "a b", 0, 1, f"g{i}") for i in range(2)]
    scores = judge("span", spans, [(0, 1), None], ("first", "last"), generator=generator)
    assert next(iter(scores)) == "span_f1" and scores["exact_match"].estimate == 0.5


def test_the_largest_logit_is_the_class():
    assert guesses("text", [torch.tensor([0.0, 2.0, 1.0])], rows(1)) == [1]


def test_dropout_is_off_and_the_mode_comes_back_also_after_an_error():
    torch.manual_seed(0)
    shape = dict(vocab_size=50, n_layers=1, d_model=8, n_heads=2, dropout=0.5)
    model = SequenceClassifier(Encoder(EncoderConfig.bert(**shape)), 3, dropout=0.5).train()
    first, again = (torch.stack(row_logits(model, rows())) for _ in range(2))
    assert torch.equal(first, again) and model.training
    quiet = torch.stack(row_logits(model.eval(), rows()))
    assert torch.equal(first, quiet) and not model.training
    model.train()
    with pytest.raises(ValueError, match="outside the vocabulary"):
        row_logits(model, [Row((2, 99, 3), (0,))])
    assert model.training
