import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from course_lib.batches import fixed_batches
from course_lib.encoder import MaskedLanguageModel
from course_lib.evaluation import evaluate, perplexity
from course_lib.masking import SHOWN, targets_shown_as
from course_lib.objectives import MaskedLM


@pytest.fixture
def batches(held_out, tokenizer):
    return fixed_batches(held_out, tokenizer, seq_len=16, batch_size=5)


def test_the_batch_size_does_not_matter(small_model, held_out, tokenizer):
    model = small_model.double()
    found = []
    for size in (1, 7, 50):
        batches = fixed_batches(held_out, tokenizer, seq_len=16, batch_size=size)
        found.append(evaluate(model, MaskedLM(), batches, precision="fp32"))
    assert len({f.count for f in found}) == len({f.accuracy for f in found}) == 1
    assert np.ptp([f.nll for f in found]) < 1e-6  # the logits are float32 before the softmax


def test_it_is_the_mean_over_tokens_and_not_over_batches(small_model, batches):
    with torch.no_grad():
        losses = [MaskedLM()(small_model, b) for b in batches]
    by_token = sum(float(x.total) for x in losses) / sum(x.count for x in losses)
    by_batch = np.mean([float(x.mean) for x in losses])
    got = evaluate(small_model, MaskedLM(), batches, precision="fp32").nll
    assert got == pytest.approx(by_token, rel=1e-6) and abs(by_token - by_batch) > 1e-4


def test_dropout_is_off_and_the_mode_comes_back(small_model, batches):
    model = MaskedLanguageModel(replace(small_model.config, dropout=0.5))
    model.load_state_dict(small_model.state_dict())
    model.train()
    first = evaluate(model, MaskedLM(), batches)
    assert model.training and first == evaluate(model, MaskedLM(), batches)
    assert first == evaluate(small_model, MaskedLM(), batches)


def test_clear_errors(small_model, batches):
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate(small_model, MaskedLM(), [])
    with pytest.raises(ValueError, match="precision must be"):
        evaluate(small_model, MaskedLM(), batches, precision="int3")


def test_perplexity():
    assert perplexity(math.log(7)) == pytest.approx(7) and perplexity(1e4) == math.inf


def test_the_loss_comes_apart_by_what_is_shown(small_model, batches, tokenizer):
    """The parts add up to the whole, and each is the loss on batches of its kind alone."""
    objective = MaskedLM(tokenizer.mask_id)
    found = evaluate(small_model, objective, batches, precision="fp32")
    assert sorted(found.parts) == sorted(SHOWN)
    assert sum(part.count for part in found.parts.values()) == found.count
    total = sum(part.nll * part.count for part in found.parts.values())
    assert total / found.count == pytest.approx(found.nll, rel=1e-6)
    right = sum(part.accuracy * part.count for part in found.parts.values())
    assert right / found.count == pytest.approx(found.accuracy)
    for what, part in found.parts.items():
        only = [targets_shown_as(batch, what, tokenizer.mask_id) for batch in batches]
        alone = evaluate(small_model, MaskedLM(), only, precision="fp32")
        assert alone == replace(part, nll=alone.nll) and alone.nll == pytest.approx(part.nll)


def test_kinds_that_do_not_occur_are_left_out(small_model, batches, tokenizer):
    only = [targets_shown_as(batch, "mask", tokenizer.mask_id) for batch in batches]
    found = evaluate(small_model, MaskedLM(tokenizer.mask_id), only)
    assert list(found.parts) == ["mask"] and found.parts["mask"].count == found.count
    assert evaluate(small_model, MaskedLM(), only).parts == {}
