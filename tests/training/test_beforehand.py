"""Whatever can be known before the first step is said before it."""

import dataclasses
import os
from types import SimpleNamespace

import pytest
import torch
from uneven_batches import quick

from course_lib.batch import IGNORE, Batch
from course_lib.batches import MLMStream, fixed_batches
from course_lib.distributed import Workers
from course_lib.objectives import MaskedLM
from course_lib.training import beforehand, tracking, train
from course_lib.training.checkpoint import checkpoints


class Counting:
    """A stream that tells how many batches were asked for."""

    def __init__(self, stream) -> None:
        self.stream, self.fingerprint, self.steps = stream, stream.fingerprint, 0

    def batch(self, step: int) -> Batch:
        self.steps += 1
        return self.stream.batch(step)


@pytest.fixture
def stream(tokens, tokenizer):
    return Counting(MLMStream(tokens, tokenizer, seq_len=16, batch_size=8))


def refused(model, stream, error, says, config=None, **options):
    with pytest.raises(error, match=says):
        options = dict(progress=False, device="cpu") | options
        train(model, MaskedLM(), stream, config or quick(), **options)
    assert getattr(stream, "steps", 0) == 0


def test_a_folder_that_cannot_be_written_to(tmp_path, small_model, stream, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        refused(small_model, stream, ValueError, "out='.*file.*can't be written to", out=out)
    (tmp_path / "run" / "metrics.jsonl").mkdir(parents=True)
    refused(small_model, stream, ValueError, "metrics.jsonl is a folder", out=tmp_path / "run")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    refused(small_model, stream, ValueError, "No space left.*free some space", out=tmp_path / "a")


def test_the_trial_leaves_nothing(tmp_path, small_model, stream):
    train(small_model, MaskedLM(), stream, quick(), out=tmp_path, progress=False, device="cpu")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["metrics.jsonl", "step-00000006"]


def test_a_folder_with_a_run_is_not_written_over(tmp_path, small_model, stream):
    """The newest checkpoints are those with the highest steps: a shorter run would lose its own."""
    options = dict(out=tmp_path, progress=False, device="cpu")
    train(small_model, MaskedLM(), stream, quick(), **options)
    stream.steps = 0
    says = "already holds a run, up to step-00000006.*resume=True"
    refused(small_model, stream, ValueError, says, config=quick(steps=2), out=tmp_path)
    assert [p.name for p in checkpoints(tmp_path)] == ["step-00000006"]


@pytest.mark.not_strict("wrong types")
def test_callbacks_and_streams(tmp_path, small_model, stream):
    refused(small_model, stream, TypeError, "on_record must be a function", on_record=[])
    refused(small_model, [1], TypeError, r"stream must have a method batch\(step\), got list")

    class Nameless:
        def batch(self, step):
            return stream.batch(step)

    refused(small_model, Nameless(), TypeError, "fingerprint must be a string", out=tmp_path)
    Nameless.fingerprint = 3
    refused(small_model, Nameless(), TypeError, "must be a string, got 3", out=tmp_path)
    # nothing is saved: nothing has to be remembered
    train(small_model, MaskedLM(), Nameless(), quick(), progress=False, device="cpu")


def test_a_missing_tensorboard(tmp_path, small_model, stream, monkeypatch):
    def missing(*args):
        raise ImportError("pip install tensorboard")

    monkeypatch.setattr(tracking, "_summary_writer", missing)
    config = quick(tensorboard=True)
    refused(small_model, stream, ImportError, "pip install", config=config, out=tmp_path)


def row(label: int = 7, length: int = 16) -> Batch:
    labels = torch.full((1, length), IGNORE)
    labels[0, 3] = label
    return Batch(torch.full((1, length), 7), labels)


@pytest.mark.not_strict("wrong types")
def test_validation_that_cannot_be_judged(small_model, stream, held_out, tokenizer):
    good = fixed_batches(held_out, tokenizer, seq_len=16, batch_size=8)
    unlabelled = Batch(torch.full((1, 16), 7))
    for validation, error, says in (
        ([], ValueError, "validation is empty"),
        (iter(good), TypeError, r"gives them only once: write list\(...\)"),
        ([*good, "x"], TypeError, "must be a list of Batch, got one of class str"),
        ([row(IGNORE)], ValueError, "can't judge .*no batch has a predicted token"),
        ([*good, unlabelled], ValueError, "can't judge .*mask it first"),
        ([*good, row(label=500)], ValueError, "can't judge .*500 is out of bounds"),
        ([*good, row(length=65)], ValueError, "can't judge .*max_len is 64"),
        ([good[0], dataclasses.replace(row(), token_type_ids=torch.zeros(1, 16).long())],
         ValueError, "can't judge .*token_type_ids"),
    ):  # fmt: skip
        refused(small_model, stream, error, says, validation=validation)


def test_a_batch_without_targets_among_others_is_no_fault(small_model, stream):
    validation = [row(IGNORE), row()]
    options = dict(validation=validation, progress=False, device="cpu")
    result = train(small_model, MaskedLM(), stream, quick(), **options)
    assert result.history[-1]["validation_nll"] > 0


def test_looking_before_changes_nothing(small_model, stream, held_out, tokenizer):
    """The generators stand where they stood: the same weights with validation and without."""
    good = fixed_batches(held_out, tokenizer, seq_len=16, batch_size=8)
    config = dataclasses.replace(small_model.config, dropout=0.3)
    ends = []
    for validation in (None, good):
        torch.manual_seed(0)
        model = type(small_model)(config)
        options = dict(validation=validation, progress=False, device="cpu")
        train(model, MaskedLM(), stream, quick(), **options)
        ends.append(model.head.bias.detach().clone())
    assert torch.equal(*ends)


@pytest.mark.not_strict("wrong types")
def test_a_worker_that_is_lost_there_is_still_told_by_its_error(small_model, monkeypatch):
    """``join`` knows a lost worker by torch's error; with one worker it is the batches' fault."""

    def broken(*args, **kwargs):
        raise RuntimeError("gloo: connection closed by peer")

    monkeypatch.setattr(beforehand, "evaluate", broken)
    for count, error in ((1, ValueError), (2, RuntimeError)):
        learner = SimpleNamespace(
            model=small_model, objective=MaskedLM(), precision="fp32", workers=Workers(0, count)
        )
        stream = SimpleNamespace(batch=lambda step: row())
        with pytest.raises(error, match="closed by peer"):
            beforehand.check_data(learner, stream, [row()], None)
