"""Another rate for each layer: recognised by name, kept by the optimiser, and really applied."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel

from course_lib.encoder import Encoder, EncoderConfig, TransformersEncoder
from course_lib.finetuning import SequenceClassifier
from course_lib.optimisation import rate_scales, scale_rates
from course_lib.optimisation.layer_rates import layer_of, n_layers

SMALL = dict(vocab_size=30, n_layers=3, d_model=8, n_heads=2)


def bert(n: int) -> BertModel:
    shape = dict(hidden_size=8, num_attention_heads=2, intermediate_size=8)
    return BertModel(BertConfig(vocab_size=9, num_hidden_layers=n, **shape))


def test_layers_of_other_peoples_encoders():
    config = DistilBertConfig(vocab_size=9, dim=8, n_layers=2, n_heads=2, hidden_dim=8)
    distil = DistilBertModel(config)
    assert n_layers(bert(3)) == 3 and n_layers(distil) == 2
    assert n_layers(Encoder(EncoderConfig.modern(**SMALL))) == 3
    assert {layer_of(name) for name, _ in distil.named_parameters()} == {0, 1, 2}
    assert layer_of("model.encoder.layer.11.output.dense.weight") == 12


def test_scales_are_powers_of_the_decay():
    model = SequenceClassifier(TransformersEncoder(bert(2)), 2)
    scales = rate_scales(model, decay=0.5, head_scale=7.0)
    for name, scale in scales.items():
        layer = layer_of(name)
        expected = 7.0 if name.startswith("head.") else 1.0 if layer is None else 0.5 ** (3 - layer)
        assert scale == expected, name


def test_a_step_of_sgd_moves_each_layer_by_its_own_rate():
    model = SequenceClassifier(Encoder(EncoderConfig.bert(**SMALL)), 2)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scales = rate_scales(model, 0.5, 2.0)
    scale_rates(optimizer, model, scales)
    assert sum(len(g["params"]) for g in optimizer.param_groups) == len(before)
    for group in optimizer.param_groups:
        group["lr"] = 0.1 * group["lr_scale"]
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    for name, p in model.named_parameters():
        expected = torch.full_like(p, 0.1 * scales[name])
        torch.testing.assert_close(before[name] - p.detach(), expected)


def test_what_cannot_be():
    model = SequenceClassifier(Encoder(EncoderConfig.bert(**SMALL)), 2)
    for decay, scale in ((0, 1), (1.1, 1), (0.9, 0)):
        with pytest.raises(ValueError, match="layer_decay must be in"):
            rate_scales(model, decay, scale)
    with pytest.raises(ValueError, match="no layers found"):
        rate_scales(nn.Linear(2, 2), 0.9)
