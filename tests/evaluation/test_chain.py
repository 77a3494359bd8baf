"""The exact answer on the made-up language, against writing out all rows and against real masks."""

import itertools
import math

import numpy as np
import pytest

from course_lib.data.chain import chain_corpus, transitions
from course_lib.evaluation.chain import answers, chain_nll, word_ids
from course_lib.masking import MaskPolicy
from course_lib.pretraining import PretrainConfig, no_language, prepare
from course_lib.tokenization import train_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(chain_corpus().texts("train")[:300], 200, "wordpiece", progress=False)


def test_against_all_rows_of_three(tokenizer):
    """p(middle word | row) by Bayes over the 60 x 60 x 60 rows there could have been."""
    policy, law = MaskPolicy(rate=0.3, mask=0.5, random=0.3, keep=0.2), transitions()
    ids = word_ids(tokenizer)
    n_ordinary = tokenizer.vocab_size - len(tokenizer.special_ids)
    shown = np.array([[tokenizer.cls_id, ids[3], tokenizer.mask_id, ids[8], tokenizer.sep_id]])

    def p_shown(word: int, seen: int) -> float:
        if seen == tokenizer.mask_id:
            return policy.rate * policy.mask
        same = (ids[word] == seen) * (1 - policy.rate + policy.rate * policy.keep)
        return same + policy.rate * policy.random / n_ordinary

    first = [p_shown(word, shown[0, 1]) for word in range(60)]
    last = [p_shown(word, shown[0, 3]) for word in range(60)]
    weight = np.zeros(60)
    for a, b, c in itertools.product(range(60), repeat=3):
        weight[b] += first[a] * law[a, b] * p_shown(b, tokenizer.mask_id) * law[b, c] * last[c]
    got = answers(shown, ids, tokenizer, policy)
    np.testing.assert_allclose(got[0, 2], weight / weight.sum(), rtol=1e-10)


def test_documents_of_a_row_do_not_know_of_each_other(tokenizer):
    ids, policy = word_ids(tokenizer), MaskPolicy()
    before = [ids[3], tokenizer.mask_id, tokenizer.sep_id, tokenizer.cls_id]
    rows = np.array([[*before, ids[1]], [*before, ids[2]]])
    first, second = answers(rows, ids, tokenizer, policy)
    np.testing.assert_array_equal(first[1], second[1])
    assert not np.allclose(first[4], second[4])


def test_it_is_honest_and_below_the_unigram():
    """Its mean loss is its mean entropy, within four standard errors over the targets."""
    config = PretrainConfig(corpus="chain", vocab_size=200, validation_tokens=40_000, seq_len=64)
    prepared = prepare(config, progress=False)
    tokenizer, batches = prepared.tokenizer, prepared.validation
    found = chain_nll(batches, tokenizer)
    ids, entropies = word_ids(tokenizer), []
    for batch in batches:
        p = answers(batch.input_ids.numpy(), ids, tokenizer, MaskPolicy())
        asked = (batch.labels >= 0).numpy() & (batch.input_ids == tokenizer.mask_id).numpy()
        entropies.append(-(p[asked] * np.log(p[asked].clip(1e-300))).sum(-1))
    entropy = np.concatenate(entropies)
    assert abs(found - entropy.mean()) < 4 * 1.5 / math.sqrt(len(entropy))
    assert found < no_language(prepared).unigram_mask - 3
    # whoever believes in another law does worse
    assert found < chain_nll(batches, tokenizer, MaskPolicy(rate=0.9, mask=0, random=1, keep=0))


def test_clear_errors(tokenizer):
    with pytest.raises(ValueError, match="no target is shown as"):
        chain_nll([], tokenizer)
    small = train_tokenizer(chain_corpus().texts("train")[:20], 40, "wordpiece", progress=False)
    with pytest.raises(ValueError, match="is not one token .* larger vocabulary"):
        word_ids(small)
