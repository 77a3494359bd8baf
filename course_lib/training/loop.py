"""One training loop for every objective.

    for each step:  lr <- peak * schedule(share of the budget spent)
                    g  <- gradient of (sum of losses / predicted tokens), over all micro-batches
                    g  <- g * min(1, clip / |g|)
                    weights <- optimizer(weights, g)

Choices, and what each costs:

* The loss of a step is the mean over its *tokens*. With accumulation each micro-batch's sum is
  divided by the number of targets of the whole batch, so that k micro-batches give the gradient of
  the one large batch also when their mask counts differ. (Averaging the micro-batches' means gives
  another gradient.)
* The budget is steps or seconds. Seconds count training only, not evaluation or saving. With
  seconds the learning rate follows the clock, so two runs are alike but not equal; with steps a run
  can be repeated exactly.
* Resuming is exact: weights, moments, random generators, loss scale and counters are saved, and the
  stream can seek. A run killed at any step and resumed ends with the same bits as one that was not
  (on the same machine, with a budget of steps).
* A loss or gradient that is not finite stops the run at its step. On a GPU it is looked for between
  log lines only, since each look stalls the device; the step that is reported is still the right
  one.
* With fp16 a gradient may be infinite because the loss was scaled up too far: that step moves
  nothing, the scale is halved, and the step counts in the budget, in the schedule and in the log
  (``skipped_steps``). At a scale of 1 there is nothing left to halve, and the run stops. It grows
  again, by 2 after 2000 steps in which all was finite.
* Checkpoints are written in a thread from a copy; training waits for the copy only.
* Ctrl-C and SIGTERM finish the step, save, and then stop.

Sources: Micikevicius et al. 2018 (arXiv:1710.03740, mixed precision and loss scaling), Pascanu et
al. 2013 (arXiv:1211.5063, clipping).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence

import torch
from torch import nn

from course_lib import hardware
from course_lib.batch import Batch
from course_lib.batches import Stream
from course_lib.distributed import Workers
from course_lib.distributed.sharding import whole
from course_lib.hardware import autocast
from course_lib.objectives import Objective
from course_lib.optimisation import SCHEDULES

from .beforehand import check_arguments, check_data
from .config import TrainConfig
from .interruption import Interrupted, finish_the_step_on_signals
from .learner import prepare
from .run import Run, TrainResult


def step(run: Run) -> None:
    """Forward, backward, update: one step of ``run``, on its next batch."""
    learner, config, workers = run.learner, run.config, run.workers
    lr = config.lr * SCHEDULES[config.schedule](run.progress.share(config), warmup=config.warmup)
    for group in learner.optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)

    batch = run.stream.batch(run.progress.step)
    for micro, last in batch.split(config.accumulation):
        with workers.accumulating(learner.wrapped, last=last):
            with autocast(learner.device, learner.precision):
                loss = learner.objective(learner.forward, workers.share(micro).to(learner.device))
            # backward averages over workers, each of which has a part of the sum
            share = loss.total * workers.count / max(1, batch.n_targets)
            learner.scaler.scale(share).backward()
        run.window.add(loss, run.progress.step)

    learner.scaler.unscale_(learner.optimizer)
    norm = whole(nn.utils.clip_grad_norm_(learner.trainable, config.clip or math.inf))
    run.watch(norm)
    learner.scaler.step(learner.optimizer)
    learner.scaler.update()
    learner.optimizer.zero_grad(set_to_none=True)
    run.did(batch, lr, norm)


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

    validation: fixed batches for ``evaluate_every``; they give ``validation_nll`` and more.
    out: folder for checkpoints and ``metrics.jsonl``; without it nothing is written.
    resume: go on from the newest whole checkpoint in ``out``, or start if there is none.
    workers: from ``distributed.join``: all call this alike, and share each batch's rows; the first
        writes, shows progress and calls ``on_record``. A resumed run may have another number of
        them. With ``workers.sharded`` the model is left sharded.

    Seeds torch's global generators with ``config.seed``. Before the first step, raises ValueError,
    TypeError or CheckpointError for what can't be; in it NonFiniteError, or, saved, Interrupted.
    """
    check_arguments(config, validation, out, resume, on_record, workers)
    learner = prepare(model, objective, config, torch.device(device or hardware.device()), workers)
    check_data(learner, stream, validation, out)
    run = Run(learner, stream, config, validation, out, on_record, show=progress)
    run.open(resume)
    with finish_the_step_on_signals() as stop, run.bar, run.written():
        while run.progress.share(config) < 1 and not run.out_of_patience:
            with run.clock():
                step(run)
            run.do_what_is_due()
            if workers.largest(stop.is_set()):
                raise Interrupted(f"stopped after step {run.progress.step}, {run.save_or_say()}")
        run.finish()
    return run.result()
