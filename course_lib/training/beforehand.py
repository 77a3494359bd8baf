"""What can be known before the first step is checked before it, not after an hour.

A folder that can't be written to, validation batches that the model can't judge, a callback that
can't be called: each of them used to end a run at its first log line, evaluation or checkpoint, and
the work until then was lost.

Cost: one small file that is written and removed; a forward pass over at most three batches.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from course_lib.batch import Batch
from course_lib.batches import Stream
from course_lib.distributed import Workers
from course_lib.evaluation import evaluate
from course_lib.whole_files import written_whole

from .checkpoint import checkpoints
from .config import TrainConfig
from .learner import Learner


def check_arguments(
    config: TrainConfig,
    validation: Sequence[Batch] | None,
    out: str | os.PathLike | None,
    resume: bool,
    on_record: Callable[[dict], None] | None,
    workers: Workers,
) -> None:
    """Raise ValueError or TypeError for arguments of ``train`` that can't be, or do not fit
    together; make the folder ``out``.
    """
    if config.patience and validation is None:
        raise ValueError("patience needs validation batches")
    if config.tensorboard and not out:
        raise ValueError("tensorboard=True needs a folder: give out")
    if resume and not out:
        raise ValueError("resume=True needs the folder of the run: give out")
    if on_record is not None and not callable(on_record):
        raise TypeError(
            f"on_record must be a function of one record, got {on_record!r}: give records.append, "
            "for instance"
        )
    if out and not resume and (before := checkpoints(out)):
        raise ValueError(
            f"out={str(out)!r} already holds a run, up to {before[-1].name}: go on with it "
            "(resume=True), or choose another folder"
        )
    check_writable(out, workers)


def check_writable(out: str | os.PathLike | None, workers: Workers = Workers()) -> None:  # noqa: B008
    """Try whether a file can be written in the folder, if there is to be one; leave no trace.

    workers: only the first writes. Raises ValueError if it can't.
    """
    if not out or not workers.first:
        return
    out = Path(out)
    # where it is to be made: making it would leave a trace
    there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    trial = there / f".tried-{os.getpid()}"
    try:
        with written_whole(trial) as work:
            work.write_text("x")
        trial.unlink()
        if (out / "metrics.jsonl").is_dir():
            raise IsADirectoryError("metrics.jsonl is a folder there")
    except OSError as error:
        raise ValueError(
            f"out={str(out)!r} can't be written to ({error}): choose another folder, free some "
            "space, or change its permissions"
        ) from error


def check_data(
    learner: Learner,
    stream: Stream,
    validation: Sequence[Batch] | None,
    out: str | os.PathLike | None,
) -> None:
    """Raise ValueError or TypeError for a stream or validation batches that will not do."""
    _check_stream(stream, out)
    if validation is not None:
        _check_validation(learner, validation)


def _check_stream(stream: Stream, out: str | os.PathLike | None) -> None:
    """Raise TypeError for what gives no batches by number, or, with ``out``, has no fingerprint."""
    if not callable(getattr(stream, "batch", None)):
        raise TypeError(
            f"stream must have a method batch(step), got {type(stream).__name__}: see "
            "batches.Stream"
        )
    if out and not isinstance(found := getattr(stream, "fingerprint", None), str):
        raise TypeError(
            f"stream.fingerprint must be a string, got {found!r}: a checkpoint in out remembers by "
            "it which batches it belongs to; give the stream one, or leave out away"
        )


def _check_validation(learner: Learner, validation: Sequence[Batch]) -> None:
    """Raise ValueError if the model can't judge these batches, TypeError if they come only once.

    Tried are those with the longest rows, the largest label and the most targets.
    """
    if iter(validation) is validation:
        raise TypeError(
            f"validation must be a list of batches, got {type(validation).__name__}, which gives "
            "them only once: write list(...)"
        )
    batches = list(validation)
    if not batches:
        raise ValueError("validation is empty: give at least one batch, or None for no evaluation")
    if wrong := [type(b).__name__ for b in batches if not isinstance(b, Batch)]:
        raise TypeError(f"validation must be a list of Batch, got one of class {wrong[0]}")
    traits = (
        lambda b: b.input_ids.shape[1],
        lambda b: -1 if b.labels is None or not b.n_tokens else int(b.labels.max()),
        lambda b: b.n_targets,
        lambda b: -b.n_targets,
    )
    tried = {max(range(len(batches)), key=lambda i: trait(batches[i])) for trait in traits}
    try:
        evaluate(
            learner.model,
            learner.objective,
            [batches[i] for i in sorted(tried)],
            precision=learner.precision,
            workers=learner.workers,
        )
    except (LookupError, RuntimeError, TypeError, ValueError) as error:
        # of several workers one may be lost here, which ``join`` tells by the error
        if isinstance(error, RuntimeError) and learner.workers.count > 1:
            raise
        raise ValueError(
            f"the model can't judge the validation batches ({error}): give batches that were made "
            "like those of the stream"
        ) from error
