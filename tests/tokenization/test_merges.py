"""Merges by hand: on paper first, then properties on random words, then the faults."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.tokenization.merges import (
    CRITERIA,
    encode_bpe,
    encode_wordpiece,
    first_symbols,
    join,
    likelihood_gain,
    merge_pair,
    train_merges,
)

WORDS = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
SOME_WORDS = st.dictionaries(
    st.text("abcdé", min_size=1, max_size=8), st.integers(1, 20), min_size=1, max_size=12
)


def test_symbols_and_joins():
    assert first_symbols("abc") == ["a", "b", "c"]
    assert first_symbols("abc", "##") == ["a", "##b", "##c"]
    assert join("a", "##b", "##") == "ab" and join("a", "b") == "ab"
    assert join("##a", "##b", "##") == "##ab"
    assert merge_pair(["a"] * 5, ("a", "a")) == ["aa", "aa", "a"]
    assert merge_pair(["x", "a"], ("a", "x")) == ["x", "a"] and merge_pair([], ("a", "x")) == []


def test_the_example_of_sennrich_on_paper():
    learnt = train_merges(WORDS, 6)
    assert learnt.merges[:3] == (("e", "s"), ("es", "t"), ("l", "o"))
    assert learnt.merges[3:] == (("lo", "w"), ("e", "w"), ("n", "ew"))
    assert learnt.scores == (9, 9, 7, 7, 6, 6)
    assert learnt.vocabulary == (*"deilnorstw", "es", "est", "lo", "low", "ew", "new")


def test_ties_go_to_the_symbols_that_came_first():
    assert train_merges({"ba": 1, "ab": 1}, 1).merges == (("a", "b"),)
    assert train_merges({"ba": 1, "ab": 1}, 1, alphabet="ba").merges == (("b", "a"),)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_of_a_tie_the_second_symbol_decides_where_the_first_is_the_same(criterion):
    """Not the order of the words, nor the letters, but the age of the symbols."""
    for words in ({"ab": 1, "ac": 1}, {"ac": 1, "ab": 1}):
        for alphabet, second in (("abc", "b"), ("acb", "c")):
            learnt = train_merges(words, 1, criterion=criterion, alphabet=alphabet)
            assert learnt.merges == (("a", second),)


def test_of_a_tie_the_older_symbol_wins_and_not_the_one_that_sorts_first():
    words = {"zyx": 3, "abx": 3}
    # ``ab``, just made, is younger than y and than z
    learnt = train_merges(words, 4, alphabet="abxyz")
    assert learnt.merges == (("a", "b"), ("y", "x"), ("z", "yx"), ("ab", "x"))
    learnt = train_merges(words, 4, alphabet="zyxab")
    assert learnt.merges == (("z", "y"), ("a", "b"), ("zy", "x"), ("ab", "x"))


def test_a_symbol_that_is_there_already_keeps_its_number_when_it_is_made():
    learnt = train_merges({"ab": 5, "abc": 1, "dc": 1}, 2, alphabet=["ab", "a", "b", "c", "d"])
    assert learnt.merges == (("a", "b"), ("ab", "c"))
    assert learnt.vocabulary == ("ab", "a", "b", "c", "d", "abc")


def test_prefix_keeps_starts_apart():
    learnt = train_merges({"aa": 3, "baa": 2}, 2, prefix="##")
    assert learnt.vocabulary[:3] == ("a", "b", "##a")
    assert learnt.merges == (("a", "##a"), ("b", "##a")) and learnt.scores == (3, 2)


def recounted(
    symbols: dict[str, list[str]], words: dict[str, int], criterion: str
) -> dict[tuple[str, str], float]:
    c = Counter(s for word, row in symbols.items() for s in row for _ in range(words[word]))
    pairs = Counter(
        pair for word, row in symbols.items() for pair in pairwise(row) for _ in range(words[word])
    )
    if criterion == "frequency":
        return dict(pairs)
    if criterion == "ratio":
        return {(a, b): n / (c[a] * c[b]) for (a, b), n in pairs.items()}
    total = c.total()
    return {(a, b): likelihood_gain(n, c[a], c[b], total, a == b) for (a, b), n in pairs.items()}


@given(words=SOME_WORDS, n=st.integers(0, 15), criterion=st.sampled_from(CRITERIA))
@settings(max_examples=100, deadline=None)
def test_each_score_is_what_a_full_recount_gives(words, n, criterion):
    """The counts are kept up to date through merges; here they are made anew before each merge."""
    learnt = train_merges(words, n, criterion=criterion)
    symbols = {word: list(word) for word in words}
    for pair, score in zip(learnt.merges, learnt.scores, strict=True):
        scores = recounted(symbols, words, criterion)
        assert score == pytest.approx(scores[pair]) == pytest.approx(max(scores.values()))
        symbols = {word: merge_pair(row, pair) for word, row in symbols.items()}


@given(words=SOME_WORDS, prefix=st.sampled_from(["", "##"]))
@settings(max_examples=100, deadline=None)
def test_training_words_come_out_as_training_left_them(words, prefix):
    learnt = train_merges(words, 10, prefix=prefix)
    for word in words:
        symbols = first_symbols(word, prefix)
        for pair in learnt.merges:
            symbols = merge_pair(symbols, pair, prefix)
        assert encode_bpe(word, learnt.merges, prefix) == symbols
        assert set(symbols) <= set(learnt.vocabulary)


@given(words=SOME_WORDS, word=st.text("abcdéx", max_size=12))
@settings(max_examples=100, deadline=None)
def test_pieces_spell_the_word(words, word):
    learnt = train_merges(words, 10, prefix="##")
    pieces = encode_bpe(word, learnt.merges, "##")
    assert "".join(piece.removeprefix("##") for piece in pieces) == word
    pieces = encode_wordpiece(word, learnt.vocabulary)
    assert pieces == ["[UNK]"] or "".join(piece.removeprefix("##") for piece in pieces) == word
    for i, piece in enumerate(pieces):  # no longer item would have fitted
        if pieces != ["[UNK]"]:
            start = len("".join(p.removeprefix("##") for p in pieces[:i]))
            mark = "##" if start else ""
            longer = [
                mark + word[start:end]
                for end in range(start + len(piece.removeprefix("##")) + 1, len(word) + 1)
            ]
            assert not set(longer) & set(learnt.vocabulary)


def test_frequency_and_ratio_and_likelihood_choose_differently():
    words = {"the": 50, "then": 20, "qz": 1, "hat": 15, "tan": 15}
    first = {rule: train_merges(words, 1, criterion=rule).merges[0] for rule in CRITERIA}
    assert first["ratio"] == ("q", "z")  # once in the text, and its letters nowhere else
    assert first["frequency"] == first["likelihood"] == ("h", "e")


def test_likelihood_gain_is_the_difference_of_two_likelihoods():
    def log_likelihood(symbols: list[str]) -> float:
        counts = Counter(symbols)
        return sum(n * math.log(n / len(symbols)) for n in counts.values())

    before = list("abacabcb")
    after = merge_pair(before, ("a", "b"))
    gain = log_likelihood(after) - log_likelihood(before)
    assert likelihood_gain(2, 3, 3, 8) == pytest.approx(gain)
    before = list("aabcaabc")
    after = merge_pair(before, ("a", "a"))
    gain = log_likelihood(after) - log_likelihood(before)
    assert likelihood_gain(2, 4, 4, 8, same=True) == pytest.approx(gain)


def test_nothing_left_to_merge_stops_early():
    assert train_merges({"ab": 1}, 100).merges == (("a", "b"),)
    assert train_merges({"a": 1}, 5).merges == () and train_merges(WORDS, 0).merges == ()


def test_empty_and_one_character_words():
    assert encode_bpe("", ()) == [] and encode_bpe("a", ()) == ["a"]
    assert encode_wordpiece("", {"a"}) == [] and encode_wordpiece("b", {"a"}) == ["[UNK]"]


def test_errors_name_the_remedy():
    with pytest.raises(ValueError, match="frequency, ratio, likelihood"):
        train_merges(WORDS, 3, criterion="score")
    with pytest.raises(ValueError, match="Counter"):
        train_merges({}, 3)
    with pytest.raises(ValueError, match="negative"):
        train_merges(WORDS, -1)
