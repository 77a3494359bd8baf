"""A model's held-out losses beside the lines of those who look at no neighbour."""

import numpy as np
import pytest
from pretraining_command import SMALL
from small_corpus import small_corpus

from course_lib import data
from course_lib.data import Corpus, Document
from course_lib.evaluation import evaluate, unigram_nll
from course_lib.masking import targets_shown_as
from course_lib.objectives import MaskedLM
from course_lib.pretraining import PretrainConfig, build_model, judge, no_language, prepare
from course_lib.training import train


@pytest.fixture
def corpus(monkeypatch, tmp_path):
    return small_corpus(monkeypatch, tmp_path)


def test_an_untrained_model_starts_near_the_unigram(corpus):
    """``start_from_frequencies``: the first loss is the unigram's and not ln(vocabulary size)."""
    prepared = prepare(PretrainConfig(**SMALL), progress=False)
    model = build_model(PretrainConfig(**SMALL), prepared)
    found = judge(model, prepared)
    assert abs(found["validation_nll"] - found["unigram_nll"]) < 0.1
    assert abs(found["validation_nll_mask"] - found["unigram_nll_mask"]) < 0.1


def test_each_value_is_what_its_name_says(corpus):
    """Against separate evaluations on batches that hold the targets of one kind alone."""
    prepared = prepare(PretrainConfig(**SMALL), progress=False)
    tokenizer, batches = prepared.tokenizer, prepared.validation
    model = build_model(PretrainConfig(**SMALL), prepared)
    found = judge(model, prepared, precision="fp32")
    about = tokenizer.vocab_size, tokenizer.special_ids
    assert found["unigram_nll"] == unigram_nll(prepared.tokens.tokens, batches, *about)
    for what in ("mask", "itself", "another"):
        only = [targets_shown_as(batch, what, tokenizer.mask_id) for batch in batches]
        alone = evaluate(model, MaskedLM(), only, precision="fp32")
        assert found[f"validation_nll_{what}"] == pytest.approx(alone.nll, abs=1e-6)
    masked = [targets_shown_as(batch, "mask", tokenizer.mask_id) for batch in batches]
    by_frequency = unigram_nll(prepared.tokens.tokens, masked, *about)
    assert found["unigram_nll_mask"] == pytest.approx(by_frequency, abs=1e-12)
    assert found["copying_nll"] == no_language(prepared).copying < found["unigram_nll"] - 0.05


def test_a_model_that_only_copies_is_seen_through(monkeypatch, tmp_path):
    """On text without any order it gets well below the unigram line, but not on [MASK]."""
    rng = np.random.default_rng(0)
    words = [first + last for first in "bdfgklmnprst" for last in ("an", "en", "in")]
    documents = [" ".join(rng.choice(words, 30)) for _ in range(500)]
    parts = (documents[:400], documents[400:450], documents[450:])
    corpus = Corpus("noise", "none", *(tuple(Document.of(t, "test") for t in p) for p in parts))
    monkeypatch.setattr(data, "load_corpus", lambda name, **_: corpus)
    monkeypatch.setenv("COURSE_LIB_CACHE", str(tmp_path))
    config = PretrainConfig(**SMALL | {"steps": 300, "validation_tokens": 8000})
    prepared = prepare(config, progress=False)
    model = build_model(config, prepared)
    train(model, MaskedLM(), prepared.stream, config.training(), progress=False)
    found = judge(model, prepared)
    print(found)
    assert found["validation_nll"] < found["unigram_nll"] - 0.2
    assert found["validation_nll"] > found["copying_nll"] - 0.02
    assert found["validation_nll_mask"] > found["unigram_nll_mask"] - 0.02
