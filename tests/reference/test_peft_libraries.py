"""Parity with ``peft``: same weights, outputs, gradients, counts; AdaLoRA's ranks over a schedule.

Bottleneck adapters are held against the papers' equations (tests/peft/test_methods.py): the
``adapters`` library pins transformers 4.57 and does not install beside this course's.
"""

import pytest
import torch
from adapted_models import IDS, LABELS, REAL, bert
from torch import nn

from course_lib.peft import AdaLoRAConfig, LoRAConfig, PrefixConfig, PromptConfig, attach

peft = pytest.importorskip("peft")


class Classifier(nn.Module):
    """An encoder of transformers and a layer on the mean, called alike by both sides."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.encoder, self.head = encoder, nn.Linear(16, 2).double()

    def loss(self, drop: int = 0, **options) -> torch.Tensor:
        found = self.encoder(input_ids=IDS, attention_mask=REAL, **options)
        hidden = found.last_hidden_state[:, drop:]
        return nn.functional.cross_entropy(self.head(hidden.mean(1)), LABELS), hidden


def random_like(parameter: torch.Tensor, seed: int) -> torch.Tensor:
    noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
    return noise.to(parameter) * 0.2


def theirs_trainable(model: nn.Module) -> int:
    """Without AdaLoRA's ``ranknum``, a constant that peft keeps as a parameter."""
    return sum(
        p.numel()
        for name, p in model.named_parameters()
        if p.requires_grad and "ranknum" not in name
    )


def compare(ours: Classifier, theirs: Classifier, pairs, drop: int = 0, **options) -> None:
    """Outputs, and the gradient of each pair, in float64 and, rounded, to 1e-6.

    A pair is (ours, theirs, theirs in our shape).
    """
    our_loss, our_hidden = ours.loss(**options)
    their_loss, their_hidden = theirs.loss(drop)
    assert (our_hidden - their_hidden).abs().max() < 1e-9
    our_loss.backward()
    their_loss.backward()
    for mine, other, shaped in pairs:
        assert mine.grad.abs().max() > 1e-4
        assert (mine.grad - shaped(other.grad)).abs().max() < 1e-9


def same(x):
    return x


@pytest.mark.parametrize("stabilised", [False, True])
def test_lora(stabilised):
    ours, theirs = Classifier(bert()), Classifier(bert())
    handle = attach(ours.encoder, LoRAConfig(rank=4, alpha=6, rank_stabilised=stabilised))
    config = peft.LoraConfig(
        r=4, lora_alpha=6, target_modules=["query", "value"], use_rslora=stabilised
    )
    theirs.encoder = peft.get_peft_model(theirs.encoder, config)
    theirs.encoder.double()
    pairs = []
    for i, (path, layer) in enumerate(handle.layers.items()):
        other = theirs.encoder.base_model.model.get_submodule(path)
        for mine, there in (
            (layer.A, other.lora_A["default"].weight),
            (layer.B, other.lora_B["default"].weight),
        ):
            mine.data = random_like(mine, i)
            there.data = mine.data.clone()
            pairs.append((mine, there, same))
    compare(ours, theirs, pairs)
    assert handle.summary().n_trained == theirs_trainable(theirs.encoder) == 4 * 4 * 32


def test_lora_in_float32_to_1e_6():
    ours, theirs = bert().float(), bert().float()
    handle = attach(ours, LoRAConfig(rank=4))
    config = peft.LoraConfig(r=4, lora_alpha=16, target_modules=["query", "value"])
    theirs = peft.get_peft_model(theirs, config)
    for path, layer in handle.layers.items():
        other = theirs.base_model.model.get_submodule(path)
        layer.B.data = random_like(layer.B, 1) * 0.1
        other.lora_A["default"].weight.data = layer.A.data.clone()
        other.lora_B["default"].weight.data = layer.B.data.clone()
    given = dict(input_ids=IDS, attention_mask=REAL)
    one, two = (model(**given).last_hidden_state for model in (ours, theirs.eval()))
    # rounding differs from processor to processor: a bound on the whole that is tight, one on the
    # worst with some room
    assert (one - two).norm() / two.norm() < 1e-6 and (one - two).abs().max() < 1e-5


