"""The interface: for every method, on this course's encoder and on transformers' BERT."""

import copy

import pytest
import torch
from adapted_models import (
    IDS,
    LABELS,
    MERGEABLE,
    METHODS,
    bert,
    bits,
    classifier,
    logits,
    loss,
    ours,
    same_bits,
    shake,
)
from torch import nn

from course_lib.finetuning.heads import LinearHead
from course_lib.peft import BitFitConfig, LoRAConfig, PrefixConfig, active, attach, handles

every_method = pytest.mark.parametrize("method", METHODS)
every_model = pytest.mark.parametrize("kind", ["ours", "bert"])
mergeable = pytest.mark.parametrize("method", MERGEABLE)


@every_method
@every_model
def test_detach_gives_the_model_back_bit_for_bit(method, kind):
    model = classifier(kind)
    before, output = bits(model), logits(model)
    flags = {name: p.requires_grad for name, p in model.named_parameters()}
    attributes = {name: set(vars(m)) for name, m in model.named_modules()}
    handle = attach(model, METHODS[method])
    shake(handle)
    assert not torch.equal(logits(model), output)
    handle.detach()
    assert same_bits(before, bits(model)) and torch.equal(logits(model), output)
    assert flags == {name: p.requires_grad for name, p in model.named_parameters()}
    assert attributes == {name: set(vars(m)) for name, m in model.named_modules()}
    assert handles(model) == {} and active(model) is None


@every_method
@every_model
def test_only_the_adapter_and_its_head_are_trained(method, kind):
    model = classifier(kind)
    base = {id(p): name for name, p in model.named_parameters()}
    handle = attach(model, METHODS[method])
    shake(handle)
    loss(model).backward()
    mine = {id(p) for p in handle.parameters()}
    assert {id(p) for p in model.parameters() if p.requires_grad} == mine
    for name, parameter in handle.named_parameters():  # nobody asks BERT's pooler
        assert "pooler" in name or parameter.grad.abs().sum() > 0, name
    assert not any(p.grad is not None for p in model.parameters() if id(p) in base)


