"""fp16 and its loss scale, on the CPU's own fp16: a free GPU on Colab has nothing else.

Scaled by S, a gradient below fp16's smallest number survives; one that overflows makes the step
moot. Such a step moves nothing and halves S, so many steps without one double it.
"""

import copy
import functools
import json
import math
from dataclasses import replace

import pytest
import torch
from uneven_batches import quick

from course_lib.batches import MLMStream
from course_lib.distributed import Workers
from course_lib.objectives import MaskedLM
from course_lib.optimisation.schedules import linear
from course_lib.training import NonFiniteError, train
from course_lib.training.checkpoint import checkpoints, load_checkpoint, optimizer_tensors
from course_lib.training.learner import prepare
from course_lib.training.loop import step
from course_lib.training.run import Run

FIRST_SCALE = 2.0**16


@pytest.fixture
def stream(tokens, tokenizer):
    return MLMStream(tokens, tokenizer, seq_len=16, batch_size=8)


@pytest.fixture
def grows(monkeypatch):
    """A scale that grows after two good steps, not after 2000."""
    short = functools.partial(torch.amp.GradScaler, growth_interval=2)
    monkeypatch.setattr(torch.amp, "GradScaler", short)


class BadGradient(MaskedLM):
    """A finite loss whose gradient is infinite, or NaN, at some calls."""

    def __init__(self, *at: int, kind: str = "inf", always: bool = False) -> None:
        self.calls, self.at, self.kind, self.always = 0, at, kind, always

    def __call__(self, model, batch):
        loss = super().__call__(model, batch)
        bad = self.always or self.calls in self.at
        self.calls += 1
        if not bad:
            return loss
        bias = model.head.bias
        # the derivative of the root at 0 is infinite; times 0 it is NaN
        root = (bias - bias.detach()).sum() if self.kind == "inf" else (bias * 0).sum()
        return replace(loss, total=loss.total + root.sqrt())


def half(**changes):
    return quick(**{"precision": "fp16", **changes})


def start(model, stream, config, objective=None) -> Run:
    learner = prepare(model, objective or MaskedLM(), config, torch.device("cpu"), Workers())
    return Run(learner, stream, config, show=False)


def go(model, stream, config, objective=None, **others):
    objective = objective or MaskedLM()
    return train(model, objective, stream, config, progress=False, device="cpu", **others)


def state(run: Run) -> dict[str, torch.Tensor]:
    moments, _ = optimizer_tensors(run.learner.optimizer)
    both = {**run.learner.model.state_dict(), **moments}
    return {name: value.clone() for name, value in both.items()}


@pytest.mark.parametrize("kind", ["inf", "nan"])
@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
def test_a_skipped_step_moves_nothing_and_halves_the_scale(small_model, stream, optimizer, kind):
    """Weights, moments and the optimiser's own count of steps stay; the next batch comes."""
    run = start(small_model, stream, half(optimizer=optimizer), BadGradient(2, kind=kind))
    for _ in range(2):
        step(run)
    before, scale = state(run), run.learner.scaler.get_scale()
    step(run)
    after = state(run)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert run.learner.scaler.get_scale() == scale / 2
    assert run.progress.step == 3 and int(run.window.skipped) == 1
    step(run)
    assert not torch.equal(state(run)["head.bias"], before["head.bias"])
    assert int(run.window.skipped) == 1


def test_a_skipped_step_is_counted_as_what_it_is(small_model, stream):
    """In the budget, the schedule and the tokens; the log and the result say how many."""
    config = half(steps=8, warmup=0.25, log_every=2)
    result = go(small_model, stream, config, BadGradient(1, 4))
    assert result.steps == 8 and result.skipped == 2 and result.tokens == 8 * 8 * 16
    assert [r["skipped_steps"] for r in result.history] == [1, 0, 1, 0]
    rates = [1e-2 * linear(s / 8, warmup=0.25) for s in (1, 3, 5, 7)]
    assert [r["lr"] for r in result.history] == pytest.approx(rates)
    assert "skipped_steps" not in go(small_model, stream, quick()).history[0]


def test_one_infinity_does_not_stop_the_run(tmp_path, small_model, stream):
    result = go(small_model, stream, half(), BadGradient(0), out=tmp_path)
    assert result.steps == 6 and result.skipped == 1 and result.stopped == "budget"
    _, info = load_checkpoint(checkpoints(tmp_path)[-1])
    assert info["scaler"]["scale"] == FIRST_SCALE / 2 and info["skipped"] == 1


@pytest.mark.parametrize("kind", ["inf", "nan"])
def test_a_gradient_that_is_never_finite_stops_at_the_smallest_scale(small_model, stream, kind):
    """2^16 is halved sixteen times; at 1 it is not the scale that is to blame."""
    before = copy.deepcopy(small_model.state_dict())
    says = (
        r"not finite at step 16 .*fp16 skipped 17 of the steps and brought its loss scale to 1\. "
        r"Try a smaller lr .*precision='fp32' \(now fp16\).*stream.batch\(16\)"
    )
    with pytest.raises(NonFiniteError, match=says):
        go(small_model, stream, half(steps=40), BadGradient(always=True, kind=kind))
    after = small_model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_short_run_that_never_moved_says_so(tmp_path, small_model, stream):
    config = half(steps=5, log_every=2)
    with pytest.raises(NonFiniteError, match="fp16 skipped 5 of the steps .* loss scale to 2048"):
        go(small_model, stream, config, BadGradient(always=True), out=tmp_path)
    assert not checkpoints(tmp_path)


def test_a_loss_that_is_not_finite_stops_at_its_step(small_model, stream):
    """The loss is taken in float32 and before scaling: no scale can mend it."""

    class Poisoned(MaskedLM):
        def __call__(self, model, batch):
            loss = super().__call__(model, batch)
            return replace(loss, total=loss.total * math.nan)

    with pytest.raises(NonFiniteError, match="not finite at step 0"):
        go(small_model, stream, half(), Poisoned())


