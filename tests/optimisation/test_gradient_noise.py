"""Against a problem of known noise scale: the loss |theta - x|^2 / 2 with x drawn around mu."""

import math

import pytest
import torch
from torch import nn

from course_lib.batch import Batch
from course_lib.batches import MLMStream
from course_lib.objectives import Loss, MaskedLM
from course_lib.optimisation import gradient_noise_scale
from course_lib.optimisation.gradient_noise import noise_scale

POINTS = torch.randn(5000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
POINTS = POINTS * torch.tensor([1, 2, 3])
theta = torch.tensor([2.0, 0.0, 1.0], dtype=torch.float64)
G = theta - POINTS.mean(0)  # the true gradient, and the true variance of one row's
SIGNAL, NOISE = float(G @ G), float(POINTS.var(0, correction=0).sum())


class Point(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.theta, self.unused = nn.Parameter(theta.clone()), nn.Parameter(torch.ones(2))


def quadratic(model: Point, batch: Batch) -> Loss:
    x = POINTS[batch.input_ids[:, 0]]
    return Loss((model.theta - x).square().sum() / 2, len(x))


def batches(n: int, rows: int, seed: int = 1) -> list[Batch]:
    generator = torch.Generator().manual_seed(seed)
    return [Batch(torch.randint(len(POINTS), (rows, 1), generator=generator)) for _ in range(n)]


@pytest.mark.parametrize(("small", "big"), [(1, 8), (4, 16), (2, 4)])
def test_finds_the_known_signal_and_noise(small, big):
    """Five standard errors, taken from the spread of twenty independent estimates."""
    runs = [
        gradient_noise_scale(Point(), quadratic, batches(40, big, seed), small=small)
        for seed in range(20)
    ]
    for found, truth in (([r.signal for r in runs], SIGNAL), ([r.noise for r in runs], NOISE)):
        values = torch.tensor(found)
        mean, error = values.mean(), values.std() / math.sqrt(len(values))
        assert abs(mean - truth) < 5 * error and error < 0.1 * abs(truth)


def test_the_naive_estimate_is_wrong():
    """Planted: |g|^2 of the small batch taken for |G|^2 would be off by tr(S) / b."""
    runs = gradient_noise_scale(Point(), quadratic, batches(300, 8), small=1)
    assert abs(runs.signal + runs.noise - (SIGNAL + NOISE)) < 0.1 * NOISE
    assert runs.signal < 0.6 * (SIGNAL + NOISE)
    assert runs.rows == pytest.approx(NOISE / SIGNAL, rel=0.2)


def test_exact_where_there_is_no_noise():
    same = [Batch(torch.zeros(4, 1).long())]
    found = gradient_noise_scale(Point(), quadratic, same, small=2)
    gradient = theta - POINTS[0]
    assert abs(found.noise) < 1e-12
    assert found.signal == pytest.approx(float(gradient @ gradient))


def test_leaves_a_real_model_as_it_was(small_model, tokens, tokenizer):
    stream = MLMStream(tokens, tokenizer, seq_len=16, batch_size=8)
    before = {k: v.clone() for k, v in small_model.state_dict().items()}
    some = [stream.batch(i) for i in range(6)]
    found = gradient_noise_scale(small_model, MaskedLM(), some, small=2)
    assert found.noise > 0 and found.rows > 0
    assert all(torch.equal(v, before[k]) for k, v in small_model.state_dict().items())
    assert all(p.grad is None for p in small_model.parameters())


def test_pieces_with_more_targets_count_more():
    """The big batch's gradient is that of the mean over all targets, not the pieces' mean."""

    def weighted(model: Point, batch: Batch) -> Loss:
        weights = 1 + 5 * (batch.input_ids[:, 0] % 2)  # rows with 1 or 6 targets
        squares = (model.theta - POINTS[batch.input_ids[:, 0]]).square().sum(-1)
        return Loss((weights * squares).sum() / 2, int(weights.sum()))

    rows, weights = theta - POINTS[:2], torch.tensor([1.0, 6.0], dtype=torch.float64)
    together = (weights @ rows) / weights.sum()
    found = gradient_noise_scale(Point(), weighted, [Batch(torch.tensor([[0], [1]]))], small=1)
    small_square, big_square = float(rows.square().sum(-1).mean()), float(together @ together)
    expected = noise_scale(small=1, big=2, small_square=small_square, big_square=big_square)
    assert found.signal == pytest.approx(expected.signal)
    assert found.noise == pytest.approx(expected.noise)


def test_clear_errors():
    with pytest.raises(ValueError, match="1 <= small < big"):
        noise_scale(small=4, big=4, small_square=1.0, big_square=1.0)
    for wrong in (batches(1, 9), batches(1, 2), batches(1, 4) + batches(1, 8)):
        with pytest.raises(ValueError, match="same number of rows"):
            gradient_noise_scale(Point(), quadratic, wrong, small=2)
    with pytest.raises(ValueError, match="no batch"):
        gradient_noise_scale(Point(), quadratic, [], small=2)
    assert noise_scale(small=1, big=2, small_square=9.0, big_square=1.0).rows == math.inf
