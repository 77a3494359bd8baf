"""Files: as small as promised, whole or refused, and tied to their base."""

import json

import pytest
import torch
from adapted_models import LABELS, METHODS, classifier, logits, shake
from safetensors.torch import save_file

from course_lib.finetuning.heads import LinearHead
from course_lib.peft import (
    AdapterError,
    BitFitConfig,
    LoRAConfig,
    PrefixConfig,
    active,
    attach,
    handles,
    load,
)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["ours", "bert"])
def test_saved_and_loaded_it_says_the_same(method, kind, tmp_path):
    model = classifier(kind).float()
    handle = attach(model, METHODS[method])
    shake(handle)
    said = logits(model).detach()
    path = handle.save(tmp_path / "deep" / "adapter.safetensors")
    n = sum(p.numel() for p in handle.parameters())
    assert 4 * n < path.stat().st_size < 4 * n + 2048
    assert torch.equal(logits(model), said)  # saving has not moved anything
    fresh = classifier(kind).float()
    loaded = load(fresh, path)
    assert torch.equal(logits(fresh), said) and loaded.config == handle.config


def test_an_attached_adapter_can_take_another_ones_weights(tmp_path):
    model = classifier()
    one = attach(model, LoRAConfig(rank=2))
    shake(one)
    said = logits(model).float()
    path = one.save(tmp_path / "one")
    shake(one, seed=8)
    one.load(path)
    assert (logits(model) - said).abs().max() < 1e-5
    with pytest.raises(AdapterError, match="holds a 'lora' adapter, this one is 'bitfit'"):
        attach(model, BitFitConfig(), name="two").load(path)


def test_saving_while_merged_or_beside_others_gives_the_same_file(tmp_path):
    model = classifier()
    handle = attach(model, LoRAConfig(rank=2))
    shake(handle)
    first = handle.save(tmp_path / "a").read_bytes()
    handle.merge()
    assert handle.save(tmp_path / "b").read_bytes() == first and handle.merged
    handle.unmerge()
    other = attach(model, BitFitConfig(), name="other")
    shake(other)
    assert handle.save(tmp_path / "c").read_bytes() == first and active(model) == "other"


def test_who_may_read_new_files_may_read_an_adapter(tmp_path):
    (tmp_path / "new").touch()
    path = attach(classifier(), LoRAConfig(rank=2)).save(tmp_path / "a")
    assert path.stat().st_mode == (tmp_path / "new").stat().st_mode


def test_another_base_is_refused_with_the_reason_and_left_alone(tmp_path):
    path = attach(classifier(), LoRAConfig(rank=2)).save(tmp_path / "a")
    trained = classifier()
    with torch.no_grad():
        trained.encoder.blocks[0].attention.query.bias[3] += 1e-9
    with pytest.raises(AdapterError, match="same shape but other weights"):
        load(trained, path)
    assert handles(trained) == {}
    with pytest.raises(AdapterError, match="other names, shapes or types"):
        load(classifier("bert"), path)
    with pytest.raises(AdapterError, match="other names, shapes or types"):
        load(classifier("ours").encoder, path)


def test_another_head_is_refused_and_another_start_of_the_head_is_not(tmp_path):
    model = classifier()
    handle = attach(model, LoRAConfig(rank=2), head=LinearHead(16, 5, dropout=0.0).double())
    path = handle.save(tmp_path / "a")
    with pytest.raises(AdapterError, match="Is the head another one"):
        load(classifier(), path)
    fresh = classifier()
    torch.nn.init.zeros_(fresh.head.output.weight)
    load(fresh, path, head=LinearHead(16, 5, dropout=0.0).double())
    assert (logits(fresh) - logits(model)).abs().max() < 1e-6


def test_damage_and_other_files_are_noticed(tmp_path):
    path = attach(classifier(), LoRAConfig(rank=2)).save(tmp_path / "a")
    whole = path.read_bytes()
    for name, content, message in (
        ("flipped", whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:], "its SHA-256 is not the one"),
        ("cut", whole[:-100], "damaged, or no safetensors"),
        ("empty", b"", "damaged, or no safetensors"),
        ("text", b"hello, this is no adapter at all", "damaged, or no safetensors"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(AdapterError, match=message):
            load(classifier(), tmp_path / name)
    header = {"format": "course_lib adapter 1", "method": "lora", "base": 3}
    for number, text in enumerate(("{", "[]", "null", json.dumps(header), "[" * 100_000)):
        metadata = {"course_lib": text}
        save_file({"adapter": torch.ones(2)}, tmp_path / f"header{number}", metadata=metadata)
        with pytest.raises(AdapterError, match="damaged|not an adapter of this package"):
            load(classifier(), tmp_path / f"header{number}")
    save_file({"w": torch.ones(2)}, tmp_path / "other")
    with pytest.raises(AdapterError, match="not an adapter of this package"):
        load(classifier(), tmp_path / "other")
    with pytest.raises(AdapterError, match="there is no adapter"):
        load(classifier(), tmp_path / "nowhere")


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AdapterError, match="could not write"):
        attach(classifier(), LoRAConfig(rank=2)).save(tmp_path / "file" / "adapter")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["ours", "bert"])
def test_a_base_in_another_precision_is_loaded_with_a_warning(method, kind, tmp_path):
    model = classifier(kind).float()
    handle = attach(model, METHODS[method])
    shake(handle)
    said = logits(model)
    path = handle.save(tmp_path / "a")
    rounded = classifier(kind).float().bfloat16()
    with pytest.warns(UserWarning, match=r"a base in torch.float32, .* another precision"):
        loaded = load(rounded, path)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.parameters(), handle.parameters(), strict=True)
    )
    assert (logits(rounded) - said).abs().max() < 0.15
    torch.nn.functional.cross_entropy(logits(rounded).float(), LABELS).backward()
    assert all(p.grad is None or p.grad.dtype == torch.float32 for p in loaded.parameters())
    loaded.detach()
    assert {p.dtype for p in rounded.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("method", sorted(set(METHODS) & {"lora", "adalora", "dora", "bitfit"}))
def test_on_a_bf16_base_it_merges_into_a_plain_bf16_model(method):
    model = classifier().bfloat16()
    handle = attach(model, METHODS[method])
    shake(handle, 0.05)
    said = logits(model).float()
    handle.merge(keep=False)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert (logits(model).float() - said).abs().max() < 0.1
    assert logits(model).dtype == torch.bfloat16


def test_a_folded_prefix_can_be_saved_and_loaded(tmp_path):
    model = classifier().float()
    handle = attach(model, PrefixConfig(n_tokens=3, hidden=8))
    shake(handle)
    next(iter(handle.layers.values())).fold()
    said = logits(model)
    fresh = classifier().float()
    assert load(fresh, handle.save(tmp_path / "a")).config.hidden == 0
    assert torch.equal(logits(fresh), said)