def test_the_scale_grows_after_its_interval(small_model, stream, grows):
    run = start(small_model, stream, half(), BadGradient(2))
    scales = []
    for _ in range(6):
        step(run)
        scales.append(run.learner.scaler.get_scale() / FIRST_SCALE)
    # two good ones, a bad one that also starts the count anew, two good ones, a good one
    assert scales == [1, 2, 1, 1, 2, 2]


def test_scale_and_interval_are_resumed_bit_for_bit(tmp_path, small_model, stream, grows):
    """Cut after step 3: a scale that was halved once, and one good step of the two counted."""
    cut, config = copy.deepcopy(small_model), half(steps=9, checkpoint_every=1, log_every=2)

    class Stopping:
        fingerprint = stream.fingerprint

        def batch(self, step):
            if step == 3:
                raise KeyboardInterrupt
            return stream.batch(step)

    go(small_model, stream, config, BadGradient(1), out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        go(cut, Stopping(), config, BadGradient(1), out=tmp_path / "cut")
    middle = load_checkpoint(checkpoints(tmp_path / "cut")[-1])[1]
    assert middle["scaler"]["scale"] == FIRST_SCALE / 2
    assert middle["scaler"]["_growth_tracker"] == 1
    result = go(cut, stream, config, out=tmp_path / "cut", resume=True)
    ends = [load_checkpoint(checkpoints(tmp_path / name)[-1]) for name in ("whole", "cut")]
    (whole, info), (resumed, other) = ends
    assert info["step"] == other["step"] == 9
    assert info["scaler"] == other["scaler"] and info["scaler"]["scale"] == 4 * FIRST_SCALE
    assert info["skipped"] == other["skipped"] == result.skipped == 1
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    lines = [(tmp_path / n / "metrics.jsonl").read_text().splitlines() for n in ("whole", "cut")]
    skipped = [[json.loads(line)["skipped_steps"] for line in some] for some in lines]
    assert skipped[0] == skipped[1] == [1, 0, 0, 0, 0]


def test_skips_since_the_last_log_line_are_resumed(tmp_path, small_model, stream):
    config = half(steps=2, log_every=4, checkpoint_every=1)
    go(small_model, stream, config, BadGradient(0), out=tmp_path / "a")
    window = load_checkpoint(checkpoints(tmp_path / "a")[0])[1]["window"]
    assert window["skipped"] == 1
    resumed = replace(config, steps=4)
    # the second checkpoint was written after the last log line
    for path in checkpoints(tmp_path / "a")[1:]:
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    result = go(small_model, stream, resumed, out=tmp_path / "a", resume=True)
    assert result.skipped == 1 and result.history[-1]["skipped_steps"] == 1


def test_an_older_checkpoint_has_skipped_none(tmp_path, small_model, stream):
    go(small_model, stream, half(steps=2), out=tmp_path)
    (path,) = checkpoints(tmp_path)
    info = json.loads((path / "state.json").read_text())
    del info["skipped"], info["window"]["skipped"], info["info_sha256"]
    (path / "state.json").write_text(json.dumps(info))
    assert go(small_model, stream, half(steps=4), out=tmp_path, resume=True).skipped == 0


def test_clipping_comes_after_unscaling(small_model, stream):
    """With plain SGD and a gradient longer than the clip, a step is as long as lr * clip.

    Clipped before it was unscaled it would be 2^16 times shorter.
    """
    config = half(steps=1, optimizer="sgd", betas=(0.0, 0.0), weight_decay=0.0, warmup=0.0)
    config = replace(config, schedule="constant", clip=0.01, lr=1.0)
    before = torch.cat([p.detach().flatten().clone() for p in small_model.parameters()])
    result = go(small_model, stream, config)
    after = torch.cat([p.detach().flatten() for p in small_model.parameters()])
    assert result.skipped == 0 and result.history[0]["gradient_norm"] > 0.1
    assert float((after - before).norm()) == pytest.approx(0.01, rel=1e-3)


def test_it_learns_what_fp32_learns(small_model, stream):
    twin = copy.deepcopy(small_model)
    losses = [
        go(model, stream, quick(steps=30, precision=precision)).history[-1]["loss"]
        for model, precision in ((small_model, "fp16"), (twin, "fp32"))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=2e-2)
    assert all(p.dtype == torch.float32 for p in small_model.parameters())


def test_sharded_workers_cannot_even_where_auto_chooses_it(small_model, monkeypatch):
    monkeypatch.setattr("course_lib.hardware.precision", lambda where=None: "fp16")
    monkeypatch.setattr(Workers, "agree", lambda self, choice: choice)
    workers = Workers(count=2, sharded=True)
    with pytest.raises(ValueError, match="precision='fp16', also where 'auto' chooses it"):
        prepare(small_model, MaskedLM(), quick(precision="auto"), torch.device("cpu"), workers)


def test_a_run_that_began_in_fp16_goes_on_in_it(tmp_path, small_model, stream, monkeypatch):
    """Begun where "auto" chooses fp16, as on a T4, resumed where it chooses fp32."""
    used = []
    for fastest, steps in (("fp16", 2), ("fp32", 4)):
        monkeypatch.setattr("course_lib.hardware.precision", lambda where=None, f=fastest: f)
        config = quick(precision="auto", steps=steps)
        go(small_model, stream, config, out=tmp_path, resume=steps == 4)
        used.append(load_checkpoint(checkpoints(tmp_path)[-1])[1])
    assert [(info["precision"], info["step"]) for info in used] == [("fp16", 2), ("fp16", 4)]
