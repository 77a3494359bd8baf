"""One run of the loop: how far it is, and what happens between its steps.

The step itself is ``loop.step``; a run only counts, logs, evaluates, saves, goes on and ends.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor
from tqdm.auto import tqdm

from course_lib.batch import Batch
from course_lib.batches import Stream
from course_lib.distributed import Workers
from course_lib.evaluation import evaluate
from course_lib.settings import settle

from . import checkpoint
from .checkpoint import CheckpointError
from .checkpoint_writer import CheckpointWriter
from .config import TrainConfig
from .learner import SMALLEST_SCALE, Learner
from .progress import Progress
from .resuming import check_same_run, state_of, take_up
from .tracking import Tracker
from .window import Window


class NonFiniteError(RuntimeError):
    """The loss or the gradient became infinite or NaN."""


@dataclass(frozen=True)
class TrainResult:
    """What a run did.

    history: its records.  stopped: "budget" or "patience".  best_step: of the weights left in the
        model when patience is used.  skipped: how many of the steps moved nothing, because fp16
        could not hold their gradient.
    """

    steps: int
    seconds: float
    tokens: int
    stopped: str
    best_step: int | None
    history: list[dict] = field(repr=False)
    skipped: int = 0

    def __post_init__(self) -> None:
        settle(self, finite=False)

    @property
    def tokens_per_second(self) -> float:
        """Input tokens, masked or not, per second of training."""
        return self.tokens / max(self.seconds, 1e-9)


class Run:
    """One run of ``train``; see there for the arguments. ``loop.step`` reads and moves it."""

    def __init__(
        self,
        learner: Learner,
        stream: Stream,
        config: TrainConfig,
        validation: Sequence[Batch] | None = None,
        out: str | os.PathLike | None = None,
        on_record: Callable[[dict], None] | None = None,
        *,
        show: bool = True,
    ) -> None:
        self.learner, self.stream, self.config = learner, stream, config
        self.validation, self.on_record = validation, on_record
        self.progress, self.window = Progress(), Window(learner.device)
        self.best_weights: dict[str, Tensor] | None = None
        self.out = Path(out) if out else None
        self.writer, self.saved = CheckpointWriter(), Progress(step=-1)
        self.tracker: Tracker | None = None
        self.bar = _bar(config, show and self.workers.first)
        self.workers.seed(config.seed)

    @property
    def workers(self) -> Workers:
        """Who takes part."""
        return self.learner.workers

    @property
    def out_of_patience(self) -> bool:
        """Whether so many evaluations in a row were no better that the run stops."""
        patience = self.config.patience
        return bool(patience) and self.progress.bad_evaluations >= patience

    # -- one step ---------------------------------------------------------------------------------

    @contextlib.contextmanager
    def clock(self) -> Iterator[None]:
        """Around a step: its time belongs to the budget."""
        started = time.perf_counter()
        yield
        elapsed = self.workers.largest(time.perf_counter() - started)
        self.progress.seconds += elapsed
        left = max(0.0, self.bar.total - self.bar.n)
        self.bar.update(1 if self.config.steps else min(elapsed, left))

    def watch(self, norm: Tensor) -> None:
        """Look at a step's gradient before it moves the weights: on a CPU, where a look is free."""
        watched, scaler = norm.detach(), self.learner.scaler
        if scaler.is_enabled():
            # the scaler skips an infinite gradient and halves the loss scale, while there is
            # something to halve
            self.window.skip(norm)
            scale = scaler.scale(torch.ones_like(watched))
            watched = torch.where(scale > SMALLEST_SCALE, 0.0, watched)
        self.window.watch(watched, self.progress.step)
        if self.learner.device.type == "cpu":
            self._stop_if_not_finite()

    def did(self, batch: Batch, lr: float, norm: Tensor) -> None:
        """Count a step that is done."""
        self.progress.step += 1
        self.progress.tokens += batch.n_tokens
        self.window.lr, self.window.norm = lr, norm

    def _stop_if_not_finite(self) -> None:
        if (step := int(self.window.first_bad)) >= 0:
            self._stop(step)

    def _stop(self, step: int) -> NoReturn:
        config, norm = self.config, float(self.window.norm or math.nan)
        skipped, said = self.progress.skipped + int(self.window.skipped), ""
        if self.learner.scaler.is_enabled():
            scale = self.learner.scaler.get_scale()
            said = f"fp16 skipped {skipped} of the steps and brought its loss scale to {scale:g}. "
        self.writer.wait()
        kept = checkpoint.checkpoints(self.out) if self.out else []
        last = f"The last checkpoint, {kept[-1].name}, is from before." if kept else ""
        raise NonFiniteError(
            f"the loss or its gradient is not finite at step {step} (lr "
            f"{self.learner.optimizer.param_groups[0]['lr']:.2e}, gradient norm of the last logged "
            f"step {norm:.3g}). {said}Try a smaller lr (now peak {config.lr}), a longer warmup "
            f"(now {config.warmup}), clip=1.0 (now {config.clip}) or precision='fp32' (now "
            f"{self.learner.precision}), and look at the batch: stream.batch({step}). "
            + (last or "No checkpoint was kept.")
        )

    # -- what happens between steps ---------------------------------------------------------------

    def do_what_is_due(self) -> None:
        """Log, evaluate and save, as far as the step that was done asks for it."""
        config = self.config
        if self._due(config.log_every):
            self._log()
        if self.validation is not None and self._due(config.evaluate_every):
            self._evaluate(self.validation)
        since = self.progress.seconds - self.saved.seconds
        late = config.checkpoint_seconds and since >= config.checkpoint_seconds
        if self.out and (self._due(config.checkpoint_every) or late):
            self.save()

    def _due(self, every: int | None) -> bool:
        return bool(every) and self.progress.step % every == 0

    def _record(self, values: dict) -> None:
        seconds = round(self.progress.seconds, 3)
        record = {"step": self.progress.step, "seconds": seconds, **values}
        assert self.tracker is not None, "open comes first"
        self.tracker.add(record)
        if self.on_record and self.workers.first:
            self.on_record(record)

    def open(self, resume: bool) -> None:
        """Take up the newest whole checkpoint, if asked and there is one, and begin the record.

        Raises CheckpointError as ``restore`` does, ImportError for a missing TensorBoard.
        """
        if resume:
            self.restore()
        if self.tracker is None:
            self.tracker = self._new_tracker()

    def _new_tracker(self, last_step: int | None = None) -> Tracker:
        board, write = self.config.tensorboard, self.workers.first
        return Tracker(self.out, last_step=last_step, tensorboard=board, write=write)

    def _log(self) -> None:
        started = time.perf_counter()
        self._stop_if_not_finite()
        values = self.window.summary(self.workers)
        # the GPU caught up here: its work belongs to training's time
        if self.learner.device.type == "cuda":
            self.progress.seconds += self.workers.largest(time.perf_counter() - started)
        if self.learner.scaler.is_enabled():
            values["skipped_steps"] = int(self.window.skipped)
            self.progress.skipped += values["skipped_steps"]
        self.window = Window(self.learner.device)
        self.bar.set_postfix_str(f"loss {values['loss']:.3f}", refresh=False)
        speed = self.progress.tokens / max(self.progress.seconds, 1e-9)
        self._record(values | {"tokens_per_second": round(speed)})

    def _evaluate(self, batches: Sequence[Batch]) -> None:
        model, precision = self.learner.model, self.learner.precision
        found = evaluate(
            model,
            self.learner.objective,
            batches,
            precision=precision,
            workers=self.workers,
        )
        parts = {f"validation_nll_{name}": part.nll for name, part in found.parts.items()}
        self._record({"validation_nll": found.nll, "validation_accuracy": found.accuracy} | parts)
        if self.config.patience and self.progress.judged(found.nll):
            self.best_weights = {k: v.detach().clone() for k, v in model.state_dict().items()}

    # -- its end, and going on --------------------------------------------------------------------

    def finish(self) -> None:
        """The last log line, evaluation and checkpoint; with patience, the best weights."""
        if self.window.count:
            self._log()
        # a short run, in which fp16's scale never came down to where a gradient fits
        if self.progress.step and self.progress.skipped == self.progress.step:
            self._stop(0)
        if self.validation is not None and not self._was_evaluated():
            self._evaluate(self.validation)
        if self.out and self.saved.step != self.progress.step:
            self.save()
        if self.best_weights is not None:
            self.learner.model.load_state_dict(self.best_weights)
        if self.tracker:
            self.tracker.close()

    def _was_evaluated(self) -> bool:
        records = self.tracker.records if self.tracker else []
        return any(r["step"] == self.progress.step and "validation_nll" in r for r in records)

    def result(self) -> TrainResult:
        """What ``train`` returns."""
        done, records = self.progress, self.tracker.records if self.tracker else []
        stopped = "patience" if self.out_of_patience else "budget"
        return TrainResult(
            done.step, done.seconds, done.tokens, stopped, done.best_step, records, done.skipped
        )

    def save(self) -> Path:
        """Write a checkpoint that resumes exactly. All workers take part, the first writes."""
        assert self.out is not None, "whoever saves asks for it"
        self._stop_if_not_finite()
        self.saved = replace(self.progress)
        tensors, info = state_of(self.learner, self.progress, self.window, self.best_weights)
        info |= {"config": asdict(self.config), "stream": self.stream.fingerprint}
        if self.workers.first:
            self.writer.save(self.out, self.progress.step, tensors, info, keep=self.config.keep)
        return self.out / f"step-{self.progress.step:08d}"

    def save_or_say(self) -> str:
        """Save where there is a folder; returns what came of it, for whoever stopped the run."""
        if not self.out:
            return "not saved: no out folder"
        return f"saved in {self.save()}; go on with resume=True"

    @contextlib.contextmanager
    def written(self) -> Iterator[None]:
        """Whatever ends the run, it ends when its last checkpoint is on the disk."""
        try:
            yield
        finally:
            self.writer.wait()

    def restore(self) -> None:
        """Take up the newest whole checkpoint, if there is one.

        Raises CheckpointError if it is of another run, or does not fit this one.
        """
        assert self.out is not None, "beforehand.check_arguments asks for it"
        if not checkpoint.checkpoints(self.out):
            return
        path = checkpoint.latest_checkpoint(self.out)
        tensors, info = checkpoint.load_checkpoint(path)
        check_same_run(self.config, self.stream.fingerprint, path, info)
        try:
            taken_up = take_up(self.learner, tensors, info)
        except CheckpointError:
            raise
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{path} does not fit this run ({error}): build the model and choose what is "
                "trained as it was, or start anew in another folder"
            ) from error
        self.progress, self.window, self.best_weights = taken_up
        self.saved = replace(self.progress)
        self.workers.seed(self.config.seed, self.progress.step)
        self.tracker = self._new_tracker(self.progress.step)
        self.bar.update(self.progress.step if self.config.steps else self.progress.seconds)


def _bar(config: TrainConfig, shown: bool) -> tqdm:
    """The progress bar, in steps or in seconds of the budget."""
    total, unit = (config.steps, "step") if config.steps else (round(config.budget, 1), "s")
    bar = tqdm(total=total, unit=unit, desc="training", disable=not shown, mininterval=0.5)
    if not config.steps:
        bar.bar_format = "{l_bar}{bar}| {n:.0f}/{total:.0f} s{postfix}"
    return bar
