"""Entities and their scores against seqeval."""

from __future__ import annotations

import random
import warnings

import pytest
import torch
from seqeval import metrics as seqeval
from seqeval import scheme

from course_lib.evaluation import entity_scores
from course_lib.evaluation.metrics import pieces_of

TAGS = ("O", "O", "B-x", "I-x", "B-y", "I-y")


SCHEMES = ("BI", "I", "IE", "BIES")
BILOU = str.maketrans("ES", "LU")


def sentences(seed, n=12, tags=TAGS):
    chance = random.Random(seed)
    return [[chance.choice(tags) for _ in range(chance.randrange(1, 9))] for _ in range(n)]


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


@pytest.mark.parametrize("letters", SCHEMES)
@pytest.mark.parametrize("kinds", [("-x", "-y"), ("-a-b", "-a"), ("",)])
def test_pieces_of_any_tags_of_other_schemes(letters, kinds):
    from seqeval.metrics.sequence_labeling import get_entities

    tags = ("O", *(letter + kind for letter in letters for kind in kinds))
    for seed in range(20):
        for sentence in sentences(seed, tags=tags):
            assert pieces_of(sentence) == get_entities(sentence)
            # seqeval reads L and U only in its strict mode; they are E and S under other names
            renamed = [tag[:1].translate(BILOU) + tag[1:] for tag in sentence]
            assert pieces_of(renamed) == get_entities(sentence)


def tagged(pieces, name):
    """The tags of pieces (kind, words), kind None outside, as the scheme ``name`` writes them."""
    tags, before = [], None
    for kind, n in pieces:
        if kind is None:
            tags += ["O"] * n
        elif name in ("BIO", "IOB1"):
            first = "B" if name == "BIO" or before == kind else "I"
            tags += [f"{first}-{kind}"] + [f"I-{kind}"] * (n - 1)
        elif name == "IOE2":
            tags += [f"I-{kind}"] * (n - 1) + [f"E-{kind}"]
        else:
            end, single = name[3:] if name == "BIOES" else "LU"
            whole = [f"B-{kind}"] + [f"I-{kind}"] * (n - 2) + [f"{end}-{kind}"]
            tags += whole if n > 1 else [f"{single}-{kind}"]
        before = kind
    return tags


STRICT = {
    "BIO": scheme.IOB2,
    "IOB1": scheme.IOB1,
    "IOE2": scheme.IOE2,
    "BIOES": scheme.IOBES,
    "BILOU": scheme.BILOU,
}


@pytest.mark.parametrize("name", STRICT)
@pytest.mark.parametrize("seed", range(5))
def test_well_formed_tags_score_as_in_seqevals_own_scheme(name, seed):
    chance = random.Random(seed)

    def side():
        kinds = [chance.choice([None, "x", "y"]) for _ in range(8)]
        return tagged([(kind, chance.randrange(1, 4)) for kind in kinds], name)

    pairs = []
    while len(pairs) < 10:
        truth, guess = side(), side()
        n = min(len(truth), len(guess))
        if all(len(tags) == n or tags[n] == "O" for tags in (truth, guess)):
            pairs.append((truth[:n], guess[:n]))
    truth, guess = map(list, zip(*pairs, strict=True))
    ours = entity_scores(truth, guess, generator=torch.Generator().manual_seed(0))["entity_f1"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = seqeval.f1_score(truth, guess, mode="strict", scheme=STRICT[name])
    assert ours.estimate == pytest.approx(theirs) and theirs > 0
