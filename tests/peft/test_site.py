"""What is put aside moves with the model, and the base's names keep the base's values."""

import copy

import pytest
import torch
from adapted_models import bits, classifier, logits, shake
from torch import nn

from course_lib.finetuning.heads import LinearHead
from course_lib.peft import BitFitConfig, LoRAConfig, attach, handles

both = pytest.mark.parametrize(
    "config", [LoRAConfig(rank=2), BitFitConfig()], ids=lambda config: config.kind
)


@both
def test_a_model_that_is_moved_or_cast_afterwards_can_be_switched_and_detached(config):
    model = classifier().float()
    plain = logits(model)
    one = attach(model, config, name="one")
    shake(one)
    said = logits(model)
    two = attach(model, config, name="two", head=LinearHead(16, 5, dropout=0.0))
    model.double()
    assert logits(model).shape == (4, 5) and logits(model).dtype == torch.float64
    one.activate()
    assert (logits(model) - said).abs().max() < 1e-5
    with one.off():
        assert (logits(model) - plain).abs().max() < 1e-5
    two.detach()
    assert (logits(model) - said).abs().max() < 1e-5
    one.detach()
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    assert (logits(model) - plain).abs().max() < 1e-5


@both
def test_in_a_state_dict_the_bases_names_have_the_bases_values(config):
    model = classifier()
    before = bits(model)
    handle = attach(model, config)
    shake(handle)
    state = model.state_dict()
    assert all(torch.equal(state[name], before[name]) for name in before)
    assert all(".adapters" in f".{name}" for name in set(state) - set(before))
    base = {name: value for name, value in state.items() if name in before}
    classifier(seed=3).load_state_dict(base)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        classifier().load_state_dict(state)
    handle.deactivate()
    resting = model.state_dict()
    assert all(torch.equal(resting[name], state[name]) for name in state)


@both
def test_a_state_dict_goes_back_into_an_adapted_model(config):
    model, twin = classifier(), classifier(seed=5)
    handle, other = attach(model, config), attach(twin, config)
    shake(handle)
    shake(other, seed=8)
    twin.load_state_dict(model.state_dict())
    assert torch.equal(logits(twin), logits(model))
    other.detach(), handle.detach()
    assert torch.equal(logits(twin), logits(model))


@both
def test_a_deep_copys_state_is_its_own(config):
    model = classifier()
    shake(attach(model, config))
    said, twin = logits(model), copy.deepcopy(model)
    shake(handles(twin)["default"], seed=9)
    twin.state_dict()
    assert torch.equal(logits(model), said) and not torch.equal(logits(twin), said)
    twin.load_state_dict(model.state_dict())
    assert torch.equal(logits(twin), said)


def test_a_merged_models_state_is_the_merged_one():
    model = classifier()
    handle = attach(model, BitFitConfig())
    shake(handle)
    said = logits(model)
    handle.merge()
    base = {name: value for name, value in model.state_dict().items() if "adapters" not in name}
    plain = classifier()
    plain.load_state_dict(base)
    assert torch.equal(logits(plain), said)
    handle.unmerge()


def test_a_bias_that_two_modules_share_stays_shared():
    model = nn.ModuleDict({"one": nn.Linear(3, 3), "two": nn.Linear(3, 3)})
    model["two"].bias = model["one"].bias
    handle = attach(model, BitFitConfig())
    assert model["one"].bias is model["two"].bias and len(list(handle.parameters())) == 1
    shake(handle)
    assert not model["two"](torch.zeros(3)).equal(torch.zeros(3))
    handle.detach()
    assert model["one"].bias is model["two"].bias and len(model.state_dict()) == 4


def test_data_parallel_is_refused():
    model = classifier()
    attach(model, LoRAConfig(rank=2))
    with pytest.raises(ValueError, match="DistributedDataParallel"):
        model.encoder.blocks[0].attention.query._replicate_for_data_parallel()


def test_a_model_with_that_attribute_is_refused_and_left_alone():
    model = classifier()
    model.adapters_aside = 3
    with pytest.raises(ValueError, match="rename it"):
        attach(model, LoRAConfig(rank=2))
    assert handles(model) == {} and not any("adapters." in name for name in model.state_dict())
