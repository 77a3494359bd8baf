"""Dropout: its share, independence, scale and gradient; attention that agrees with PyTorch's."""

import pytest
import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from course_lib.encoder.dropout import Dropout, attention_with_dropout, dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_share_that_drops(p, dtype):
    torch.manual_seed(1)
    n = 400_003  # not a multiple of four
    y = dropout(torch.ones(n, dtype=dtype), p)
    share = float((y == 0).double().mean())
    assert abs(share - p) < 5 * (p * (1 - p) / n) ** 0.5
    kept = y[y != 0]
    assert kept.unique().numel() == 1 and float(kept[0]) == pytest.approx(1 / (1 - p), rel=5e-3)


def test_the_mean_stays_to_five_standard_errors():
    torch.manual_seed(2)
    x = torch.linspace(1, 3, 200_000, dtype=torch.float64)
    y = dropout(x, 0.1)
    error = float((x.square() * 0.1 / 0.9).sum().sqrt()) / len(x)
    assert abs(float(y.mean() - x.mean())) < 5 * error


def test_neighbours_lanes_and_calls_are_independent():
    """Four numbers come from one draw of 64 bits, one the sign: all four must drop alike."""
    torch.manual_seed(3)
    n = 800_000
    drops = (dropout(torch.ones(n, dtype=torch.float64), 0.25) == 0).double()
    lanes = drops.view(-1, 4)
    sigma = (0.25 * 0.75) ** 0.5
    assert ((lanes.mean(0) - 0.25).abs() < 5 * sigma / len(lanes) ** 0.5).all()
    centred = (drops - 0.25) / sigma
    for lag in (1, 2, 3, 4, 8):
        assert abs(float((centred[:-lag] * centred[lag:]).mean())) < 5 / n**0.5, lag
    again = (dropout(torch.ones(n, dtype=torch.float64), 0.25) == 0).double()
    assert abs(float((centred * (again - 0.25) / sigma).mean())) < 5 / n**0.5


def test_the_gradient_is_that_of_what_was_kept():
    torch.manual_seed(4)
    x = torch.randn(30, 7, dtype=torch.float64, requires_grad=True)
    y = dropout(x, 0.3)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(slope * x, y)


def test_one_state_of_the_generator_gives_one_result():
    x = torch.ones(5, 9)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = dropout(x, 0.5)
    assert not torch.equal(first, dropout(x, 0.5))
    torch.set_rng_state(state)
    assert torch.equal(first, dropout(x, 0.5))


def test_off_in_evaluation_and_at_zero():
    x = torch.randn(4, 4)
    assert dropout(x, 0.5, training=False) is x and dropout(x, 0.0) is x
    layer = Dropout(0.5)
    assert layer.eval()(x) is x and not torch.equal(layer.train()(x), x)
    assert repr(layer) == "Dropout(p=0.5)"


def test_empty_and_transposed_input():
    assert dropout(torch.empty(0, 3), 0.5).shape == (0, 3)
    x = torch.ones(6, 50).T
    y = dropout(x, 0.5)
    assert y.shape == (50, 6) and set(y.unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("p", [-0.1, 1.0, 2.0])
def test_a_rate_that_can_not_be(p):
    with pytest.raises(ValueError, match=r"p must be in \[0, 1\)"):
        Dropout(p)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_without_dropout_is_pytorchs(masked):
    generator = torch.Generator().manual_seed(6)
    q, k, v = (
        torch.randn(2, 3, 5, 8, dtype=torch.float64, generator=generator).requires_grad_()
        for _ in "qkv"
    )
    mask = torch.rand(2, 1, 5, 5, generator=generator) < 0.5 if masked else None
    if masked:
        mask |= torch.eye(5, dtype=torch.bool)
    ours, theirs = (
        attention_with_dropout(q, k, v, mask),
        F.scaled_dot_product_attention(q, k, v, attn_mask=mask),
    )
    assert torch.allclose(ours, theirs, atol=1e-12)
    weights = torch.randn(ours.shape, dtype=torch.float64, generator=generator)
    for a, b in zip(
        *(torch.autograd.grad((x * weights).sum(), (q, k, v)) for x in (ours, theirs)), strict=True
    ):
        assert torch.allclose(a, b, atol=1e-12)


def test_attention_drops_weights_and_keeps_the_mean():
    """Values are one: a row's sum of dropped weights: mean 1, variance p / (1 - p) sum w^2."""
    torch.manual_seed(7)
    q, k = (torch.randn(1, 1, n, 4, dtype=torch.float64) for n in (2000, 50))
    ones = torch.ones(1, 1, 50, 1, dtype=torch.float64)
    out = attention_with_dropout(q, k, ones, dropout_p=0.2).flatten()
    weights = (q @ k.transpose(-2, -1) / 2).softmax(-1)
    variance = (weights.square().sum(-1) * 0.25).flatten()
    z = (out - 1) / variance.sqrt()
    assert abs(float(z.mean())) < 5 / 2000**0.5 and abs(float(z.var()) - 1) < 5 * (2 / 2000) ** 0.5


def test_a_mode_sees_attention_as_it_sees_pytorchs():
    seen = []

    class Listening(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if function is attention_with_dropout:
                seen.append(sorted(kwargs))
            return function(*args, **(kwargs or {}))

    x = torch.randn(1, 1, 3, 4)
    with Listening():
        inside = attention_with_dropout(x, x, x)
    assert seen == [["attn_mask", "dropout_p", "key", "query", "value"]]
    assert torch.equal(inside, attention_with_dropout(x, x, x))
