"""Saving and loading: tensors as safetensors, everything else as JSON, all or nothing.

A checkpoint is a folder, written under another name and renamed when every byte is on the disk. A
process killed in the middle leaves the previous checkpoint, never half of a new one. The JSON holds
the SHA-256 of the tensor file and of itself, so that damage is noticed at loading and not as a
strange loss.

    run/
      step-00000200/  state.safetensors  state.json
      step-00000400/  state.safetensors  state.json

Neither format can hold code, so loading a stranger's checkpoint runs nothing (a pickle would).

Cost: one sequential write of 12 bytes a parameter (weights and two moments in float32).

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as run:
...     _ = save_checkpoint(run, 3, {"w": torch.ones(2)}, {"seconds": 1.5})
...     tensors, info = load_checkpoint(latest_checkpoint(run))
>>> tensors["w"].tolist(), info["step"], info["seconds"]
([1.0, 1.0], 3, 1.5)
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from course_lib.settings import as_plain
from course_lib.whole_files import check_object, read_json_object, written_whole

_FORMAT = 1
_NAME = re.compile(r"step-(\d{8,})")


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged, or belongs to another run."""


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _info_sha256(info: dict) -> str:
    """Of all that state.json says, but this."""
    rest = {name: value for name, value in info.items() if name != "info_sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def write_folder(path: Path, tensors: dict[str, Tensor], info: dict) -> None:
    """Write ``state.safetensors`` and ``state.json`` into a new folder ``path``, atomically."""
    try:
        with written_whole(path) as work:
            work.mkdir()
            file = work / "state.safetensors"
            save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, file)
            info = {"format": _FORMAT, "sha256": _sha256(file), **info}
            info = json.loads(json.dumps(info, default=as_plain))
            info["info_sha256"] = _info_sha256(info)
            (work / "state.json").write_text(json.dumps(info, indent=2), "utf-8")
            # save_file lets only the owner read
            shutil.copymode(work / "state.json", file)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"could not write the checkpoint {path}: {error}. Free some space or choose another "
            "folder; the earlier checkpoints are untouched"
        ) from error


def read_folder(path: Path) -> tuple[dict[str, Tensor], dict]:
    """The inverse of ``write_folder``.

    Raises CheckpointError when something is missing or damaged.
    """
    try:
        info = read_json_object(path / "state.json")
        if info.get("format") != _FORMAT:
            raise CheckpointError(
                f"{path} has format {info.get('format')}; this version reads {_FORMAT}"
            )
        # older checkpoints do not have it
        if info.get("info_sha256", digest := _info_sha256(info)) != digest:
            raise CheckpointError(
                f"{path}/state.json is damaged: its SHA-256 is not the one that it says"
            )
        check_object(info, f"{path}/state.json", sha256=str)
        if _sha256(path / "state.safetensors") != info["sha256"]:
            raise CheckpointError(
                f"{path}/state.safetensors is damaged: its SHA-256 is not the one in state.json"
            )
        return load_file(path / "state.safetensors"), info
    except CheckpointError:
        raise
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{path} is not a whole checkpoint: {error}") from error


def save_checkpoint(
    run: str | os.PathLike, step: int, tensors: dict[str, Tensor], info: dict, *, keep: int = 2
) -> Path:
    """Write ``run/step-XXXXXXXX`` and delete all but the newest ``keep`` (0 keeps all).

    Returns its path.
    """
    path = Path(run) / f"step-{step:08d}"
    write_folder(path, tensors, {"step": step, **info})
    for leftover in path.parent.glob(".writing-step-*"):  # of processes that were killed
        shutil.rmtree(leftover, ignore_errors=True)
    if keep:
        for old in checkpoints(run)[:-keep]:
            shutil.rmtree(old, ignore_errors=True)
    return path


def checkpoints(run: str | os.PathLike) -> list[Path]:
    """The checkpoint folders of a run, oldest first."""
    found = [(int(m[1]), p) for p in Path(run).glob("step-*") if (m := _NAME.fullmatch(p.name))]
    return [path for _, path in sorted(found)]


def load_checkpoint(path: str | os.PathLike) -> tuple[dict[str, Tensor], dict]:
    """Tensors and the JSON part of one checkpoint.

    Raises CheckpointError when it is missing or damaged.
    """
    return read_folder(Path(path))


def latest_checkpoint(run: str | os.PathLike) -> Path:
    """The newest checkpoint that is whole; a damaged one is passed over with a warning.

    Raises CheckpointError if there is none.
    """
    for path in reversed(checkpoints(run)):
        try:
            read_folder(path)
            return path
        except CheckpointError as error:
            warnings.warn(f"passing over a checkpoint: {error}", stacklevel=2)
    raise CheckpointError(f"no checkpoint to resume from in {run}: start without resume")


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict]:
    """An optimiser's state as tensors by name and a JSON-able rest."""
    state = optimizer.state_dict()
    tensors, rest = {}, {}
    for index, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value
            else:
                rest[f"{index}.{name}"] = value
    return tensors, {"groups": state["param_groups"], "rest": rest}


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], info: dict
) -> None:
    """The inverse of ``optimizer_tensors``."""
    state: dict[int, dict] = {}
    for key, value in {**tensors, **info["rest"]}.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": info["groups"]})
