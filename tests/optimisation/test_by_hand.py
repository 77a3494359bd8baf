"""Step for step against ``torch.optim`` in float64, on a network whose loss is not quadratic."""

import inspect
import math

import numpy as np
import pytest
import torch
from torch import nn

from course_lib.optimisation import by_hand
from course_lib.optimisation.by_hand import descend

needs_muon = pytest.mark.skipif(
    not hasattr(torch.optim, "Muon"), reason="torch.optim.Muon came with torch 2.9"
)
needs_adafactor = pytest.mark.skipif(
    not hasattr(torch.optim, "Adafactor"), reason="came with torch 2.5"
)
O = torch.optim

CASES = {
    "sgd": (
        by_hand.sgd,
        dict(lr=0.01, weight_decay=0.3),
        lambda p: O.SGD(p, 0.01, weight_decay=0.3),
    ),
    "momentum": (
        by_hand.momentum,
        dict(lr=0.01, mu=0.8, weight_decay=0.3),
        lambda p: O.SGD(p, 0.01, momentum=0.8, weight_decay=0.3),
    ),
    "nesterov": (
        by_hand.nesterov,
        dict(lr=0.01, mu=0.8, weight_decay=0.3),
        lambda p: O.SGD(p, 0.01, momentum=0.8, weight_decay=0.3, nesterov=True),
    ),
    "adam": (
        by_hand.adam,
        dict(lr=0.05, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.3),
        lambda p: O.Adam(p, 0.05, (0.8, 0.95), 1e-4, 0.3),
    ),
    "adamw": (
        by_hand.adamw,
        dict(lr=0.05, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.3),
        lambda p: O.AdamW(p, 0.05, (0.8, 0.95), 1e-4, 0.3),
    ),
    "adafactor": (
        by_hand.adafactor,
        dict(lr=0.3, decay=0.7, weight_decay=0.3),
        lambda p: O.Adafactor(p, 0.3, -0.7, weight_decay=0.3),
    ),
}
params = [pytest.param(n, marks=needs_adafactor) if n == "adafactor" else n for n in CASES]


def network(bias: bool = True) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7, bias=bias), nn.Tanh(), nn.Linear(7, 3, bias=bias)).double()


def largest_difference(update, options, reference, *, bias: bool = True, steps: int = 25) -> float:
    """Train twins, by hand and by torch, on the same batches; compare weights after every step."""
    ours, theirs = network(bias), network(bias)
    states, optimizer = [{} for _ in ours.parameters()], reference(list(theirs.parameters()))
    generator, worst = torch.Generator().manual_seed(1), 0.0
    for _ in range(steps):
        x = torch.randn(8, 5, generator=generator, dtype=torch.float64)
        for model in (ours, theirs):
            model.zero_grad()
            (model(x) - x[:, :3].sin()).pow(2).sum().backward()
        descend(update, list(ours.parameters()), states, **options)
        optimizer.step()
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            worst = max(worst, float((a - b).detach().abs().nan_to_num(math.inf).max()))
    return worst


@pytest.mark.parametrize("name", params)
def test_equals_torch(name):
    assert largest_difference(*CASES[name]) < 1e-12


MUON = (by_hand.muon, dict(lr=0.05, mu=0.9, weight_decay=0.3), lambda p: O.Muon(p, 0.05, 0.3, 0.9))


@needs_muon
def test_muon_equals_torch_without_its_rounding(monkeypatch):
    """torch iterates in bfloat16; with that one cast taken out, the two agree in float64."""
    assert largest_difference(*MUON, bias=False, steps=1) < 0.05 * 0.05  # bfloat16 has three digits
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self.clone())
    assert largest_difference(*MUON, bias=False) < 1e-11


