import json
import os

import pytest
import torch

from course_lib import whole_files
from course_lib.optimisation import adamw
from course_lib.training import CheckpointError, checkpoint, latest_checkpoint
from course_lib.training.checkpoint import (
    checkpoints,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)

TENSORS = {
    "a": torch.arange(6.0).view(2, 3),
    "b": torch.tensor(3, dtype=torch.int64),
    "c": torch.ones(4, dtype=torch.bfloat16),
}


def test_round_trip_keeps_bits_and_types(tmp_path):
    odd = {"x": TENSORS["a"].t(), "nan": torch.tensor([float("nan"), -0.0])}
    tensors, info = load_checkpoint(save_checkpoint(tmp_path, 7, TENSORS | odd, {"lr": 0.1 + 0.2}))
    for name, want in (TENSORS | odd).items():
        got = tensors[name]
        assert got.dtype == want.dtype and got.shape == want.shape
        assert torch.equal(*(x.contiguous().reshape(-1).view(torch.uint8) for x in (got, want)))
    assert info["lr"] == 0.1 + 0.2 and info["step"] == 7


def test_only_the_newest_are_kept(tmp_path):
    for step in (1, 2, 10, 100_000_000):
        save_checkpoint(tmp_path, step, TENSORS, {}, keep=2)
    assert [p.name for p in checkpoints(tmp_path)] == ["step-00000010", "step-100000000"]
    assert latest_checkpoint(tmp_path).name == "step-100000000"


@pytest.mark.parametrize("damage", ["cut", "flip", "no json", "no tensors", "old format"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, damage):
    good, bad = (save_checkpoint(tmp_path, step, TENSORS, {}) for step in (1, 2))
    file = bad / "state.safetensors"
    content = bytearray(file.read_bytes())
    if damage == "cut":
        file.write_bytes(content[:-5])
    elif damage == "flip":
        content[-1] ^= 1
        file.write_bytes(content)
    elif damage == "no json":
        (bad / "state.json").write_text("{")
    elif damage == "no tensors":
        file.unlink()
    else:
        (bad / "state.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(CheckpointError, match="step-00000002"):
        load_checkpoint(bad)
    with pytest.warns(UserWarning, match="passing over"):
        assert latest_checkpoint(tmp_path) == good


JSON_DAMAGE = {
    "empty": b"",
    "zeros": b"\0" * 200,
    "not UTF-8": b"\xff\xfe" * 50,
    "a list": b"[]",
    "null": b"null",
    "a number": b"3",
    "deep": b"[" * 100_000,
    "another format's type": b'{"format": [1]}',
    "no sha256": b'{"format": 1}',
    "sha256 of another type": b'{"format": 1, "sha256": 3}',
}


@pytest.mark.parametrize("damage", JSON_DAMAGE)
def test_whatever_stands_in_the_json_it_is_passed_over(tmp_path, damage):
    good, bad = (save_checkpoint(tmp_path, step, TENSORS, {}) for step in (1, 2))
    (bad / "state.json").write_bytes(JSON_DAMAGE[damage])
    with pytest.raises(CheckpointError, match="step-00000002"):
        load_checkpoint(bad)
    with pytest.warns(UserWarning, match="passing over"):
        assert latest_checkpoint(tmp_path) == good


def test_any_changed_value_of_the_json_is_damage(tmp_path):
    """A flipped digit of a counter leaves JSON that can be read, and another run."""
    info = {"seconds": 1.5, "window": {"total": float("nan"), "count": 3}, "scaler": {"scale": 4.0}}
    good, bad = (save_checkpoint(tmp_path, step, TENSORS, info) for step in (1, 2))
    whole = (bad / "state.json").read_text()
    for old, new in (("1.5", "7.5"), ('"count": 3', '"count": 5'), ('"scale"', '"skale"')):
        assert old in whole
        (bad / "state.json").write_text(whole.replace(old, new))
        with pytest.warns(UserWarning, match="passing over.*damaged"):
            assert latest_checkpoint(tmp_path) == good
    # an older checkpoint has no such sum
    older = {k: v for k, v in json.loads(whole).items() if k != "info_sha256"}
    (bad / "state.json").write_text(json.dumps(older))
    assert latest_checkpoint(tmp_path) == bad


def test_none_to_resume_from(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint to resume from"):
        latest_checkpoint(tmp_path)


def test_a_full_disk_leaves_the_earlier_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, 1, TENSORS, {})

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(CheckpointError, match="No space left.*Free some space"):
        save_checkpoint(tmp_path, 2, TENSORS, {})
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001"]


def test_who_may_read_new_files_may_read_the_weights(tmp_path):
    """safetensors writes files that only their owner may read; a server runs under another name."""
    (tmp_path / "new").touch()
    save_checkpoint(tmp_path, 1, TENSORS, {})
    files = [*(tmp_path / "step-00000001").iterdir(), tmp_path / "new"]
    modes = {path.name: path.stat().st_mode for path in files}
    assert len(set(modes.values())) == 1, modes


def test_what_a_killed_process_left_is_swept(tmp_path):
    (tmp_path / ".writing-step-00000003-1").mkdir()
    save_checkpoint(tmp_path, 4, TENSORS, {})
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000004"]


def test_names_appear_only_when_all_bytes_are_there(tmp_path, monkeypatch):
    """At the rename the folder is whole and synced; before it the final name does not exist."""
    synced, real = [], os.replace

    def watch(source, target):
        assert not os.path.exists(target)
        assert {p.name for p in source.iterdir()} <= {p.name for p in synced}
        load_checkpoint(source)
        real(source, target)

    monkeypatch.setattr(whole_files, "sync", synced.append)
    monkeypatch.setattr(os, "replace", watch)
    save_checkpoint(tmp_path, 1, TENSORS, {})


def test_optimizer_state_round_trip(small_model):
    optimizer = adamw(small_model, lr=0.1, weight_decay=0.1)
    sum(p.pow(2).sum() for p in small_model.parameters()).backward()
    optimizer.step()
    tensors, info = optimizer_tensors(optimizer)
    other = adamw(small_model, lr=0.5, weight_decay=0.0)
    restore_optimizer(other, tensors, json.loads(json.dumps(info)))
    again, _ = optimizer_tensors(other)
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[k], tensors[k]) for k in tensors)
    assert other.param_groups[0]["lr"] == 0.1
