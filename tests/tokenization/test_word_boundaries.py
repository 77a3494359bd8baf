"""Word starts of tokenizers from elsewhere: by white space, by a marker before it or after it."""

import pytest
import tokenizers
import torch
from foreign_tokenizers import SPECIALS, byte_level, sentencepiece, whole_words
from tokenizers import models, pre_tokenizers

from course_lib.batches import collate
from course_lib.masking import MaskPolicy
from course_lib.tokenization import Tokenizer
from course_lib.tokenization.word_boundaries import boundaries

ON_BYTES = {"model": {"type": "BPE"}, "pre_tokenizer": {"type": "ByteLevel"}}
PIECES = {"model": {"type": "Unigram"}, "pre_tokenizer": {"type": "Metaspace"}}


def in_bytes(text: str) -> str:
    split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return split.pre_tokenize_str(text)[0][0]


def words(tokenizer: Tokenizer, text: str) -> list[str]:
    encoding = tokenizer.encode(text, add_special=False)
    begins = [s for (s, _), first in zip(encoding.offsets, encoding.word_starts) if first]
    return [text[a:b] for a, b in zip(begins, [*begins[1:], len(text)])]


@pytest.mark.parametrize(
    "space", [" ", "\n", "\r\n", "\t", "\x0b", "\x0c", "\x85", "\xa0", "\u2003", "\u2028", "\u3000"]
)
def test_white_space_of_every_kind_begins_a_word(space):
    items = [space, f"{space}a", "a", f"a;{space}", f"{space}a{space}", space * 3]
    want = [
        (True, False),
        (True, False),
        (False, False),
        (False, True),
        (True, True),
        (True, False),
    ]
    assert boundaries(map(in_bytes, items), ON_BYTES) == want
    assert boundaries(items, PIECES) == want
    # added by hand to a tokenizer on bytes: written as it is
    assert boundaries([space * 2], ON_BYTES) == [(True, False)]


def test_letters_that_only_look_like_bytes_of_white_space():
    assert boundaries(["Ċ", "ĉa", "č"], PIECES) == [(False, False)] * 3
    # the first bytes of U+2003: not yet a character
    assert boundaries([in_bytes("\u2003")[:2]], ON_BYTES) == [(False, False)]
    assert boundaries(["<0x0A>", "<0xC3>", "<0x41>"], PIECES) == [
        (True, False),
        (False, False),
        (False, False),
    ]


def test_words_of_a_tokenizer_on_bytes_end_at_a_line_break_too():
    text = "one two three\nfour five six\nseven\neight\nnine\n"
    tokenizer = Tokenizer(byte_level([text] * 60))
    assert words(tokenizer, "seven\neight\nnine\nfour five") == [
        "seven",
        "\neight",
        "\nnine",
        "\nfour",
        " five",
    ]
    assert words(tokenizer, "one\ttwo") == ["one", "\ttwo"]
    assert words(tokenizer, "one\r\n\r\ntwo")[0] == "one"


def test_words_of_pieces_end_at_a_line_break_too():
    tokenizer = Tokenizer(sentencepiece([*"▁abc\n", "▁ab", "ab"]))
    assert words(tokenizer, "ab abc\nab\n\ncab") == ["ab", " abc", "\nab", "\n", "\ncab"]


def test_words_whose_end_is_marked():
    """As in XLM's and FlauBERT's: ``est</w>`` ends a word, and nothing marks where one begins."""
    items = [*SPECIALS, "l", "o", "w", "lo", "w</w>", "low</w>"]
    merges = [("l", "o"), ("lo", "w</w>")]
    model = models.BPE({x: i for i, x in enumerate(items)}, merges, end_of_word_suffix="</w>")
    backend = tokenizers.Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = Tokenizer(backend)
    assert words(tokenizer, "low wolow lolow low") == ["low ", "wolow ", "lolow ", "low"]


def test_a_word_is_a_word_for_whole_words():
    assert words(Tokenizer(whole_words([*"abc"])), "a b\nc") == ["a ", "b\n", "c"]


def test_the_first_token_begins_a_word_and_so_does_what_follows_a_special_one():
    tokenizer = Tokenizer(byte_level(["seven eight"] * 60))
    encoding = tokenizer.encode("seven<mask>seven", add_special=False)
    assert encoding.tokens == ["seven", "<mask>", "seven"] and all(encoding.word_starts)


@pytest.mark.parametrize("unit", ["word", "span"])
def test_masking_takes_the_words_that_encoding_shows(unit):
    text = "one two three\nfour five six\nseven\neight\nnine\n"
    tokenizer = Tokenizer(byte_level([text] * 60, size=300))
    tokenizer.word_end_mask[tokenizer.id("e")] = True  # as if it were ``e</w>``
    encoding = tokenizer.encode("seven\neight\nnine\nfour five")
    inner = encoding.word_starts
    inner = [s or tokenizer.id("e") == i for s, i in zip(inner, [0, *encoding.ids[:-1]])]
    word = torch.tensor(inner).cumsum(0)
    policy, split = MaskPolicy(0.5, unit=unit), set()
    for seed in range(200):
        generator = torch.Generator().manual_seed(seed)
        taken = collate([encoding.ids], tokenizer, policy, generator=generator).labels[0] != -100
        for n in word.unique():
            assert taken[word == n].all() or not taken[word == n].any()
        split |= set((taken[1:] != taken[:-1]).nonzero().flatten().tolist())
    assert split == {i for i, s in enumerate(inner[1:]) if s}
