"""PyTorch's fused layers: an adapter inside is not passed over."""

import pytest
import torch
from adapted_models import shake
from torch import nn

from course_lib.peft import AdaLoRAConfig, BitFitConfig, BottleneckConfig, LoRAConfig, attach

TARGETS = ("linear1", "linear2")
CONFIGS = (
    LoRAConfig(rank=2, targets=TARGETS),
    AdaLoRAConfig(total_steps=9, rank=2, target_rank=1, targets=TARGETS),
    BottleneckConfig(reduction=4, targets=TARGETS),
    BitFitConfig(),
)


def stack() -> nn.TransformerEncoder:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0)
    return nn.TransformerEncoder(layer, 2).eval()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
@pytest.mark.parametrize("padded", [False, True])
@torch.no_grad()
def test_evaluated_it_computes_what_it_computes_in_training(config, padded):
    model, x = stack(), torch.randn(2, 5, 16)
    mask = torch.tensor([[False] * 5, [False] * 3 + [True] * 2]) if padded else None
    real = slice(None, 3) if padded else slice(None)
    plain = model(x, src_key_padding_mask=mask)
    handle = attach(model, config)
    shake(handle, 0.3)
    trained = model.train()(x, src_key_padding_mask=mask)[:, real]
    evaluated = model.eval()(x, src_key_padding_mask=mask)[:, real]
    assert (evaluated - trained).abs().max() < 1e-5
    assert (evaluated - plain[:, real]).abs().max() > 0.01
    handle.detach()
    assert torch.equal(model(x, src_key_padding_mask=mask), plain)
    assert torch.backends.mha.get_fastpath_enabled()


def test_one_layer_alone_and_a_forward_that_fails():
    model = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    handle = attach(model, LoRAConfig(rank=2, targets=TARGETS))
    with pytest.raises(Exception, match="16"):
        model(torch.randn(2, 5, 3))
    assert torch.backends.mha.get_fastpath_enabled()
    handle.merge()
    assert not model._forward_pre_hooks and not model._forward_hooks
