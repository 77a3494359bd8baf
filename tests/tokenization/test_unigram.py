"""Unigram by hand: Viterbi and the expected counts against brute force over all segmentations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.tokenization.unigram import (
    best_segmentation,
    expected_counts,
    prune,
    seed_pieces,
    train_unigram,
)

LONGER = st.dictionaries(st.text("ab", min_size=2, max_size=4), st.floats(-8, -0.1), max_size=8)
LOG_PROBS = LONGER.map(lambda longer: {"a": -3.0, "b": -2.5, "c": -4.0} | longer)


def segmentations(word: str) -> Iterator[list[str]]:
    if not word:
        yield []
    for end in range(1, len(word) + 1):
        for rest in segmentations(word[end:]):
            yield [word[:end], *rest]


def allowed(word: str, log_probs: dict[str, float]) -> dict[tuple[str, ...], float]:
    ways = (tuple(way) for way in segmentations(word))
    return {way: sum(log_probs[p] for p in way) for way in ways if all(p in log_probs for p in way)}


@given(word=st.text("abc", min_size=1, max_size=8), log_probs=LOG_PROBS)
@settings(max_examples=150, deadline=None)
def test_viterbi_finds_the_best_of_all(word, log_probs):
    pieces, score = best_segmentation(word, log_probs)
    ways = allowed(word, log_probs)
    assert score == pytest.approx(max(ways.values())) == pytest.approx(ways[tuple(pieces)])


@given(word=st.text("abc", min_size=1, max_size=8), log_probs=LOG_PROBS)
@settings(max_examples=150, deadline=None)
def test_expected_counts_are_averages_over_all_segmentations(word, log_probs):
    ways = allowed(word, log_probs)
    total = sum(math.exp(score) for score in ways.values())
    expected: Counter[str] = Counter()
    for way, score in ways.items():
        for piece in way:
            expected[piece] += 3 * math.exp(score) / total
    assert expected_counts({word: 3}, log_probs) == pytest.approx(dict(expected))


def test_unknown_characters_are_fused_and_penalised():
    pieces, score = best_segmentation("a☃☃b", {"a": -1.0, "b": -2.0})
    assert pieces == ["a", "☃☃", "b"] and score == pytest.approx(-1 - 2 + 2 * (-2 - 10))
    assert best_segmentation("", {"a": -1.0}) == ([], 0.0)


def test_of_a_tie_the_longer_last_piece_wins():
    """All ways to cut these have the same probability, to the last bit."""
    assert best_segmentation("aaa", {"a": -1.0, "aa": -2.0, "aaa": -3.0}) == (["aaa"], -3.0)
    assert best_segmentation("aaa", {"a": -1.0, "aa": -2.0})[0] == ["a", "aa"]
    assert best_segmentation("aaaa", {"a": -1.0, "aa": -2.0, "aaa": -3.0})[0] == ["a", "aaa"]
    halves = {"ab": -1.0, "cd": -2.0, "abc": -2.0, "d": -1.0}
    for items in (halves, dict(reversed(halves.items()))):
        assert best_segmentation("abcd", items)[0] == ["ab", "cd"]


def test_em_raises_the_likelihood():
    words = {"low": 5, "lower": 2, "newest": 6, "widest": 3}

    def log_likelihood(log_probs: dict[str, float]) -> float:
        return sum(
            n * math.log(sum(map(math.exp, allowed(word, log_probs).values())))
            for word, n in words.items()
        )

    log_probs = seed_pieces(words)
    values = [log_likelihood(log_probs)]
    for _ in range(5):
        counts = expected_counts(words, log_probs)
        total = sum(counts.values())
        log_probs = {p: math.log(counts[p] / total) for p in log_probs if counts[p] > 0}
        values.append(log_likelihood(log_probs))
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(values))
    assert values[-1] > values[0] + 1


def test_seeds():
    seeds = seed_pieces({"aab": 2, "c": 1}, max_length=2)
    assert set(seeds) == {"a", "b", "c", "aa", "ab"}  # c occurs once, but a character stays
    assert sum(map(math.exp, seeds.values())) == pytest.approx(1)
    assert math.exp(seeds["a"] - seeds["aa"]) == pytest.approx(2)


def test_prune_keeps_characters_and_what_is_needed():
    words = {"abab": 50, "abc": 50, "ca": 1}
    kept = prune(words, seed_pieces(words), size=5, shrink=0.1)
    assert {"a", "b", "c"} < set(kept) and len(kept) == 5
    assert "ca" not in kept


def test_training_reaches_the_size_and_finds_the_parts():
    words = {
        "low": 5,
        "lower": 3,
        "lowest": 4,
        "new": 5,
        "newer": 4,
        "newest": 6,
        "wide": 3,
        "wider": 4,
        "widest": 3,
    }
    learnt = train_unigram(words, 14)
    assert len(learnt) == 14 and sum(map(math.exp, learnt.values())) == pytest.approx(1)
    assert {"low", "new", "wide"} < set(learnt)
    assert best_segmentation("slow", learnt)[0] == ["s", "low"]
    with pytest.raises(ValueError, match="characters"):
        train_unigram(words, 3)
