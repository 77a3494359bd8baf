"""The corpus, its tokenizer and the batches that runs are judged on."""

import pytest
import torch
from pretraining_command import SMALL
from small_corpus import small_corpus

from course_lib.masking import MaskPolicy
from course_lib.pretraining import PretrainConfig, prepare
from course_lib.pretraining.preparation import texts_to_learn_from


@pytest.fixture
def corpus(monkeypatch, tmp_path):
    return small_corpus(monkeypatch, tmp_path)


def test_runs_with_other_seeds_and_policies_are_judged_on_the_same_tokens(corpus):
    a, b = (prepare(PretrainConfig(**SMALL, seed=s), progress=False) for s in (0, 1))
    pairs = zip(a.validation, b.validation, strict=True)
    assert all(torch.equal(x.input_ids, y.input_ids) for x, y in pairs)
    assert not torch.equal(a.stream.batch(0).input_ids, b.stream.batch(0).input_ids)
    more = prepare(PretrainConfig(**SMALL, mask=MaskPolicy(rate=0.6, unit="span")), progress=False)
    pairs = zip(a.validation, more.validation, strict=True)
    assert all(torch.equal(x.labels, y.labels) for x, y in pairs)
    assert more.stream.batch(0).n_targets > 1.5 * a.stream.batch(0).n_targets


def test_a_corpus_of_which_nothing_is_held_out(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_LIB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "novel.txt").write_text("one long text")
    with pytest.raises(ValueError, match=r"of the 1 documents .* none fell to validation.*blank"):
        prepare(PretrainConfig(**SMALL, corpus=str(tmp_path / "novel.txt")), progress=False)


def test_a_tokenizer_is_learnt_from_a_sample_of_what_is_larger_than_memory(corpus):
    texts = corpus.texts("train")
    size = sum(map(len, texts))
    assert texts_to_learn_from(corpus) == texts
    sample = list(texts_to_learn_from(corpus, size // 4))
    assert sample == list(texts_to_learn_from(corpus, size // 4))
    assert set(sample) < set(texts) and 0.15 < sum(map(len, sample)) / size < 0.35
