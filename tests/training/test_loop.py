import copy
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from uneven_batches import Uneven, quick

from course_lib.batch import IGNORE, Batch
from course_lib.batches import MLMStream, fixed_batches
from course_lib.encoder import EncoderConfig, MaskedLanguageModel
from course_lib.evaluation import evaluate, unigram_nll
from course_lib.objectives import MaskedLM
from course_lib.optimisation.schedules import linear
from course_lib.training import CheckpointError, Interrupted, NonFiniteError, TrainConfig, train
from course_lib.training.checkpoint import checkpoints, load_checkpoint

RUN = Path(__file__).parents[1] / "shared" / "training_run.py"


@pytest.fixture
def stream(tokens, tokenizer):
    return MLMStream(tokens, tokenizer, seq_len=16, batch_size=8)


@pytest.fixture
def validation(held_out, tokenizer):
    return fixed_batches(held_out, tokenizer, seq_len=16, batch_size=8)


def go(model, stream, config, **others):
    return train(model, MaskedLM(), stream, config, progress=False, device="cpu", **others)


def test_it_learns_what_a_unigram_cannot_know(small_model, tokens, tokenizer, validation):
    stream = MLMStream(tokens, tokenizer, seq_len=32, batch_size=32)
    config = TrainConfig(steps=250, lr=1e-2, log_every=50)
    result = go(small_model, stream, config, validation=validation)
    unigram = unigram_nll(tokens.tokens, validation, tokenizer.vocab_size, tokenizer.special_ids)
    found = evaluate(small_model, MaskedLM(), validation)
    assert found.nll < unigram - 1
    assert result.history[-1]["validation_nll"] == pytest.approx(found.nll)
    assert result.tokens == 250 * 32 * 32 and result.steps == 250 and result.stopped == "budget"


