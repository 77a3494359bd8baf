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

import os
from collections.abc import Callable, Sequence

import torch
from torch import nn

from course_lib.batch import Batch
from course_lib.batches import Stream
from course_lib.distributed import Workers
from course_lib.objectives import Objective

from .config import TrainConfig
from .interruption import Interrupted, finish_the_step_on_signals
from .run import Run, TrainResult


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
    run = Run(model, objective, stream, config, validation, out, device, progress, on_record, workers)
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
