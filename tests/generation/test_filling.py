"""Filling in: guesses for each hidden token, in order, and what cannot be filled."""

import pytest
from pretraining_command import SMALL
from small_corpus import small_corpus

from course_lib.generation import fill_mask
from course_lib.pretraining import PretrainConfig, build_model, prepare


@pytest.fixture
def corpus(monkeypatch, tmp_path):
    return small_corpus(monkeypatch, tmp_path)


def test_fill_mask(corpus, tmp_path):
    prepared = prepare(PretrainConfig(**SMALL), progress=False)
    model = build_model(PretrainConfig(**SMALL), prepared)
    guesses = fill_mask(model, prepared.tokenizer, "ban [MASK] dort [MASK].", k=3)
    assert [len(g) for g in guesses] == [3, 3]
    assert all(0 < p.probability < 1 for g in guesses for p in g)
    assert guesses[0][0].probability >= guesses[0][1].probability
    with pytest.raises(ValueError, match=r"has no \[MASK\] to fill"):
        fill_mask(model, prepared.tokenizer, "ban dort")
    with pytest.raises(ValueError, match="k must lie in"):
        fill_mask(model, prepared.tokenizer, "ban [MASK]", k=0)
