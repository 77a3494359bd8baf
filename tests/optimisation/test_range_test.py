import copy
import itertools
import math

import pytest
import torch

from course_lib.batches import MLMStream
from course_lib.objectives import Loss, MaskedLM
from course_lib.optimisation import lr_range_test
from course_lib.optimisation.range_test import range_of_rates


@pytest.fixture
def stream(tokens, tokenizer):
    return MLMStream(tokens, tokenizer, seq_len=16, batch_size=8)


def test_rates_are_even_on_a_logarithmic_axis():
    rates = range_of_rates(1e-5, 10, 13)
    assert rates[0] == 1e-5 and rates[-1] == pytest.approx(10)
    ratios = [b / a for a, b in itertools.pairwise(rates)]
    assert ratios == pytest.approx([ratios[0]] * 12)


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
def test_the_model_and_the_random_state_are_left_alone(small_model, stream, optimizer):
    before, random = copy.deepcopy(small_model.state_dict()), torch.get_rng_state()
    small_model.eval()
    found = lr_range_test(small_model, MaskedLM(), stream, steps=5, optimizer=optimizer)
    assert all(torch.equal(v, before[k]) for k, v in small_model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random) and not small_model.training
    assert all(p.grad is None for p in small_model.parameters())
    assert [lr for lr, _ in found] == pytest.approx(range_of_rates(1e-6, 1.0, 5)[: len(found)])


def test_falls_then_explodes(small_model, stream):
    found = lr_range_test(small_model, MaskedLM(), stream, low=1e-4, high=100.0, steps=60)
    rates, losses = zip(*found)
    assert len(found) < 60 and losses[-1] > 2 * min(losses)  # it stopped by itself
    assert min(losses) < losses[0] - 0.5 and 1e-3 < rates[losses.index(min(losses))] < 1


def test_equals_a_loop_written_out(small_model, stream):
    found = lr_range_test(
        small_model, MaskedLM(), stream, low=1e-3, high=1e-1, steps=4, clip=0.5, optimizer="sgd"
    )
    losses = []
    optimizer = torch.optim.SGD(small_model.parameters(), 1e-3, momentum=0.9, nesterov=True)
    for step, lr in enumerate(range_of_rates(1e-3, 1e-1, 4)):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        loss = MaskedLM()(small_model, stream.batch(step)).mean
        loss.backward()
        torch.nn.utils.clip_grad_norm_(small_model.parameters(), 0.5)
        optimizer.step()
        losses.append(loss.item())
    assert [v for _, v in found] == pytest.approx(losses, rel=1e-6)


def test_a_loss_that_is_not_finite_ends_it(small_model, stream):
    class Poisoned(MaskedLM):
        calls = 0

        def __call__(self, model, batch) -> Loss:
            self.calls += 1
            loss = super().__call__(model, batch)
            return Loss(loss.total * (math.nan if self.calls == 3 else 1), loss.count)

    found = lr_range_test(small_model, Poisoned(), stream, steps=10)
    assert len(found) == 3 and found[-1][1] == math.inf


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (dict(low=0.0), "0 < low < high"),
        (dict(low=2.0), "0 < low < high"),
        (dict(steps=1), "steps"),
        (dict(optimizer="x"), "optimizer"),
    ],
)
def test_clear_errors(small_model, stream, change, match):
    with pytest.raises(ValueError, match=match):
        lr_range_test(small_model, MaskedLM(), stream, **change)