@pytest.mark.parametrize("hidden", [0, 8])
def test_prefix(hidden):
    ours, theirs = Classifier(bert()), Classifier(bert())
    handle = attach(ours.encoder, PrefixConfig(n_tokens=3, hidden=hidden))
    config = peft.PrefixTuningConfig(
        task_type="FEATURE_EXTRACTION",
        num_virtual_tokens=3,
        prefix_projection=bool(hidden),
        encoder_hidden_size=8,
        num_layers=2,
        token_dim=16,
        num_attention_heads=2,
    )
    theirs.encoder = peft.get_peft_model(theirs.encoder, config)
    theirs.encoder.double()
    encoder = theirs.encoder.prompt_encoder["default"]
    source = next(iter(handle.layers.values())).source
    pairs = [(source.rows, encoder.embedding.weight, same)]
    if hidden:
        for i in (0, 2):
            pairs += [(source.mlp[i].weight, encoder.transform[i].weight, same)]
            pairs += [(source.mlp[i].bias, encoder.transform[i].bias, same)]
    for i, (mine, other, _) in enumerate(pairs):
        mine.data = random_like(mine, i) * 3
        other.data = mine.data.clone()
    assert handle.summary().n_trained == theirs_trainable(theirs.encoder)
    # peft's text begins at the position behind the prefix, ours stays where it is unless told
    compare(ours, theirs, pairs, position_ids=torch.arange(3, 8)[None])


def test_prompt():
    ours, theirs = Classifier(bert()), Classifier(bert())
    handle = attach(ours.encoder, PromptConfig(n_tokens=3))
    config = peft.PromptTuningConfig(
        task_type="FEATURE_EXTRACTION",
        num_virtual_tokens=3,
        num_layers=2,
        token_dim=16,
        num_attention_heads=2,
    )
    theirs.encoder = peft.get_peft_model(theirs.encoder, config)
    theirs.encoder.double()
    mine = next(handle.parameters())
    other = theirs.encoder.prompt_encoder["default"].embedding.weight
    other.data = mine.data.clone()
    assert handle.summary().n_trained == theirs_trainable(theirs.encoder) == 48
    compare(ours, theirs, [(mine, other, same)], drop=3)


@pytest.mark.parametrize("begin, end, every", [(3, 6, 1), (0, 0, 1), (4, 5, 3)])
def test_adalora_over_a_schedule(begin, end, every):
    """Thirty steps of AdamW: at each, weights, the penalty's gradient, which triplets are left."""
    ours, theirs = Classifier(bert()), Classifier(bert())
    config = AdaLoRAConfig(
        total_steps=30, rank=4, target_rank=2, begin=begin, end=end, every=every, alpha=8
    )
    handle = attach(ours.encoder, config)
    reference = peft.AdaLoraConfig(
        init_r=4,
        target_r=2,
        tinit=begin,
        tfinal=end,
        deltaT=every,
        total_step=30,
        orth_reg_weight=0.5,
        lora_alpha=8 * (4 + 1e-5) / 4,  # peft divides by r + 1e-5
        target_modules=["query", "value"],
    )
    theirs.encoder = peft.get_peft_model(theirs.encoder, reference)
    theirs.encoder.double()
    model, pairs = theirs.encoder.base_model.model, {}
    for path, layer in handle.layers.items():
        other = model.get_submodule(path)
        triples = ((layer.P, other.lora_B), (layer.values, other.lora_E), (layer.Q, other.lora_A))
        for mine, there in triples:
            there["default"].data = mine.data.clone().view_as(there["default"])
        pairs[path] = [(mine, there["default"]) for mine, there in triples]
    flat = [pair for some in pairs.values() for pair in some]
    assert handle.summary().n_trained == theirs_trainable(theirs.encoder)
    ours.head.requires_grad_(False), theirs.head.requires_grad_(False)
    ours_step = torch.optim.AdamW([mine for mine, _ in flat], lr=0.02)
    theirs_step = torch.optim.AdamW([there for _, there in flat], lr=0.02)
    patterns = set()
    for step in range(1, 31):
        ours.loss()[0].backward()
        ours_step.step()
        orthogonality = 0
        for some in pairs.values():
            p, q = some[0][1], some[2][1]
            for gram in (p.T @ p, q @ q.T):
                off = gram - torch.eye(4, dtype=gram.dtype)
                orthogonality = orthogonality + torch.norm(off, p="fro")
        # as peft adds it to outputs.loss
        (theirs.loss()[0] + 0.5 * orthogonality / (2 * len(pairs))).backward()
        theirs_step.step()
        for mine, there in flat:
            assert (mine.grad - there.grad.view_as(mine)).abs().max() < 1e-9, step
        theirs.encoder.base_model.update_and_allocate(step)
        for mine, there in flat:
            assert (mine - there.view_as(mine)).abs().max() < 1e-9, step
        patterns.add(tuple(handle.watcher.rank_pattern().values()))
        left = {path: int((some[1][1] != 0).sum()) for path, some in pairs.items()}
        assert handle.watcher.rank_pattern() == left, step
        ours_step.zero_grad(), theirs_step.zero_grad()
    assert len(patterns) > 2 and sum(handle.watcher.rank_pattern().values()) == 2 * 4
