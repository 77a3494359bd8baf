"""What has to be written down so that a killed run goes on as if nothing had happened.

    weights | the optimiser's moments | the best weights so far | the generators' states     tensors
    step, seconds and tokens spent | loss scale | sums since the last log line | patience     JSON

The order of the data needs no state: the stream gives the batch of any step. Leave one of these out
and the resumed run is another one: without the generators dropout differs, without the moments the
first steps are too long.

Cost: reading once through the weights; a GPU's are copied to the CPU.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

import torch
from torch import Tensor

from course_lib.distributed.sharding import like, whole
from course_lib.whole_files import check_object

from .checkpoint import CheckpointError, optimizer_tensors, restore_optimizer
from .config import FREE_TO_CHANGE, TrainConfig
from .learner import Learner
from .progress import Progress
from .window import Window

_NUMBER = (int, float)
_STATE = dict(step=int, seconds=_NUMBER, tokens=int, precision=str, optimizer=dict, scaler=dict)
_STATE |= dict(window=dict, config=dict, stream=str, best=(int, float, type(None)))
_STATE |= dict(best_step=(int, type(None)), bad_evaluations=int)


def state_of(
    learner: Learner, progress: Progress, window: Window, best_weights: dict[str, Tensor] | None
) -> tuple[dict[str, Tensor], dict]:
    """The state of a run after a whole step: tensors, and what JSON can hold.

    Of several workers all must call; the first gets everything, the others no tensors.
    """
    moments, optimizer = optimizer_tensors(learner.optimizer)
    tensors = {f"model.{k}": v for k, v in learner.model.state_dict().items()}
    tensors |= {f"optimizer.{k}": v for k, v in moments.items()}
    tensors |= {f"best.{k}": v for k, v in (best_weights or {}).items()}
    tensors["random.cpu"] = torch.get_rng_state()
    if learner.device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(learner.device)
    total, count = learner.workers.sum(float(window.total), window.count)
    info = {
        "precision": learner.precision,
        "optimizer": optimizer,
        "scaler": learner.scaler.state_dict(),
        "window": {"total": total, "count": count, "skipped": int(window.skipped)},
        **progress.state(),
    }
    return _gathered(tensors, learner.workers.first), info


def _gathered(tensors: dict[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """Sharded tensors made whole one after the other: who does not keep them needs room for one at
    a time.
    """
    found = {}
    for name, tensor in tensors.items():
        complete = whole(tensor)
        if keep:
            found[name] = complete if complete is tensor else complete.cpu()
    return found


def take_up(
    learner: Learner, tensors: dict[str, Tensor], info: dict
) -> tuple[Progress, Window, dict[str, Tensor] | None]:
    """Put a learner into the state that ``state_of`` wrote down; returns the other three.

    Raises CheckpointError for the state of another model.
    """
    own = learner.model.state_dict()
    _check_same_model(own, tensors)
    # "auto" may choose otherwise on another machine; the run goes on in the format it began with
    learner.use(info["precision"])
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "best": {}, "random": {}}
    for key, value in tensors.items():
        part, name = key.split(".", 1)
        parts[part][name] = value
    learner.model.load_state_dict({k: like(own[k], v) for k, v in parts["model"].items()})
    parameters = [p for group in learner.optimizer.param_groups for p in group["params"]]
    moments = {k: like(parameters[int(k.split(".")[0])], v) for k, v in parts["optimizer"].items()}
    restore_optimizer(learner.optimizer, moments, info["optimizer"])
    if learner.scaler.is_enabled():
        learner.scaler.load_state_dict(info["scaler"])
    torch.set_rng_state(parts["random"]["cpu"])
    if learner.device.type == "cuda" and "cuda" in parts["random"]:
        torch.cuda.set_rng_state(parts["random"]["cuda"], learner.device)
    sums = info["window"]
    # sums over all workers: counted once. What was skipped was skipped by all
    sums = sums if learner.workers.first else {"skipped": sums.get("skipped", 0)}
    window = Window(learner.device, **sums)
    best = {k: like(own[k], v.to(learner.device)) for k, v in parts["best"].items()}
    return Progress.of(info), window, best or None


def _check_same_model(own: dict[str, Tensor], tensors: dict[str, Tensor]) -> None:
    start = "model."
    theirs = {k[len(start) :]: tuple(v.shape) for k, v in tensors.items() if k.startswith(start)}
    ours = {name: tuple(value.shape) for name, value in own.items()}
    for name in [*ours, *theirs]:
        if ours.get(name) != theirs.get(name):
            there, here = (shapes.get(name, "missing") for shapes in (theirs, ours))
            raise CheckpointError(
                f"the checkpoint is of another model: {name} is {there} in it and {here} here: "
                "build the model as it was, or start anew in another folder"
            )


def check_same_run(config: TrainConfig, fingerprint: str, path: Path, info: dict) -> None:
    """Raise CheckpointError if the checkpoint is of other settings or of another stream, or lacks
    what a run's has.
    """
    try:
        check_object(info, f"{path}/state.json", **_STATE)
    except ValueError as error:
        raise CheckpointError(f"{error}. Delete the folder to resume from the one before") from None
    now = json.loads(json.dumps(asdict(config)))
    for f in fields(TrainConfig):
        # the default stands for a field that is younger than the checkpoint
        then = info["config"].get(f.name, f.default)
        if f.name not in FREE_TO_CHANGE and now[f.name] != then:
            raise CheckpointError(
                f"{path} was trained with {f.name}={then!r}, now it is {now[f.name]!r}: resume "
                "with the same value, or start anew in another folder"
            )
    if info["stream"] != fingerprint:
        raise CheckpointError(
            f"{path} was trained on another stream of batches (text, tokenizer, seq_len, "
            "batch_size, masking or seed differ): resume with the same, or start anew in another "
            "folder"
        )
