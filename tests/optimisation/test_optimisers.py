import copy
import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from course_lib.encoder import EncoderConfig, MaskedLanguageModel
from course_lib.optimisation import OPTIMIZERS, Muon, adamw, muon, sgd
from course_lib.optimisation.optimisers import hidden_matrices, parameter_groups
from course_lib.training.checkpoint import optimizer_tensors, restore_optimizer


def test_adamw_equals_its_formula():
    torch.manual_seed(0)
    model = nn.Linear(5, 3).double()
    optimizer = adamw(model, lr=0.1, weight_decay=0.3, betas=(0.8, 0.95), eps=1e-6)
    theta = {n: p.detach().numpy().copy() for n, p in model.named_parameters()}
    m, s = ({n: np.zeros_like(v) for n, v in theta.items()} for _ in range(2))
    for step in range(1, 8):
        model(torch.randn(4, 5, dtype=torch.float64)).pow(2).sum().backward()
        for n, p in model.named_parameters():
            g, decay = p.grad.numpy(), 0.3 if p.ndim == 2 else 0.0
            m[n] = 0.8 * m[n] + 0.2 * g
            s[n] = 0.95 * s[n] + 0.05 * g * g
            update = m[n] / (1 - 0.8**step) / (np.sqrt(s[n] / (1 - 0.95**step)) + 1e-6)
            theta[n] = theta[n] - 0.1 * (update + decay * theta[n])
        optimizer.step()
        optimizer.zero_grad()
    for n, p in model.named_parameters():
        np.testing.assert_allclose(p.detach().numpy(), theta[n], rtol=1e-10)


def test_every_trainable_parameter_is_in_one_group(small_model):
    small_model.head.dense.weight.requires_grad_(False)
    groups = parameter_groups(small_model, 0.1)
    assert [g["weight_decay"] for g in groups] == [0.1, 0.0]
    assert all(p.ndim >= 2 for p in groups[0]["params"])
    assert all(p.ndim < 2 for p in groups[1]["params"])
    listed = [id(p) for g in groups for p in g["params"]]
    assert sorted(listed) == sorted(id(p) for p in small_model.parameters() if p.requires_grad)


def test_nothing_trainable_is_an_error():
    with pytest.raises(ValueError, match="no trainable parameter"):
        parameter_groups(nn.Linear(2, 2).requires_grad_(False), 0.1)


# -- Muon ------------------------------------------------------------------------------------------


def twins(**shape):
    torch.manual_seed(0)
    shape = dict(vocab_size=40, n_layers=2, d_model=16, n_heads=2, max_len=16, dropout=0.0) | shape
    model = MaskedLanguageModel(EncoderConfig.bert(**shape)).double()
    return model, copy.deepcopy(model)


def backward(model, step: int) -> None:
    ids = torch.randint(0, 40, (3, 8), generator=torch.Generator().manual_seed(step))
    model.zero_grad()
    nn.functional.cross_entropy(model(ids).flatten(0, 1), ids.flatten()).backward()


def test_hidden_matrices_are_the_blocks_linear_layers():
    model, _ = twins()
    hidden = {id(p) for p in hidden_matrices(model)}
    names = {n for n, p in model.named_parameters() if id(p) in hidden}
    assert names == {n for n, p in model.named_parameters() if "blocks" in n and p.ndim == 2}
    assert len(names) == 2 * 6
    model.encoder.blocks[0].requires_grad_(False)
    assert len(hidden_matrices(model)) == 6


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch.optim.Muon came with torch 2.9")
def test_muon_equals_torchs_muon_and_adamw(monkeypatch):
    """torch iterates in bfloat16, we on a CPU in the weights' type: that cast is taken out."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self.clone())
    ours, theirs = twins()
    optimizer = muon(ours, lr=0.02, weight_decay=0.1, betas=(0.8, 0.9), eps=1e-6, momentum=0.9)
    hidden = hidden_matrices(theirs)
    rest = [p for p in theirs.parameters() if all(p is not h for h in hidden)]
    first = torch.optim.Muon(hidden, 0.02, 0.1, 0.9, adjust_lr_fn="match_rms_adamw")
    decayed = [
        {"params": [p for p in rest if p.ndim > 1]},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0},
    ]
    second = torch.optim.AdamW(decayed, 0.02, (0.8, 0.9), 1e-6, 0.1)
    for step in range(6):
        for model in (ours, theirs):
            backward(model, step)
        for o in (optimizer, first, second):
            o.step()
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_muons_step_has_adamws_size():
    """0.2 in root mean square for square and long matrices, so that one rate serves both groups."""
    for shape in ((32, 32), (64, 16), (16, 64)):
        p = nn.Parameter(torch.zeros(shape))
        p.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        Muon([{"params": [p], "orthogonal": True}], lr=1.0).step()
        assert 0.15 < p.detach().square().mean().sqrt() < 0.25


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_survives_a_checkpoint_bit_for_bit(name):
    whole, resumed = twins()
    options = dict(lr=0.01, weight_decay=0.1, betas=(0.9, 0.98), eps=1e-8)
    one, other = (OPTIMIZERS[name](model, **options) for model in (whole, resumed))
    for step in range(3):
        backward(whole, step)
        one.step()
    tensors, info = optimizer_tensors(one)
    resumed.load_state_dict(whole.state_dict())
    copied = {k: v.clone() for k, v in tensors.items()}
    restore_optimizer(other, copied, json.loads(json.dumps(info)))
    for step in range(3, 6):
        for model, optimizer in ((whole, one), (resumed, other)):
            backward(model, step)
            optimizer.step()
    pairs = zip(whole.parameters(), resumed.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_moves_every_weight_and_learns(name):
    model, before = twins()
    optimizer = OPTIMIZERS[name](model, lr=0.1 if name == "sgd" else 0.01, weight_decay=0.01)
    for step in range(40):
        backward(model, step)
        optimizer.step()
    ids = torch.arange(8)[None]
    assert nn.functional.cross_entropy(model(ids)[0], ids[0]) < math.log(40) - 1
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    used = {n for n, gradient in gradients.items() if gradient.abs().sum() > 1e-12}
    for (n, a), b in zip(model.named_parameters(), before.parameters(), strict=True):
        assert not torch.equal(a, b) or n not in used, n


def test_sgd_is_nesterovs():
    ours, theirs = twins()
    optimizer, reference = sgd(ours, lr=0.1, weight_decay=0.0, betas=(0.7, 0)), None
    reference = torch.optim.SGD(theirs.parameters(), 0.1, momentum=0.7, nesterov=True)
    for step in range(3):
        for model, o in ((ours, optimizer), (theirs, reference)):
            backward(model, step)
            o.step()
    torch.testing.assert_close(ours.head.bias, theirs.head.bias)


def test_muon_edges():
    vector = nn.Parameter(torch.ones(3))
    with pytest.raises(ValueError, match=r"only matrices.*\(3,\)"):
        Muon([{"params": [vector], "orthogonal": True}], lr=1.0)
    with pytest.raises(ValueError, match="no trainable parameter"):
        muon(nn.Linear(2, 2).requires_grad_(False), lr=0.1, weight_decay=0.0)
    layer = nn.Linear(3, 2, bias=False)  # hidden matrices only
    optimizer = muon(layer, lr=0.1, weight_decay=0.0)

    def closure():
        optimizer.zero_grad()
        loss = layer(torch.ones(1, 3)).pow(2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) > optimizer.step(closure) > 0
