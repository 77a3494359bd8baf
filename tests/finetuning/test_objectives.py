"""Losses of labelled tasks, against sums written out, with and without weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from course_lib.batch import Batch
from course_lib.encoder import Encoder, EncoderConfig
from course_lib.finetuning import SequenceClassifier, SpanExtractor, TokenClassifier
from course_lib.finetuning.objectives import (
    Classification,
    SpanExtraction,
    TokenClassification,
    balanced_weights,
)

IDS = torch.tensor([[2, 7, 9, 3], [2, 8, 3, 0]])
REAL = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])


def batch(labels):
    return Batch(IDS, torch.tensor(labels), segment_ids=REAL)


def encoder():
    torch.manual_seed(0)
    return Encoder(EncoderConfig.bert(vocab_size=50, n_layers=1, d_model=8, n_heads=2)).eval()


CLASSES = batch([[2, -100, -100, -100], [0, -100, -100, -100]])
TAGS = batch([[-100, 1, 2, -100], [-100, 0, -100, -100]])
SPANS = batch([[1, 2, -100, -100], [0, 1, -100, -100]])


@pytest.mark.parametrize("weights", [None, (0.5, 1.0, 3.0)])
def test_classes_and_tags(weights):
    w = torch.tensor(weights or (1.0, 1.0, 1.0))
    classify, tag = SequenceClassifier(encoder(), 3).eval(), TokenClassifier(encoder(), 3).eval()
    logp = classify(IDS, segment_ids=REAL).log_softmax(-1)
    loss = Classification(weights)(classify, CLASSES)
    torch.testing.assert_close(loss.total, -(w[2] * logp[0, 2] + w[0] * logp[1, 0]))
    assert loss.count == 2
    logp = tag(IDS, segment_ids=REAL).log_softmax(-1)
    loss = TokenClassification(weights)(tag, TAGS)
    torch.testing.assert_close(
        loss.total, -(w[1] * logp[0, 1, 1] + w[2] * logp[0, 2, 2] + w[0] * logp[1, 1, 0])
    )
    assert loss.count == 3


def test_spans_are_two_predictions_over_the_places():
    extract = SpanExtractor(encoder()).eval()
    logp = extract(IDS, segment_ids=REAL).log_softmax(-1)
    with torch.no_grad():
        loss = SpanExtraction()(extract, SPANS)
    torch.testing.assert_close(
        loss.total, -(logp[0, 0, 1] + logp[0, 1, 2] + logp[1, 0, 0] + logp[1, 1, 1])
    )
    right = logp.argmax(-1) == torch.tensor([[1, 2], [0, 1]])
    assert loss.count == 4 and int(loss.correct) == int(right.sum())


def test_balanced_weights_are_scikit_learns_and_average_to_one():
    labels = [0] * 7 + [1] * 2 + [2]
    weights = balanced_weights(labels, 3)
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert weights == pytest.approx(theirs)
    assert sum(weights[x] for x in labels) == pytest.approx(len(labels))
    assert balanced_weights([0, 2], 3) == (1.0, 0.0, 1.0)


def test_what_cannot_be():
    with pytest.raises(ValueError, match="no labels"):
        balanced_weights([], 2)
    classify, extract = SequenceClassifier(encoder(), 3), SpanExtractor(encoder())
    for wrong in (TAGS, SPANS, batch([[2, -100, -100, -100], [-100] * 4])):
        with pytest.raises(ValueError, match="a row of this task has 1 label, in its first column"):
            Classification()(classify, wrong)
    with pytest.raises(ValueError, match="has 2 labels, in its first columns"):
        SpanExtraction()(extract, CLASSES)
    with pytest.raises(ValueError, match="give the class in the first column"):
        Classification()(classify, Batch(IDS))