def test_equals_a_loop_written_out(small_model, stream):
    """The loop against the textbook's: mean loss, clipping, AdamW with the rate of each step."""
    torch.manual_seed(0)
    twin = MaskedLanguageModel(small_model.config)
    twin.load_state_dict(small_model.state_dict())
    history = go(small_model, stream, quick(clip=0.5, weight_decay=0.1, warmup=0.4)).history
    decay = [p for p in twin.parameters() if p.ndim >= 2]
    rest = [p for p in twin.parameters() if p.ndim < 2]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.98), eps=1e-8)
    for step in range(6):
        batch = stream.batch(step)
        documents = dict(segment_ids=batch.segment_ids, position_ids=batch.position_ids)
        logits = twin(batch.input_ids, **documents)
        loss = F.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORE)
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(twin.parameters(), 0.5)
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * linear(step / 6, warmup=0.4)
        optimizer.step()
        assert history[step]["loss"] == pytest.approx(loss.item(), rel=1e-5)
        assert history[step]["gradient_norm"] == pytest.approx(norm.item(), rel=1e-4)
    for a, b in zip(small_model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_accumulation_equals_the_large_batch(small_model, parts):
    state = {k: v.clone() for k, v in small_model.state_dict().items()}
    stream = Uneven(small_model.config.vocab_size)
    weights = []
    for accumulation in (1, parts):
        model = MaskedLanguageModel(small_model.config)
        model.load_state_dict(state)
        model.double()
        go(model, stream, quick(steps=3, accumulation=accumulation))
        weights.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert (weights[0] - weights[1]).abs().max() < 1e-5

    # the fault that this guards against: the mean of the micro-batches' means is another gradient
    whole = stream.whole
    losses = [MaskedLM()(small_model, part) for part in (whole.rows(0, 4), whole.rows(4, 8))]
    right = sum(x.total for x in losses) / whole.n_targets
    wrong = sum(x.mean for x in losses) / 2
    leaves = list(small_model.parameters())
    pieces = [torch.autograd.grad(x, leaves, retain_graph=True) for x in (right, wrong)]
    gradient = [torch.cat([g.flatten() for g in some]) for some in pieces]
    assert (gradient[0] - gradient[1]).norm() / gradient[0].norm() > 0.05


def run_process(out: Path, steps: int, resume: bool, kill_at: int = -1) -> int:
    arguments = [out, steps, "resume" if resume else "new", kill_at]
    command = [sys.executable, str(RUN), *map(str, arguments)]
    done = subprocess.run(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def comparable(record: dict) -> dict:
    return {k: v for k, v in record.items() if k not in ("seconds", "tokens_per_second")}


def test_killed_and_resumed_equals_never_killed_bit_for_bit(tmp_path):
    """SIGKILL before a checkpoint exists, between checkpoints, right after one.

    Weights, moments, best weights, random generators and logged losses end as the same bits.
    """
    assert run_process(tmp_path / "whole", 18, resume=False) == 0
    for kill_at in (2, 9, 15):
        assert run_process(tmp_path / "killed", 18, resume=True, kill_at=kill_at) == -signal.SIGKILL
    assert run_process(tmp_path / "killed", 18, resume=True) == 0
    ends = [load_checkpoint(checkpoints(tmp_path / name)[-1]) for name in ("whole", "killed")]
    (whole, info), (killed, other) = ends
    assert info["step"] == other["step"] == 18 and whole.keys() == killed.keys()
    assert {k.split(".")[0] for k in whole} == {"model", "optimizer", "best", "random"}
    for name in whole:
        assert torch.equal(whole[name], killed[name]), name
    lines = [(tmp_path / n / "metrics.jsonl").read_text().splitlines() for n in ("whole", "killed")]
    a, b = ([comparable(json.loads(line)) for line in x] for x in lines)
    assert a == b and len(a) == 11


@pytest.mark.parametrize("optimizer", ["muon", "sgd"])
def test_other_optimizers_resume_bit_for_bit(tmp_path, small_model, stream, optimizer):
    cut, config = copy.deepcopy(small_model), quick(optimizer=optimizer, accumulation=2)
    go(small_model, stream, config, out=tmp_path / "whole")

    class Stopping:
        fingerprint = stream.fingerprint

        def batch(self, step: int) -> Batch:
            if step == 3:
                raise KeyboardInterrupt
            return stream.batch(step)

    whole = checkpoints(tmp_path / "whole")[-1]
    with pytest.raises(KeyboardInterrupt):
        go(cut, Stopping(), replace(config, checkpoint_every=1), out=tmp_path / "cut")
    other = MaskedLanguageModel(small_model.config)  # of which nothing is left after the resume
    often = replace(config, checkpoint_every=1)
    assert go(other, stream, often, out=tmp_path / "cut", resume=True).steps == 6
    one, other = (load_checkpoint(p)[0] for p in (whole, checkpoints(tmp_path / "cut")[-1]))
    assert one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_a_checkpoint_older_than_a_field_resumes_with_its_default(tmp_path, small_model, stream):
    go(small_model, stream, quick(steps=2, checkpoint_every=1), out=tmp_path)
    for path in checkpoints(tmp_path):
        info = json.loads((path / "state.json").read_text())
        del info["config"]["optimizer"], info["info_sha256"]
        (path / "state.json").write_text(json.dumps(info))
    with pytest.raises(CheckpointError, match="optimizer='adamw', now it is 'muon'"):
        go(small_model, stream, quick(optimizer="muon"), out=tmp_path, resume=True)
    assert go(small_model, stream, quick(), out=tmp_path, resume=True).steps == 6


@pytest.mark.parametrize("damage", ["step", "optimizer", "config", "window", "groups", "rest"])
def test_a_checkpoint_that_lacks_something_is_a_clear_error(tmp_path, small_model, stream, damage):
    """Written before state.json had a SHA-256 of its own, and changed since."""
    go(small_model, stream, quick(steps=2), out=tmp_path)
    (path,) = checkpoints(tmp_path)
    info = json.loads((path / "state.json").read_text())
    del info["info_sha256"]
    for value in (None, [], "x", 7.5):
        if damage in info:
            bad = info | {damage: value}
        else:
            bad = info | {"optimizer": info["optimizer"] | {damage: value}}
        (path / "state.json").write_text(json.dumps(bad))
        with pytest.raises(CheckpointError, match="step-00000002.*(is damaged|does not fit)"):
            go(small_model, stream, quick(), out=tmp_path, resume=True)


def test_the_checkpoint_of_another_model_says_where_it_differs(tmp_path, small_model, stream):
    go(small_model, stream, quick(steps=2), out=tmp_path)
    other = MaskedLanguageModel(replace(small_model.config, d_ff=64))
    with pytest.raises(CheckpointError, match=r"another model: encoder.*d_ff|inner.weight is \("):
        go(other, stream, quick(), out=tmp_path, resume=True)
    # not all is trained: the optimiser has other groups
    small_model.encoder.requires_grad_(False)
    with pytest.raises(CheckpointError, match="does not fit this run.*what is trained as it was"):
        go(small_model, stream, quick(), out=tmp_path, resume=True)


def test_resume_would_differ_without_the_moments(tmp_path, small_model, stream):
    """The test above can fail: dropping the moments from the checkpoint changes the weights."""
    state = {k: v.clone() for k, v in small_model.state_dict().items()}
    go(small_model, stream, quick(checkpoint_every=3), out=tmp_path)
    cut = MaskedLanguageModel(small_model.config)
    cut.load_state_dict(state)
    middle = checkpoints(tmp_path)[0]
    tensors, _ = load_checkpoint(middle)
    weights = {k: v for k, v in tensors.items() if k.startswith("model.")}
    cut.load_state_dict({k.removeprefix("model."): v for k, v in weights.items()})

    class Rest:
        fingerprint = ""

        def batch(self, step: int) -> Batch:
            return stream.batch(step + 3)

    go(cut, Rest(), quick(steps=3, schedule="constant", warmup=0.0))
    assert not torch.allclose(cut.head.bias, small_model.head.bias, atol=1e-4)


def test_resume_refuses_another_run(tmp_path, small_model, stream):
    go(small_model, stream, quick(steps=2, checkpoint_every=1), out=tmp_path)
    with pytest.raises(CheckpointError, match="lr=0.01, now it is 0.02"):
        go(small_model, stream, quick(lr=2e-2), out=tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="another stream of batches"):
        go(small_model, replace(stream, seed=5), quick(), out=tmp_path, resume=True)
    with pytest.raises(ValueError, match="give out"):
        go(small_model, stream, quick(), resume=True)


def test_resume_without_a_checkpoint_starts(tmp_path, small_model, stream):
    assert go(small_model, stream, quick(), out=tmp_path / "new", resume=True).steps == 6


def test_a_finished_run_resumes_to_nothing(tmp_path, small_model, stream):
    first = go(small_model, stream, quick(), out=tmp_path)
    again = go(small_model, stream, quick(), out=tmp_path, resume=True)
    assert again.steps == first.steps and again.history == first.history


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interruption_finishes_the_step_and_saves(tmp_path, small_model, stream, number):
    class Interrupting:
        fingerprint = stream.fingerprint

        def batch(self, step: int) -> Batch:
            if step == 2:
                os.kill(os.getpid(), number)
            return stream.batch(step)

    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match="after step 3, saved in .*step-00000003"):
        go(small_model, Interrupting(), quick(), out=tmp_path)
    assert signal.getsignal(number) is before
    assert go(small_model, stream, quick(), out=tmp_path, resume=True).steps == 6
    with pytest.raises(KeyboardInterrupt, match="not saved"):
        go(small_model, Interrupting(), quick())


def test_runs_outside_the_main_thread(small_model, stream):
    found = []
    thread = threading.Thread(target=lambda: found.append(go(small_model, stream, quick()).steps))
    thread.start()
    thread.join()
    assert found == [6]


class Poisoned(MaskedLM):
    """Gives a loss that is not finite at the n-th call."""

    def __init__(self, at: int, factor: float = math.nan) -> None:
        self.calls, self.at, self.factor = 0, at, factor

    def __call__(self, model, batch):
        loss = super().__call__(model, batch)
        self.calls += 1
        return replace(loss, total=loss.total * self.factor) if self.calls == self.at + 1 else loss


def test_a_loss_that_is_not_finite_stops_at_its_step(tmp_path, small_model, stream):
    config, options = quick(checkpoint_every=2), dict(progress=False, device="cpu")
    with pytest.raises(
        NonFiniteError, match=r"not finite at step 3 .*smaller lr.*step-00000002, is from before"
    ):
        train(small_model, Poisoned(3), stream, config, out=tmp_path, **options)
    # the bad step was not taken
    assert all(torch.isfinite(p).all() for p in small_model.parameters())
    with pytest.raises(NonFiniteError, match="at step 1 .*No checkpoint was kept"):
        train(small_model, Poisoned(1, math.inf), stream, quick(), progress=False, device="cpu")


def test_early_stopping_goes_back_to_the_best_weights(small_model, stream, validation):
    config = quick(steps=100, lr=0.5, schedule="constant", evaluate_every=2, patience=2)
    result = go(small_model, stream, config, validation=validation)
    curve = {r["step"]: r["validation_nll"] for r in result.history if "validation_nll" in r}
    assert result.stopped == "patience" and result.steps < 100
    assert result.best_step == min(curve, key=curve.get) and result.steps == result.best_step + 4
    found = evaluate(small_model, MaskedLM(), validation, precision="fp32")
    assert found.nll == pytest.approx(curve[result.best_step])


def test_patience_is_resumed(tmp_path, small_model, stream, validation):
    """Cut after the first evaluation that was no better: it counts when the run goes on."""
    config = quick(steps=100, lr=0.5, schedule="constant", warmup=0.0, evaluate_every=2)
    config = replace(config, patience=3, checkpoint_every=1, keep=0)
    cut = copy.deepcopy(small_model)
    whole = go(small_model, stream, config, validation=validation, out=tmp_path / "whole")
    assert whole.stopped == "patience"
    stop_at = whole.best_step + 2

    class Stopping:
        fingerprint = stream.fingerprint

        def batch(self, step: int) -> Batch:
            if step == stop_at:
                raise KeyboardInterrupt
            return stream.batch(step)

    with pytest.raises(KeyboardInterrupt):
        go(cut, Stopping(), config, validation=validation, out=tmp_path / "cut")
    middle = load_checkpoint(checkpoints(tmp_path / "cut")[-1])[1]
    assert middle["step"] == stop_at and middle["bad_evaluations"] == 1
    other = MaskedLanguageModel(small_model.config)
    options = dict(validation=validation, out=tmp_path / "cut", resume=True)
    again = go(other, stream, config, **options)
    assert (again.steps, again.stopped) == (whole.steps, "patience")
    assert again.best_step == whole.best_step
    pairs = zip(other.parameters(), small_model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_seconds_are_a_budget_and_move_the_learning_rate(small_model, stream):
    started = time.perf_counter()
    result = go(small_model, stream, quick(steps=None, seconds=0.6, warmup=0.2))
    assert 0.6 <= result.seconds <= time.perf_counter() - started and result.steps > 3
    rates = [r["lr"] for r in result.history]
    assert rates[0] < max(rates) <= 1e-2 and rates[-1] < 0.5 * max(rates)


def test_evaluation_and_saving_do_not_spend_the_budget(
    tmp_path, small_model, stream, validation, monkeypatch
):
    slow = lambda *a, **k: (time.sleep(0.3), evaluate(*a, **k))[1]
    monkeypatch.setattr("course_lib.training.run.evaluate", slow)
    result = go(small_model, stream, quick(evaluate_every=1), validation=validation)
    assert result.seconds < 1.0  # six evaluations slept 1.8 s


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_learns_too(small_model, stream, validation, precision):
    before = evaluate(small_model, MaskedLM(), validation, precision="fp32").nll
    go(small_model, stream, quick(steps=30, precision=precision))
    assert evaluate(small_model, MaskedLM(), validation, precision="fp32").nll < before - 0.3
    assert all(p.dtype == torch.float32 for p in small_model.parameters())


def test_records_go_to_the_file_the_list_and_the_function(
    tmp_path, small_model, stream, validation
):
    seen = []
    options = dict(validation=validation, out=tmp_path, on_record=seen.append)
    result = go(small_model, stream, quick(evaluate_every=3), **options)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == seen == result.history
    assert [r["step"] for r in lines if "loss" in r] == [1, 2, 3, 4, 5, 6]
    assert [r["step"] for r in lines if "validation_nll" in r] == [3, 6]


def test_tensorboard_writes_events(tmp_path, small_model, stream):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = go(small_model, stream, quick(tensorboard=True), out=tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    losses = [r["loss"] for r in result.history]
    assert [e.value for e in events.Scalars("loss")] == pytest.approx(losses)


def test_frozen_parameters_stay(small_model, stream):
    small_model.encoder.requires_grad_(False)
    before = [p.clone() for p in small_model.encoder.parameters()]
    go(small_model, stream, quick())
    after = small_model.encoder.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    "change",
    [
        dict(steps=None),
        dict(seconds=3.0),
        dict(lr=0.0),
        dict(warmup=1.0),
        dict(schedule="steep"),
        dict(optimizer="sdg"),
        dict(precision="int8"),
        dict(patience=2),
        dict(clip=-1.0),
        dict(accumulation=0),
    ],
)
def test_config_refuses_what_cannot_be(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        quick(**change)


def test_encoder_dropout_is_repeatable(tokens, tokenizer, stream):
    def once():
        torch.manual_seed(0)
        shape = dict(vocab_size=tokenizer.vocab_size, n_layers=1, d_model=16, n_heads=2, max_len=16)
        model = MaskedLanguageModel(EncoderConfig.bert(**shape, dropout=0.3))
        go(model, stream, quick(seed=7))
        return model.head.bias

    assert torch.equal(once(), once())
