"""What has to be written down so that a killed run goes on as if nothing had happened.

    weights | the optimiser's moments | the best weights so far | the generators' states      tensors
    step, seconds and tokens spent | loss scale | sums since the last log line | patience      JSON

The order of the data needs no state: the stream gives the batch of any step. Leave one of these out and the resumed run
is another one: without the generators dropout differs, without the moments the first steps are too long.

Cost: reading once through the weights; a GPU's are copied to the CPU.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from course_lib.distributed.sharding import like, whole

from .checkpoint import CheckpointError, optimizer_tensors, restore_optimizer
from .config import FREE_TO_CHANGE, TrainConfig
from .window import Window

if TYPE_CHECKING:
    from .run import Run


def state_of(run: Run) -> tuple[dict[str, Tensor], dict]:
    """The state of a run after a whole step: tensors, and what JSON can hold.

    Of several workers all must call; the first gets everything, the others no tensors.
    """
    moments, optimizer = optimizer_tensors(run.optimizer)
    tensors = {f"model.{k}": v for k, v in run.model.state_dict().items()}
    tensors |= {f"optimizer.{k}": v for k, v in moments.items()}
    tensors |= {f"best.{k}": v for k, v in (run.best_weights or {}).items()}
    tensors["random.cpu"] = torch.get_rng_state()
    if run.device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(run.device)
    tensors = _gathered(tensors, run.workers.first)
    total, count = run.workers.sum(*run.window.state().values())
    info = {
        "config": asdict(run.config), "stream": run.stream.fingerprint, "precision": run.precision,
        "optimizer": optimizer, "scaler": run.scaler.state_dict(),
        "window": {"total": total, "count": count},
        "seconds": run.seconds, "tokens": run.tokens, "best": None if math.isinf(run.best) else run.best,
        "best_step": run.best_step, "bad_evaluations": run.bad_evaluations,
    }  # fmt: skip
    return tensors, info


def _gathered(tensors: dict[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """Sharded tensors made whole one after the other: who does not keep them needs room for one at a time."""
    found = {}
    for name, tensor in tensors.items():
        complete = whole(tensor)
        if keep:
            found[name] = complete if complete is tensor else complete.cpu()
    return found


def take_up(run: Run, tensors: dict[str, Tensor], info: dict) -> None:
    """Put a run into the state that ``state_of`` wrote down."""
    run.use(info["precision"])  # "auto" may choose otherwise on another machine
    parts: dict[str, dict] = {"model": {}, "optimizer": {}, "best": {}, "random": {}}
    for key, value in tensors.items():
        part, name = key.split(".", 1)
        parts[part][name] = value
    own = run.model.state_dict()
    run.model.load_state_dict({k: like(own[k], v) for k, v in parts["model"].items()})
    parameters = [p for group in run.optimizer.param_groups for p in group["params"]]
    moments = {k: like(parameters[int(k.split(".")[0])], v) for k, v in parts["optimizer"].items()}
    restore_optimizer(run.optimizer, moments, info["optimizer"])
    if run.scaler.is_enabled():
        run.scaler.load_state_dict(info["scaler"])
    run.best_weights = {k: like(own[k], v.to(run.device)) for k, v in parts["best"].items()} or None
    run.best = math.inf if info["best"] is None else info["best"]
    run.best_step, run.bad_evaluations = info["best_step"], info["bad_evaluations"]
    run.done, run.seconds, run.tokens = info["step"], info["seconds"], info["tokens"]
    run.saved_at, run.saved_step = run.seconds, run.done
    run.window = Window(
        run.device, **info["window"] if run.workers.first else {}
    )  # a sum over all: counted once
    torch.set_rng_state(parts["random"]["cpu"])
    if run.device.type == "cuda" and "cuda" in parts["random"]:
        torch.cuda.set_rng_state(parts["random"]["cuda"], run.device)
    run.workers.seed(run.config.seed, run.done)


def check_same_run(config: TrainConfig, fingerprint: str, path: Path, info: dict) -> None:
    """Raise CheckpointError if the checkpoint was trained with other settings or on another stream."""
    now = json.loads(json.dumps(asdict(config)))
    for f in fields(TrainConfig):
        then = info["config"].get(f.name, f.default)  # a field that is younger than the checkpoint
        if f.name not in FREE_TO_CHANGE and now[f.name] != then:
            raise CheckpointError(
                f"{path} was trained with {f.name}={then!r}, now it is {now[f.name]!r}: resume "
                "with the same value, or start anew in another folder"
            )
    if info["stream"] != fingerprint:
        raise CheckpointError(
            f"{path} was trained on another stream of batches (text, tokenizer, seq_len, batch_size, masking or "
            "seed differ): resume with the same, or start anew in another folder"
        )
