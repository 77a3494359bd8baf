"""One training loop for every objective.

    for each step:  lr <- peak * schedule(share of the budget spent)
                    g  <- gradient of (sum of losses / predicted tokens), over all micro-batches
                    g  <- g * min(1, clip / |g|)
                    weights <- optimizer(weights, g)

Choices, and what each costs:

* The loss of a step is the mean over its *tokens*. With accumulation each micro-batch's sum is divided by the number
  of targets of the whole batch, so that k micro-batches give the gradient of the one large batch also when their
  mask counts differ. (Averaging the micro-batches' means gives another gradient.)
* The budget is steps or seconds. Seconds count training only, not evaluation or saving. With seconds the learning
  rate follows the clock, so two runs are alike but not equal; with steps a run can be repeated exactly.
* Resuming is exact: weights, moments, random generators, loss scale and counters are saved, and the stream can seek.
  A run killed at any step and resumed ends with the same bits as one that was not (on the same machine, with a budget
  of steps).
* A loss or gradient that is not finite stops the run at its step. On a GPU it is looked for between log lines only,
  since each look stalls the device; the step that is reported is still the right one.
* Checkpoints are written in a thread from a copy; training waits for the copy only.
* Ctrl-C and SIGTERM finish the step, save, and then stop.

Sources: Micikevicius et al. 2018 (arXiv:1710.03740, mixed precision and loss scaling), Pascanu et al. 2013
(arXiv:1211.5063, clipping).
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import nn
from tqdm.auto import tqdm

from . import checkpoint, hardware
from .checkpoint_writer import CheckpointWriter
from .distributed import Workers
from .evaluation import autocast, evaluate
from .interruption import Interrupted, finish_the_step_on_signals
from .layer_rates import rate_scales, scale_rates
from .objectives import Objective
from .optim import OPTIMIZERS, SCHEDULES
from .resuming import check_same_run, state_of, take_up
from .sharding import whole
from .tracking import Tracker
from .training_config import TrainConfig
from .types import Batch
from .window import Window

__all__ = ["Interrupted", "NonFiniteError", "Stream", "TrainConfig", "TrainResult", "train"]


class Stream(Protocol):
    """Batches by number. ``fingerprint`` changes with anything that changes a batch."""

    fingerprint: str

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0. It must depend on the step alone, so that a run can be resumed."""
        ...


class NonFiniteError(RuntimeError):
    """The loss or the gradient became infinite or NaN."""


@dataclass(frozen=True)
class TrainResult:
    """What a run did. history: its records.  stopped: "budget" or "patience".  best_step: of the weights left in the
    model when patience is used."""

    steps: int
    seconds: float
    tokens: int
    stopped: str
    best_step: int | None
    history: list[dict] = field(repr=False)

    @property
    def tokens_per_second(self) -> float:
        """Input tokens, masked or not, per second of training."""
        return self.tokens / max(self.seconds, 1e-9)


def train(
    model: nn.Module,
    objective: Objective,
    stream: Stream,
    config: TrainConfig,
    *,
    validation: Sequence[Batch] | None = None,
    out: str | os.PathLike | None = None,
    resume: bool = False,
    device: torch.device | str | None = None,
    progress: bool = True,
    on_record: Callable[[dict], None] | None = None,
    workers: Workers = Workers(),  # noqa: B008  (frozen)
) -> TrainResult:
    """Train ``model`` in place.

    validation: fixed batches for ``evaluate_every``; their records have ``validation_nll``.
    out: folder for checkpoints and ``metrics.jsonl``; without it nothing is written.
    resume: go on from the newest whole checkpoint in ``out``, or start if there is none.
    workers: from ``distributed.join``: all call this function with the same arguments, and share each batch's rows. Only
        the first writes, shows progress and calls ``on_record``. Their number may change when a run is resumed. With
        ``workers.sharded`` the model is left sharded.

    Raises NonFiniteError with advice, Interrupted (a KeyboardInterrupt) after saving, and CheckpointError when the
    checkpoint belongs to another run. The global random generators of torch are seeded with ``config.seed``.
    """
    run = _Run(model, objective, stream, config, validation, out, device, progress, on_record, workers)
    if resume:
        run.restore()
    with finish_the_step_on_signals() as stop, run.bar, run.written():
        while run.progress < 1 and not run.out_of_patience:
            run.step()
            if workers.largest(stop.is_set()):
                where = (
                    f"saved in {run.save()}; go on with resume=True"
                    if run.out
                    else "not saved: no out folder"
                )
                raise Interrupted(f"stopped after step {run.done}, {where}")
        run.finish()
    return run.result()


