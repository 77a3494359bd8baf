"""Writing in the background: the state of the saved step, whole, in order; no failure is lost."""

import threading

import pytest
import torch

from course_lib.training import CheckpointError, checkpoint
from course_lib.training.checkpoint import checkpoints, load_checkpoint
from course_lib.training.checkpoint_writer import CheckpointWriter


@pytest.fixture
def gate(monkeypatch):
    """Writing stops until the gate is opened."""
    opened, real = threading.Event(), checkpoint.save_checkpoint

    def slow(*args, **kwargs):
        assert opened.wait(20)
        return real(*args, **kwargs)

    monkeypatch.setattr(checkpoint, "save_checkpoint", slow)
    return opened


def test_training_goes_on_while_it_writes_and_the_copy_is_written(tmp_path, gate):
    writer, weights, info = CheckpointWriter(), torch.arange(5.0), {"groups": [{"lr": 0.1}]}
    path = writer.save(tmp_path, 7, {"w": weights}, info)
    weights.zero_()  # this line is reached although nothing is written yet
    info["groups"][0]["lr"] = 9.0
    assert not path.exists() and not checkpoints(tmp_path)
    gate.set()
    writer.wait()
    tensors, found = load_checkpoint(path)
    assert tensors["w"].tolist() == [0, 1, 2, 3, 4]
    assert found["step"] == 7 and found["groups"] == [{"lr": 0.1}]


def test_the_same_file_as_in_the_foreground(tmp_path):
    tensors = {"w": torch.randn(3, 4), "b": torch.randn(4).bfloat16(), "n": torch.tensor(3)}
    writer = CheckpointWriter()
    written = writer.save(tmp_path / "a", 1, tensors, {"x": [1.5, None]})
    writer.wait()
    direct = checkpoint.save_checkpoint(tmp_path / "b", 1, tensors, {"x": [1.5, None]})
    for name in ("state.safetensors", "state.json"):
        assert (written / name).read_bytes() == (direct / name).read_bytes()


def test_one_after_the_other_and_only_the_newest_are_kept(tmp_path):
    writer = CheckpointWriter()
    for step in range(1, 6):
        writer.save(tmp_path, step, {"w": torch.full((3,), float(step))}, {}, keep=2)
    writer.wait()
    assert [p.name for p in checkpoints(tmp_path)] == ["step-00000004", "step-00000005"]


def test_a_failure_is_raised_once_by_whoever_comes_next(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise CheckpointError("no space")

    writer = CheckpointWriter()
    monkeypatch.setattr(checkpoint, "save_checkpoint", full)
    writer.save(tmp_path, 1, {"w": torch.ones(1)}, {})
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="no space"):
        writer.save(tmp_path, 2, {"w": torch.ones(1)}, {})
    writer.wait()  # nothing is left of it


def test_waiting_for_nothing_is_nothing():
    CheckpointWriter().wait()
