"""Entities and their scores against seqeval."""

from __future__ import annotations

import random

import pytest
import torch
from seqeval import metrics as seqeval

from course_lib.evaluation import entity_scores
from course_lib.evaluation.metrics import pieces_of

TAGS = ("O", "O", "B-x", "I-x", "B-y", "I-y")


def sentences(seed, n=12):
    chance = random.Random(seed)
    return [[chance.choice(TAGS) for _ in range(chance.randrange(1, 9))] for _ in range(n)]


@pytest.mark.parametrize("seed", range(40))
def test_pieces_of_any_tags(seed):
    from seqeval.metrics.sequence_labeling import get_entities

    for tags in sentences(seed):
        assert pieces_of(tags) == get_entities(tags)


@pytest.mark.parametrize("seed", range(10))
def test_scores(seed):
    chance, truth = random.Random(seed), sentences(seed)
    guess = [
        [tag if chance.random() < 0.8 else chance.choice(TAGS) for tag in tags] for tags in truth
    ]
    scores = entity_scores(truth, guess, generator=torch.Generator().manual_seed(0))
    assert scores["entity_f1"].estimate == pytest.approx(seqeval.f1_score(truth, guess))
    assert scores["tag_accuracy"].estimate == pytest.approx(seqeval.accuracy_score(truth, guess))