class _Run:
    """The state of one run and its moves. The loop itself is in ``train``."""

    def __init__(
        self, model, objective, stream, config, validation, out, device, progress, on_record, workers
    ) -> None:
        self.workers = workers
        self.device = torch.device(device) if device else hardware.device()
        self.model, self.objective, self.stream, self.config = (
            model.to(self.device),
            objective,
            stream,
            config,
        )
        self.validation, self.out, self.on_record = validation, Path(out) if out else None, on_record
        if config.patience and validation is None:
            raise ValueError("patience needs validation batches")
        if config.tensorboard and not self.out:
            raise ValueError("tensorboard=True needs a folder: give out")
        if workers.sharded and (config.optimizer == "muon" or config.precision == "fp16"):
            raise ValueError(
                "sharded workers can't use optimizer='muon' (it needs whole matrices) or precision='fp16': take 'adamw' "
                "or 'sgd', and 'bf16' or 'fp32'"
            )
        auto = config.precision == "auto"
        self.use(workers.agree(hardware.precision(self.device)) if auto else config.precision)
        wrapped = workers.wrap(model)
        self.optimizer = OPTIMIZERS[config.optimizer](
            model, lr=config.lr, weight_decay=config.weight_decay, betas=config.betas, eps=config.eps
        )
        if (config.layer_decay, config.head_scale) != (1, 1):
            scale_rates(self.optimizer, model, rate_scales(model, config.layer_decay, config.head_scale))
        self.optimizer.zero_grad(set_to_none=True)  # whatever the caller left there is not this run's
        self.trainable = [p for p in model.parameters() if p.requires_grad]
        self.wrapped = wrapped
        self.forward = torch.compile(wrapped) if config.compile else wrapped
        self.done, self.seconds, self.tokens = 0, 0.0, 0
        self.window = Window(self.device)
        self.best, self.best_step, self.best_weights, self.bad_evaluations = math.inf, None, None, 0
        self.saved_at, self.saved_step = 0.0, -1
        workers.seed(config.seed)
        if self.out:
            self.out.mkdir(parents=True, exist_ok=True)
        self.writer = CheckpointWriter()
        self.tracker: Tracker | None = None
        total = config.steps or round(config.seconds, 1)
        unit = "step" if config.steps else "s"
        self.bar = tqdm(
            total=total,
            unit=unit,
            desc="training",
            disable=not (progress and workers.first),
            mininterval=0.5,
            leave=True,
        )
        if unit == "s":
            self.bar.bar_format = "{l_bar}{bar}| {n:.0f}/{total:.0f} s{postfix}"
        self.model.train()

    def use(self, precision: str) -> None:
        """Compute in this precision from now on."""
        self.precision = precision
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision == "fp16")

    # -- where the run stands -------------------------------------------------------------------------------------

    @property
    def progress(self) -> float:
        """Share of the budget that is spent."""
        budget = self.config.steps or self.config.seconds
        return (self.done if self.config.steps else self.seconds) / budget

    @property
    def out_of_patience(self) -> bool:
        """Whether so many evaluations in a row were no better that the run stops."""
        return bool(self.config.patience) and self.bad_evaluations >= self.config.patience

    def _due(self, every: int | None) -> bool:
        return bool(every) and self.done % every == 0

    # -- one step -------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Forward, backward, update; then whatever is due."""
        started = time.perf_counter()
        config = self.config
        lr = config.lr * SCHEDULES[config.schedule](self.progress, warmup=config.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("lr_scale", 1.0)
        batch = self.stream.batch(self.done)
        self._backward(batch)
        norm = self._update()
        self.done, self.tokens = self.done + 1, self.tokens + batch.n_tokens
        self.window.lr, self.window.norm = lr, norm
        self._advance(started)
        if self._due(config.log_every):
            self._log()
        if self.validation is not None and self._due(config.evaluate_every):
            self._evaluate()
        late = config.checkpoint_seconds and self.seconds - self.saved_at >= config.checkpoint_seconds
        if self.out and (self._due(config.checkpoint_every) or late):
            self.save()

    def _backward(self, batch: Batch) -> None:
        """Gradient of the mean over all predicted tokens of ``batch``, one micro-batch at a time."""
        rows = batch.input_ids.shape[0]
        size = math.ceil(rows / self.config.accumulation)
        for start in range(0, rows, size):
            micro = batch if size >= rows else batch.rows(start, min(start + size, rows))
            micro = self.workers.share(micro)
            with self.workers.accumulating(self.wrapped, last=start + size >= rows):
                with autocast(self.device, self.precision):
                    loss = self.objective(self.forward, micro.to(self.device))
                # backward averages over workers, each of which has a part of the sum
                self.scaler.scale(loss.total * self.workers.count / max(1, batch.n_targets)).backward()
            self.window.add(loss, self.done)

    def _update(self) -> torch.Tensor:
        """Clip and move the weights; returns the gradient's norm before clipping."""
        self.scaler.unscale_(self.optimizer)
        norm = whole(nn.utils.clip_grad_norm_(self.trainable, self.config.clip or math.inf))
        if (
            not self.scaler.is_enabled()
        ):  # with a loss scale, an infinite gradient is skipped and the scale halved
            self.window.watch(norm, self.done)
        if self.device.type == "cpu":
            self._stop_if_not_finite()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    def _stop_if_not_finite(self) -> None:
        if (step := int(self.window.first_bad)) < 0:
            return
        lr, norm = self.optimizer.param_groups[0]["lr"], float(self.window.norm or math.nan)
        self.writer.wait()
        kept = checkpoint.checkpoints(self.out) if self.out else []
        raise NonFiniteError(
            f"the loss or its gradient is not finite at step {step} (lr {lr:.2e}, gradient norm of the last logged "
            f"step {norm:.3g}). Try a smaller lr (now peak {self.config.lr}), a longer warmup (now "
            f"{self.config.warmup}), clip=1.0 (now {self.config.clip}) or precision='fp32' (now {self.precision}), and "
            f"look at the batch: stream.batch({step}). "
            + (
                f"The last checkpoint, {kept[-1].name}, is from before."
                if kept
                else "No checkpoint was kept."
            )
        )

    def _advance(self, started: float) -> None:
        elapsed = self.workers.largest(time.perf_counter() - started)
        self.seconds += elapsed
        self.bar.update(1 if self.config.steps else min(elapsed, max(0.0, self.bar.total - self.bar.n)))

    # -- what happens between steps -------------------------------------------------------------------------------

    def _new_tracker(self, last_step: int | None = None) -> Tracker:
        board, write = self.config.tensorboard, self.workers.first
        return Tracker(self.out, last_step=last_step, tensorboard=board, write=write)

    def _record(self, values: dict) -> None:
        if self.tracker is None:
            self.tracker = self._new_tracker()
        record = {"step": self.done, "seconds": round(self.seconds, 3), **values}
        self.tracker.add(record)
        if self.on_record and self.workers.first:
            self.on_record(record)

    def _log(self) -> None:
        started = time.perf_counter()
        self._stop_if_not_finite()
        values = self.window.summary(self.workers)
        if self.device.type == "cuda":  # the GPU caught up here: its work belongs to training's time
            self.seconds += self.workers.largest(time.perf_counter() - started)
        self.window = Window(self.device)
        self.bar.set_postfix_str(f"loss {values['loss']:.3f}", refresh=False)
        self._record(values | {"tokens_per_second": round(self.tokens / max(self.seconds, 1e-9))})

    def _evaluate(self) -> None:
        found = evaluate(
            self.model, self.objective, self.validation, precision=self.precision, workers=self.workers
        )
        self._record({"validation_nll": found.nll, "validation_accuracy": found.accuracy})
        if not self.config.patience:
            return
        if found.nll < self.best:
            self.best, self.best_step, self.bad_evaluations = found.nll, self.done, 0
            self.best_weights = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        else:
            self.bad_evaluations += 1

    def finish(self) -> None:
        """The last log line, evaluation and checkpoint; with patience, the best weights."""
        if self.window.count:
            self._log()
        evaluated = self.tracker and any(
            r["step"] == self.done and "validation_nll" in r for r in self.tracker.records
        )
        if self.validation is not None and not evaluated:
            self._evaluate()
        if self.out and self.saved_step != self.done:
            self.save()
        if self.best_weights is not None:
            self.model.load_state_dict(self.best_weights)
        if self.tracker:
            self.tracker.close()

    def result(self) -> TrainResult:
        """What ``train`` returns."""
        records = self.tracker.records if self.tracker else []
        stopped = "patience" if self.out_of_patience else "budget"
        return TrainResult(self.done, self.seconds, self.tokens, stopped, self.best_step, records)

    def save(self) -> Path:
        """Write a checkpoint that resumes exactly. All workers take part, the first writes."""
        self._stop_if_not_finite()
        self.saved_at, self.saved_step = self.seconds, self.done
        tensors, info = state_of(self)
        path = self.out / f"step-{self.done:08d}"
        if self.workers.first:
            self.writer.save(self.out, self.done, tensors, info, keep=self.config.keep)
        return path

    @contextlib.contextmanager
    def written(self) -> Iterator[None]:
        """Whatever ends the run, it ends when its last checkpoint is on the disk."""
        try:
            yield
        finally:
            self.writer.wait()

    def restore(self) -> None:
        """Take up the newest whole checkpoint, if there is one."""
        if not self.out:
            raise ValueError("resume=True needs the folder of the run: give out")
        if not checkpoint.checkpoints(self.out):
            return
        path = checkpoint.latest_checkpoint(self.out)
        tensors, info = checkpoint.load_checkpoint(path)
        check_same_run(self.config, self.stream.fingerprint, path, info)
        take_up(self, tensors, info)
        self.tracker = self._new_tracker(self.done)
        self.bar.update(self.done if self.config.steps else self.seconds)
