"""The lines of those who look at no neighbour, against counting and against real masks."""

import math

import numpy as np
import pytest
import torch

from course_lib.batch import Batch
from course_lib.evaluation import copying_probabilities, lines_of_nothing, unigram_nll
from course_lib.masking import MaskPolicy, mask_tokens

MASK_ID = 0
# ids 0 and 1 are special
FREQUENCIES = np.array([0.0, 0.0, 0.4, 0.3, 0.2, 0.1])
POLICIES = [
    MaskPolicy(),
    MaskPolicy(mask=0.5, random=0.2, keep=0.3),
    MaskPolicy(mask=0, random=1, keep=0),
]


def joint(policy: MaskPolicy) -> np.ndarray:
    """P(right, shown), by writing out what the policy does to each token."""
    found, ordinary = np.zeros((6, 6)), range(2, 6)
    for right in ordinary:
        found[right, MASK_ID] += FREQUENCIES[right] * policy.mask
        found[right, right] += FREQUENCIES[right] * policy.keep
        for shown in ordinary:
            found[right, shown] += FREQUENCIES[right] * policy.random / len(ordinary)
    return found


@pytest.mark.parametrize("policy", POLICIES)
def test_copying_is_bayes_rule(policy):
    together = joint(policy)
    assert together.sum() == pytest.approx(1)
    right, shown = np.nonzero(together)
    got = copying_probabilities(FREQUENCIES, right, shown, mask_id=MASK_ID, policy=policy)
    want = together[right, shown] / together.sum(axis=0)[shown]
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_with_nothing_but_masks_it_is_the_unigram():
    policy, right = MaskPolicy(mask=1, random=0, keep=0), np.array([2, 3])
    got = copying_probabilities(FREQUENCIES, right, np.array([0, 0]), mask_id=0, policy=policy)
    np.testing.assert_array_equal(got, FREQUENCIES[right])


def test_on_real_masks_it_costs_its_entropy():
    """Nats a target of 60 000 masked tokens, within four standard errors of H(right | shown)."""
    generator, policy = torch.Generator().manual_seed(0), MaskPolicy(rate=0.3)
    ids = torch.multinomial(torch.from_numpy(FREQUENCIES), 200_000, True, generator=generator)
    special = torch.tensor([True, True, False, False, False, False])
    options = dict(mask_id=MASK_ID, vocab_size=6, special_mask=special, generator=generator)
    masked = mask_tokens(ids.view(1000, 200), policy, **options)
    asked = masked.labels >= 0
    right, shown = masked.labels[asked].numpy(), masked.input_ids[asked].numpy()
    law = dict(mask_id=MASK_ID, policy=policy)
    nats = -np.log(copying_probabilities(FREQUENCIES, right, shown, **law))
    together = joint(policy)
    held = together > 0
    given = together / together.sum(axis=0, keepdims=True).clip(1e-300)
    entropy = -(together[held] * np.log(given[held])).sum()
    assert abs(nats.mean() - entropy) < 4 * nats.std() / math.sqrt(len(nats))
    # and nobody who takes the frequencies for something else does better
    for wrong in (np.roll(FREQUENCIES[2:], 1), np.full(4, 0.25)):
        other = np.concatenate([[0, 0], wrong])
        assert -np.log(copying_probabilities(other, right, shown, **law)).mean() > nats.mean()


def test_the_three_lines():
    train = np.repeat(np.arange(2, 6), [39, 29, 19, 9])  # plus one each: FREQUENCIES
    labels = torch.tensor([[-100, 2, 5, 3, 4, -100]])
    batch = Batch(torch.tensor([[1, 0, 0, 3, 2, 1]]), labels=labels)
    about = dict(vocab_size=6, mask_id=MASK_ID, special_ids=(0, 1))
    lines = lines_of_nothing(train, [batch, batch], **about)
    assert lines.unigram == pytest.approx(unigram_nll(train, [batch], 6, (0, 1)), abs=1e-12)
    assert lines.unigram_mask == pytest.approx(-(math.log(0.4) + math.log(0.1)) / 2)
    random, keep = 0.1 / 4, 0.1
    itself = 0.3 * (keep + random) / (0.3 * keep + random)
    another = 0.2 * random / (0.4 * keep + random)
    want = -(math.log(0.4) + math.log(0.1) + math.log(itself) + math.log(another)) / 4
    assert lines.copying == pytest.approx(want)


def test_nothing_to_evaluate_and_no_mask():
    about = dict(vocab_size=6, mask_id=MASK_ID, special_ids=(0, 1))
    for batches in ([], [Batch(torch.tensor([[2, 3]]))]):
        with pytest.raises(ValueError, match="no batch has a predicted token"):
            lines_of_nothing(np.array([2, 3]), batches, **about)
    seen = Batch(torch.tensor([[2, 3]]), labels=torch.tensor([[2, -100]]))
    assert math.isnan(lines_of_nothing(np.array([2, 3]), [seen], **about).unigram_mask)
