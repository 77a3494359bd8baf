"""The formulas against what is really built, counted and kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForMaskedLM, BertModel

from course_lib.batch import Batch
from course_lib.encoder import Encoder, EncoderConfig, MaskedLanguageModel
from course_lib.encoder.costs import (
    activation_bytes,
    block_weights,
    encoder_parameters,
    forward_flops,
    mlm_parameters,
    training_flops,
)
from course_lib.encoder.variable_length import document_bounds
from course_lib.objectives import MaskedLM

SIZE = dict(vocab_size=211, n_layers=3, d_model=48, n_heads=4)
MODERN = EncoderConfig.modern(**SIZE)
BERT = EncoderConfig.bert(**SIZE, dropout=0.0)
CONFIGS = {
    "modern": MODERN,
    "bert": BERT,
    "one layer": replace(MODERN, n_layers=1),
    "bert without types or positions": replace(BERT, n_token_types=0, positions="none"),
    "sinusoidal": replace(MODERN, positions="sinusoidal"),
    "modern with biases": replace(MODERN, bias=True),
    "pre-norm, learned, no gate": replace(BERT, norm="pre"),
    "post-norm, rotary, gate": replace(MODERN, norm="post"),
}
every = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
SHAPE = dict(rows=3, seq_len=20, targets=11)


def plain_attention():
    """Attention as two products, which the counter sees; it doesn't know the CPU's fused one."""
    return sdpa_kernel(SDPBackend.MATH)


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def example(config: EncoderConfig) -> Batch:
    generator = torch.Generator().manual_seed(0)
    size = (SHAPE["rows"], SHAPE["seq_len"])
    ids = torch.randint(5, config.vocab_size, size, generator=generator)
    labels = torch.full_like(ids, -100)
    labels.view(-1)[torch.randperm(ids.numel(), generator=generator)[: SHAPE["targets"]]] = 7
    return Batch(ids, labels)


@every
def test_parameters_are_those_that_are_built(config):
    assert encoder_parameters(config) == count(Encoder(config))
    assert mlm_parameters(config) == count(MaskedLanguageModel(config))
    matrices = [p for n, p in Encoder(config).named_parameters() if "blocks" in n and p.ndim == 2]
    assert block_weights(config) == sum(p.numel() for p in matrices)


def test_parameters_are_those_of_transformers():
    shape = dict(hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=192)
    theirs = BertConfig(vocab_size=211, **shape)
    assert encoder_parameters(BERT) == count(BertModel(theirs, add_pooling_layer=False))
    assert mlm_parameters(BERT) == count(BertForMaskedLM(theirs))


@every
def test_flops_are_those_that_are_counted(config):
    model, batch = MaskedLanguageModel(config), example(config)
    with plain_attention(), FlopCounterMode(display=False) as counter:
        MaskedLM()(model, batch)
    assert counter.get_total_flops() == forward_flops(config, **SHAPE)
    with plain_attention(), FlopCounterMode(display=False) as counter:
        model.encoder(batch.input_ids)
    assert counter.get_total_flops() == forward_flops(config, **{**SHAPE, "targets": 0})


@every
def test_training_costs_three_times_the_forward_pass(config):
    model, batch = MaskedLanguageModel(config), example(config)
    with plain_attention(), FlopCounterMode(display=False) as counter:
        MaskedLM()(model, batch).mean.backward()
    assert counter.get_total_flops() == training_flops(config, **SHAPE)


@every
def test_the_pairs_inside_documents_are_those_that_a_loop_over_documents_computes(config):
    """Counted on the path that never computes a pair across documents."""
    model, batch = MaskedLanguageModel(config), example(config)
    rows, width = batch.input_ids.shape
    segment = torch.ones_like(batch.input_ids)
    segment[:, width // 3 :] = 2
    segment[0, -2:] = 3
    model.encoder.variable_length = True
    with plain_attention(), FlopCounterMode(display=False) as counter:
        MaskedLM()(model, Batch(batch.input_ids, batch.labels, segment)).mean.backward()
    sizes = document_bounds(segment).starts.diff()
    pairs = int((sizes**2).sum())
    assert pairs == int((segment[:, :, None] == segment[:, None, :]).sum()) < rows * width**2
    assert counter.get_total_flops() == training_flops(config, **SHAPE, pairs=pairs)
    assert training_flops(config, **SHAPE) == training_flops(config, **SHAPE, pairs=rows * width**2)
    with pytest.raises(ValueError, match="pairs"):
        training_flops(config, **SHAPE, pairs=rows * width**2 + 1)


@every
def test_activations_are_those_that_autograd_keeps(config):
    model, batch = MaskedLanguageModel(config), example(config)
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            # held, so that no address is used twice
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = MaskedLM()(model, batch).total
    assert sum(size for size, _ in kept.values()) == activation_bytes(config, **SHAPE)
    assert loss > 0


@every
def test_memory_in_use_after_the_forward_pass_is_that_of_the_formula(config, monkeypatch):
    monkeypatch.setenv("KINETO_LOG_LEVEL", "9")  # the profiler in silence
    model, batch = MaskedLanguageModel(config), example(config)
    MaskedLM()(model, batch)
    with torch.autograd.profiler.profile(use_kineto=True, profile_memory=True) as profile:
        loss = MaskedLM()(model, batch)
    # taken minus given back
    held = sum(event.self_cpu_memory_usage for event in profile.function_events)
    assert held == pytest.approx(activation_bytes(config, **SHAPE), rel=0.01)
    assert loss.total > 0


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="at least 1, got 0 and 4"):
        forward_flops(MODERN, rows=0, seq_len=4)
    with pytest.raises(ValueError, match="between 0 and the 8 tokens of the batch, got 9"):
        activation_bytes(MODERN, rows=2, seq_len=4, targets=9)
