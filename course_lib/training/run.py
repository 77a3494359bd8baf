"""The state of one training run, and what happens between its steps: logging, evaluating, saving, going on.

The step itself and the loop are in ``loop``.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from tqdm.auto import tqdm

from course_lib import hardware
from course_lib.batch import Batch
from course_lib.distributed.sharding import whole
from course_lib.evaluation import evaluate
from course_lib.hardware import autocast
from course_lib.optimisation import OPTIMIZERS, SCHEDULES, rate_scales, scale_rates

from . import checkpoint
from .checkpoint_writer import CheckpointWriter
from .resuming import check_same_run, state_of, take_up
from .tracking import Tracker
from .window import Window


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


class Run:
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