FAULTS = {
    "adam": [
        ("m / (1 - b1**t)", "m"),
        ("s / (1 - b2**t)", "s"),
        ("** 0.5 + eps)", "+ eps**2) ** 0.5"),
        ("(1 - b2) * g * g", "(1 - b2) * g"),
        ('state.get("t", 0) + 1', 'state.get("t", 1) + 1'),
    ],
    "adamw": [
        ("- lr * weight_decay * theta", "- weight_decay * theta"),
        ("eps=eps)", "eps=eps, weight_decay=weight_decay)"),
    ],
    "momentum": [('mu * state.get("m", 0.0) + (g', 'mu * state.get("m", 0.0) + (1 - mu) * (g')],
    "nesterov": [("(g + mu * m)", "m")],
    "sgd": [("lr * (g + weight_decay * theta)", "lr * g")],
    "muon": [
        ("(1 - mu) * g + mu * m", "m"),
        ("max(1.0, g.shape[0] / g.shape[1])", "(g.shape[0] / g.shape[1])"),
        ("theta * (1 - lr * weight_decay)", "theta"),
    ],
    "adafactor": [
        ("(g * g)", "(g)"),
        ("/ row.mean(-2, keepdims=True)", "/ row.mean(-1, keepdims=True)"),
        ("max(1.0, root", "max(0.0, root"),
        ("min(lr, t**-0.5)", "lr"),
        ("t**-decay", "(t + 1) ** -decay"),
    ],
}


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        (n, *fault)
        for n, faults in FAULTS.items()
        for fault in faults
        if n not in ("adafactor", "muon") or hasattr(O, n.capitalize())
    ],
)
def test_a_planted_fault_is_seen(name, right, wrong, monkeypatch):
    """The comparison above can fail: each of these was written by somebody."""
    case, muon = (MUON, True) if name == "muon" else (CASES[name], False)
    if muon:
        monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self.clone())
    source = inspect.getsource(case[0]).replace("squares = g * g", "squares = (g * g)")
    assert right in source
    scope = dict(vars(by_hand))
    exec("from __future__ import annotations\n" + source.replace(right, wrong), scope)  # noqa: S102
    assert largest_difference(scope[name], *case[1:], bias=not muon) > 1e-6


def test_numpy_and_torch_give_the_same():
    rng = np.random.default_rng(0)
    theta, gradients = rng.normal(size=(4, 6)), rng.normal(size=(5, 4, 6))
    for update in (
        by_hand.sgd,
        by_hand.momentum,
        by_hand.nesterov,
        by_hand.adam,
        by_hand.adamw,
        by_hand.adafactor,
        by_hand.muon,
    ):
        a, b, state_a, state_b = theta, torch.from_numpy(theta), {}, {}
        for g in gradients:
            a, b = update(a, g, state_a, lr=0.1), update(b, torch.from_numpy(g), state_b, lr=0.1)
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-10, err_msg=update.__name__)


def test_decoupled_decay_is_l2_for_sgd_and_is_not_for_adam():
    theta, g = torch.tensor([1.0, 1.0]).double(), torch.tensor([0.01, 100.0]).double()
    decoupled = by_hand.sgd(theta, g, {}, lr=0.1) - 0.1 * 0.5 * theta
    torch.testing.assert_close(by_hand.sgd(theta, g, {}, lr=0.1, weight_decay=0.5), decoupled)
    penalty = by_hand.adam(theta, g, {}, lr=0.1, weight_decay=0.5)
    # the first step divides the penalty out, whatever it is
    torch.testing.assert_close(penalty, theta - 0.1)
    decayed = by_hand.adamw(theta, g, {}, lr=0.1, weight_decay=0.5)
    torch.testing.assert_close(decayed, theta - 0.1 - 0.05)


def test_bias_correction_makes_a_constant_gradient_exact():
    theta, state = torch.zeros(1).double(), {}
    for step in range(1, 9):
        theta = by_hand.adam(theta, torch.full((1,), 3.0).double(), state, lr=0.1, eps=0.0)
        assert theta.item() == pytest.approx(-0.1 * step, rel=1e-12)


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_newton_schulz_moves_the_singular_values_alone(shape):
    """Against the polynomial applied to the singular values of an SVD."""
    m = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, sigma, vt = torch.linalg.svd(m, full_matrices=False)
    sigma = sigma / m.norm()
    for _ in range(5):
        sigma = 3.4445 * sigma - 4.775 * sigma**3 + 2.0315 * sigma**5
    expected = u @ torch.diag(sigma) @ vt
    torch.testing.assert_close(by_hand.newton_schulz(m), expected, atol=1e-9, rtol=1e-9)
    assert 0.6 < sigma.min() and sigma.max() < 1.3


def test_zero_gradients_and_unused_parameters():
    theta = torch.ones(3, 4).double()
    for update in (by_hand.adam, by_hand.adafactor, by_hand.muon):
        assert torch.isfinite(update(theta, torch.zeros_like(theta), {}, lr=0.1)).all()
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    used.sum().backward()
    descend(by_hand.sgd, [used, unused], [{}, {}], lr=0.5)
    assert used.tolist() == [0.5, 0.5] and unused.tolist() == [1, 1]
    with pytest.raises(ValueError, match="one state per parameter"):
        descend(by_hand.sgd, [used], [], lr=0.5)
