from collections import Counter

import pytest
import torch

from course_lib.evaluation.word_order import exchange, swapped_pairs

TEXTS = [
    (
        "The old city was built by people who came from the north. It has 3 parks. "
        "the next one is small and not capital at all.\n"
        "Many of the houses near the river are made of stone and wood."
    ),
    (
        "Nobody knows who wrote the first book about the history of this place! "
        "They left it to the people who live there now."
    ),
]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_pair_differs_in_two_neighbouring_words_inside():
    pairs = swapped_pairs(TEXTS * 20, 1000, generator=generator())
    assert len(pairs) == 60
    moved = set()
    for original, exchanged in pairs:
        a, b = original.split(), exchanged.split()
        assert Counter(a) == Counter(b) and original in " ".join(TEXTS)
        different = [i for i, (x, y) in enumerate(zip(a, b)) if x != y]
        assert len(different) == 2 and different[1] == different[0] + 1
        assert different[0] > 0 and different[1] < len(a) - 1
        moved.add(different[0])
    assert len(moved) > 5  # not always the same place


def test_numbers_small_letters_and_other_ends_are_left_out():
    originals = {p.original for p in swapped_pairs(TEXTS, 100, generator=generator())}
    assert len(originals) == 3
    assert not any("3" in o or o[0].islower() or o.endswith("!") for o in originals)


def test_the_same_generator_gives_the_same_pairs_and_another_others():
    same = [swapped_pairs(TEXTS * 9, 12, generator=generator(s)) for s in (0, 0, 1)]
    assert same[0] == same[1] != same[2]


def test_equal_words_are_not_exchanged():
    text = "He said that that that that that that that man left."
    pairs = swapped_pairs([text], 5, generator=generator())
    assert pairs[0].original != pairs[0].exchanged


def test_errors_say_what_is_missing():
    with pytest.raises(ValueError, match="no sentence of 7 to 18 words"):
        swapped_pairs(["Too short."], 5, generator=generator())
    with pytest.raises(ValueError, match="from 0 to 1 in a sentence of 3 words, got 2"):
        exchange("one two three", 2)


def test_one_string_is_no_list_of_texts():
    with pytest.raises(TypeError, match=r"write \[text\]"):
        swapped_pairs(TEXTS[0], 5, generator=generator())
