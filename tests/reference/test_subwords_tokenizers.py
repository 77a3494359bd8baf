"""By-hand subwords against the Rust library: merge for merge, item for item, word for word."""

from __future__ import annotations

import json
import random
from collections import Counter
from pydoc_data.topics import topics

import pytest
import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from course_lib.tokenization import train_tokenizer
from course_lib.tokenization.merges import encode_bpe, encode_wordpiece, train_merges
from course_lib.tokenization.unigram import best_segmentation

# Python's own language reference: real prose, always there
REAL = [topics[name] for name in sorted(topics)][:60]
TOY = [
    "low " * 5 + "lower " * 2 + "newest " * 6 + "widest " * 3,
    "aaaa aaa aaaaa banana bananas",
    "a b ab ba é ü",
]


def ties(seed: int) -> list[str]:
    """Words over four letters: many pairs are equally frequent, many words repeat a letter."""
    rng = random.Random(seed)
    return [" ".join("".join(rng.choices("abcd", k=rng.randint(1, 8))) for _ in range(200))]


def words_of(texts: list[str]) -> Counter[str]:
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    return Counter(word for text in texts for word, _ in split(text))


def library_bpe(texts: list[str], size: int) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, show_progress=False))
    return backend


def test_the_real_sample_is_large_enough():
    assert sum(map(len, REAL)) >= 50_000


@pytest.mark.parametrize(
    ("texts", "size"),
    [(TOY, 60), (REAL, 900), *[(ties(seed), 80) for seed in range(8)]],
    ids=lambda v: None,
)
def test_bpe_merge_for_merge(texts, size):
    backend, words = library_bpe(texts, size), words_of(texts)
    model = json.loads(backend.to_str())["model"]
    learnt = train_merges(words, len(model["merges"]))
    assert list(learnt.merges) == [tuple(pair) for pair in model["merges"]]
    assert list(learnt.vocabulary) == sorted(model["vocab"], key=model["vocab"].get)
    theirs = {word: [token.value for token in backend.model.tokenize(word)] for word in words}
    assert {word: encode_bpe(word, learnt.merges) for word in words} == theirs


@pytest.mark.parametrize(
    ("texts", "size"),
    [(TOY, 70), (REAL, 900), *[(ties(seed), 80) for seed in range(8)]],
    ids=lambda v: None,
)
def test_wordpiece_is_trained_like_bpe_and_used_by_longest_match(texts, size):
    """``tokenizers`` trains WordPiece by pair *frequency*: as that criterion of ours, no other."""
    tokenizer = train_tokenizer(texts, size, coverage=1.0)
    items = [tokenizer.token(i) for i in range(5, tokenizer.vocab_size)]
    alphabet = [item for item in items if len(item.removeprefix("##")) == 1]
    words = words_of([tokenizer.backend.normalizer.normalize_str(text) for text in texts])
    n_merges = len(items) - len(alphabet)
    learnt = train_merges(words, n_merges, prefix="##", alphabet=alphabet)
    assert list(learnt.vocabulary) == items
    tokenize = tokenizer.backend.model.tokenize
    theirs = {word: [token.value for token in tokenize(word)] for word in words}
    assert {word: encode_wordpiece(word, items) for word in words} == theirs
    if texts is REAL:
        told = train_merges(words, 50, prefix="##", alphabet=alphabet, criterion="ratio")
        assert told.merges[:50] != learnt.merges[:50]


def test_longest_match_differs_from_merge_order_somewhere():
    """The same vocabulary used in two ways: why WordPiece is not BPE even when trained alike."""
    words = words_of(REAL)
    learnt = train_merges(words, 600, prefix="##")
    replayed = {word: encode_bpe(word, learnt.merges, "##") for word in words}
    longest = {word: encode_wordpiece(word, learnt.vocabulary) for word in words}
    differ = [word for word in words if replayed[word] != longest[word]]
    assert 0.02 * len(words) < len(differ) < 0.5 * len(words)


@pytest.mark.parametrize("texts", [REAL, *[ties(seed) for seed in range(3)]], ids=lambda v: None)
def test_best_segmentation_equals_the_library(texts):
    tokenizer = train_tokenizer(texts[:20], 500, "unigram", coverage=1.0)
    model = json.loads(tokenizer.backend.to_str())["model"]
    log_probs = dict(map(tuple, model["vocab"]))
    words = [*words_of(texts), "unseen", "naïveté", "ωω", "xωyωωz", "☃"]
    tokenize = tokenizer.backend.model.tokenize
    theirs = [[token.value for token in tokenize("▁" + word)] for word in words]
    assert [best_segmentation("▁" + word, log_probs)[0] for word in words] == theirs


def test_best_segmentation_breaks_ties_like_the_library():
    rng = random.Random(0)
    for _ in range(50):
        pieces = {
            "".join(rng.choices("ab", k=rng.randint(1, 4))): -float(rng.randint(1, 3))
            for _ in range(6)
        }
        pieces = {"?": 0.0} | pieces
        model = models.Unigram(list(pieces.items()), unk_id=0)
        for _ in range(20):
            word = "".join(rng.choices("abc", k=rng.randint(1, 9)))
            theirs = [token.value for token in tokenizers.Tokenizer(model).model.tokenize(word)]
            assert best_segmentation(word, pieces)[0] == theirs