# DoRA counts the norm as a constant: its gradients are held against peft's
@pytest.mark.parametrize("method", sorted(set(METHODS) - {"dora"}))
def test_gradients_are_those_of_central_differences(method):
    model = classifier()
    handle = attach(model, METHODS[method])
    shake(handle)
    loss(model).backward()
    for name, parameter in handle.named_parameters():
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        for place in range(0, len(flat), max(1, len(flat) // 4)):
            value, sides = flat[place].item(), []
            for step in (1e-5, -1e-5):
                flat[place] = value + step
                with torch.no_grad():
                    sides.append(loss(model).item())
            flat[place] = value
            slope = (sides[0] - sides[1]) / 2e-5
            assert slope == pytest.approx(gradient[place].item(), abs=2e-8), (name, place)


@mergeable
@every_model
def test_merged_it_says_the_same_and_unmerged_the_base_has_its_bits(method, kind):
    model = classifier(kind)
    with_handle = attach(model, METHODS[method])
    shake(with_handle)
    base = {name: p.detach().clone() for name, p in model.named_parameters()}
    attached = logits(model).detach()
    with_handle.merge()
    assert with_handle.merged and (logits(model) - attached).abs().max() < 1e-12
    assert not any("forward" in vars(m) for m in model.modules())  # as fast as the base
    if method != "bitfit":
        assert not all(torch.equal(base[name], p) for name, p in model.named_parameters())
    with_handle.unmerge()
    assert all(torch.equal(base[name], p) for name, p in model.named_parameters())
    assert torch.equal(logits(model), attached)


@mergeable
def test_unmerging_gives_float32_weights_back_though_subtraction_would_not(method):
    model = classifier().float()
    handle = attach(model, METHODS[method])
    shake(handle, 0.3)
    base = {name: p.detach().clone() for name, p in model.named_parameters()}
    handle.merge()
    merged = {name: p.detach().clone() for name, p in model.named_parameters()}
    handle.unmerge()
    assert all(torch.equal(base[name], p) for name, p in model.named_parameters())
    # W + (W' - W) is not W' in floating point: the test can see the difference
    if method != "bitfit":
        assert any(not torch.equal(merged[n] - (merged[n] - base[n]), base[n]) for n in base)


@mergeable
def test_merged_for_good_is_a_plain_model(method):
    model = classifier()
    names = list(bits(model))
    handle = attach(model, METHODS[method])
    shake(handle)
    before = logits(model).detach()
    handle.merge(keep=False)
    assert list(bits(model)) == names and handles(model) == {}
    assert (logits(model) - before).abs().max() < 1e-12
    assert all(p.requires_grad for p in model.parameters())
    with pytest.raises(ValueError, match="detached"):
        handle.activate()


@pytest.mark.parametrize("method", sorted(set(METHODS) - set(MERGEABLE)))
def test_what_cannot_be_merged_says_why(method):
    handle = attach(classifier(), METHODS[method])
    with pytest.raises(ValueError, match="can't be merged: "):
        handle.merge()
    assert not handle.merged


def test_merging_in_float32_moves_the_logits_by_less_than_1e_5():
    model = classifier().float()
    handle = attach(model, LoRAConfig(rank=4))
    shake(handle, 0.3)
    before = logits(model)
    handle.merge()
    assert (logits(model) - before).abs().max() <= 1e-5


def test_merging_twice_unmerging_nothing_and_merging_what_rests_are_errors():
    model = classifier()
    one = attach(model, LoRAConfig(rank=2), name="one")
    with pytest.raises(ValueError, match="not merged"):
        one.unmerge()
    one.merge()
    with pytest.raises(ValueError, match="would add it twice"):
        one.merge()
    with pytest.raises(ValueError, match="'one' is merged into the base: unmerge it first"):
        attach(model, LoRAConfig(rank=2), name="two")
    assert active(model) == "one"
    one.unmerge()
    attach(model, LoRAConfig(rank=2), name="two")
    with pytest.raises(ValueError, match="not active"):
        one.merge()


def test_a_weight_that_two_modules_share_is_not_merged():
    model = nn.ModuleDict({"query": nn.Linear(4, 4), "value": nn.Linear(4, 4)})
    model["value"].weight = model["query"].weight
    with pytest.raises(ValueError, match="shared"):
        attach(model, LoRAConfig(rank=2)).merge()


def test_several_adapters_take_turns_with_their_heads():
    model = classifier()
    plain = logits(model).detach()
    one = attach(model, LoRAConfig(rank=2), name="one")
    shake(one)
    first = logits(model).detach()
    two = attach(model, BitFitConfig(), name="two", head=LinearHead(16, 5, dropout=0.0).double())
    shake(two)
    second = logits(model).detach()
    assert second.shape == (4, 5) and active(model) == "two"
    one.activate()
    assert torch.equal(logits(model), first)
    one.deactivate()
    assert torch.equal(logits(model), plain) and active(model) is None
    two.activate()
    with two.off():
        assert torch.equal(logits(model), plain)
    assert torch.equal(logits(model), second)
    one.detach()
    assert torch.equal(logits(model), second)
    two.detach()
    assert torch.equal(logits(model), plain)


@every_method
def test_a_resting_adapter_is_not_trained_and_survives_another_ones_training(method):
    model = classifier()
    resting = attach(model, METHODS[method], name="resting")
    shake(resting)
    before = [p.detach().clone() for p in resting.parameters()]
    said = logits(model).detach()
    working = attach(model, LoRAConfig(rank=2), name="working")
    trainable = [p for p in model.parameters() if p.requires_grad]
    assert {id(p) for p in trainable} == {id(p) for p in working.parameters()}
    optimizer = torch.optim.AdamW(trainable, lr=0.1)
    for _ in range(3):
        loss(model).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert all(torch.equal(a, b) for a, b in zip(before, resting.parameters(), strict=True))
    resting.activate()
    assert torch.equal(logits(model), said)
    assert working.name in handles(model)


def test_nothing_is_computed_backward_below_the_lowest_adapter():
    model = ours(n_layers=3)
    attach(model, LoRAConfig(rank=2, targets=(r"blocks\.1\..*query",)))
    seen = {}
    for name, module in model.named_modules():
        if name.count(".") == 1 and name.startswith("blocks"):

            def note(module, inputs, out, name=name) -> None:
                seen[name] = (inputs[0].requires_grad, out.requires_grad)

            module.register_forward_hook(note)
    model(IDS)
    assert seen == {"blocks.0": (False, False), "blocks.1": (False, True), "blocks.2": (True, True)}


@every_method
def test_a_deep_copy_has_adapters_of_its_own(method):
    model = classifier()
    handle = attach(model, METHODS[method])
    shake(handle)
    twin = copy.deepcopy(model)
    said = logits(model).detach()
    assert torch.equal(logits(twin), said)
    shake(handles(twin)["default"], seed=9)
    assert torch.equal(logits(model), said) and not torch.equal(logits(twin), said)
    handles(twin)["default"].detach()
    assert torch.equal(logits(model), said)


def test_names_that_are_taken_or_wrong_are_refused_and_nothing_changes():
    model = classifier()
    before = bits(model)
    with pytest.raises(ValueError, match="'qury' matches no module of the model. Near: .*'query'"):
        attach(model, LoRAConfig(targets=("qury",)))
    assert same_bits(before, bits(model)) and all(p.requires_grad for p in model.parameters())
    handle = attach(model, LoRAConfig(rank=2))
    said = logits(model)
    for wrong, message in (({}, "attached already"), ({"name": "a.b"}, "without dots")):
        with pytest.raises(ValueError, match=message):
            attach(model, LoRAConfig(rank=2), **wrong)
        assert active(model) == "default" and torch.equal(logits(model), said)
    handle.detach()
    with pytest.raises(ValueError, match="is detached"):
        handle.detach()


def test_targets_of_the_wrong_class_and_a_rank_above_the_size_are_refused():
    with pytest.raises(ValueError, match="of class LayerNorm; this method goes to Linear"):
        attach(classifier(), LoRAConfig(targets=("feed_forward_norm",)))
    with pytest.raises(
        ValueError,
        match=r"rank 17 is above the size of encoder.blocks.0.attention.query \(16 x 16\)",
    ):
        attach(classifier(), LoRAConfig(rank=17))
    with pytest.raises(ValueError, match="not a regular expression"):
        attach(classifier(), LoRAConfig(targets=("(",)))
    with pytest.raises(ValueError, match="never calls it"):
        attach(nn.TransformerEncoderLayer(8, 2), LoRAConfig(rank=2, targets=("out_proj",)))


def test_heads_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="no child 'hat'"):
        attach(classifier(), LoRAConfig(rank=2), head="hat")
    with pytest.raises(ValueError, match="no head to replace"):
        attach(ours(), LoRAConfig(rank=2), head=LinearHead(16, 2))
    assert attach(classifier(), LoRAConfig(rank=2), head=None).summary().n_head == 0


def test_a_module_that_another_library_has_changed_is_refused():
    model = classifier()
    query = model.encoder.blocks[1].attention.query
    query.forward = query.forward
    with pytest.raises(ValueError, match="another library has changed"):
        attach(model, LoRAConfig(rank=2))
    assert "adapters" not in model.encoder.blocks[0].attention.query._modules


def test_the_summary_counts_what_there_is():
    model = classifier()
    n = sum(p.numel() for p in model.parameters())
    for _ in range(2):
        handle = attach(model, LoRAConfig(rank=3))
        found = handle.summary()
        assert (found.n_places, found.n_adapter) == (4, 4 * 3 * 32)
        assert (found.n_head, found.n_base) == (34, n)
        assert found.n_trained == sum(p.numel() for p in handle.parameters())
        handle.detach()
    other = attach(model, BitFitConfig())
    assert other.summary().n_base == n
    other.deactivate()
    assert other.summary().n_base == n


def test_two_seeds_start_differently_and_one_seed_alike():
    def start(seed):
        generator = torch.Generator().manual_seed(seed)
        handle = attach(ours(), PrefixConfig(n_tokens=2), generator=generator)
        return next(handle.parameters())

    assert torch.equal(start(1), start(1)) and not torch.equal(start(1), start(2))


@every_method
def test_bert_under_mixed_precision_stays_close(method):
    model = classifier("bert").float()
    shake(attach(model, METHODS[method]), 0.05)
    exact = logits(model)
    with torch.autocast("cpu", torch.bfloat16):
        rough = logits(model)
    assert (rough - exact).abs().max() < 0.15 and torch.isfinite(rough).all()
    torch.nn.functional.cross_entropy(rough.float(), LABELS).backward()


def test_a_bare_transformers_model_keeps_its_outputs_form():
    model = bert()
    plain = model(IDS, attention_mask=(IDS != 0).long())
    for method in METHODS.values():
        handle = attach(model, method)
        out = model(IDS, attention_mask=(IDS != 0).long())
        assert out.last_hidden_state.shape == plain.last_hidden_state.shape
        assert out.pooler_output.shape == plain.pooler_output.shape
        handle.detach()
    again = model(IDS, attention_mask=(IDS != 0).long())
    assert torch.equal(again.last_hidden_state, plain.last_hidden_state)
