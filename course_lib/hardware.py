"""What machine is this, what can it do, and how large should an experiment be on it?

``pick`` is the notebooks' one switch: the same cell trains a sketch on two CPU cores and the real
thing on a GPU. COURSE_SCALE in the environment overrules what the machine says:

=============  ===============================================================
``cpu``        the sketch
``gpu``        the real thing
``gpu-tiny``   the branches of ``gpu`` at the sizes of ``cpu``: a test of code
               that no machine without a GPU would run otherwise
=============  ===============================================================

>>> pick(cpu=64, gpu=512) in (64, 512)
True
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import TypeVar

import torch

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """Matrix products in ``precision``, "fp32", "bf16" or "fp16"; ValueError for another name."""
    if precision == "fp32":
        return contextlib.nullcontext()
    if precision not in _DTYPES:
        raise ValueError(f"precision must be 'auto', 'fp32', 'bf16' or 'fp16', got {precision!r}")
    return torch.autocast(device.type, _DTYPES[precision])


T = TypeVar("T")
_PACKAGES = ("course-lib", "torch", "transformers", "tokenizers", "numpy")


def device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def scale() -> str:
    """``"gpu"`` or ``"cpu"``: which of the course's experiments are run.

    Raises ValueError for another COURSE_SCALE than those above.
    """
    return "gpu" if _wanted() == "gpu-tiny" else _wanted()


def pick(*, cpu: T, gpu: T) -> T:
    """The size for this machine's scale; under gpu-tiny it is the CPU's."""
    return gpu if _wanted() == "gpu" else cpu


def _wanted() -> str:
    wanted = os.environ.get("COURSE_SCALE") or device().type.replace("cuda", "gpu")
    if wanted not in ("cpu", "gpu", "gpu-tiny"):
        raise ValueError(
            "the environment variable COURSE_SCALE must be 'cpu', 'gpu' or 'gpu-tiny', "
            f"got {wanted!r}"
        )
    return wanted


@functools.cache
def _cpu_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return frozenset()
    flags = (line for line in lines if line.startswith(("flags", "Features")))
    return frozenset(next(flags, "").split())


def precision(where: torch.device | None = None) -> str:
    """The fastest safe number format.

    ``"bf16"`` where the hardware is fast at it, ``"fp16"`` on older GPUs, else ``"fp32"``. fp16 (a
    T4) needs loss scaling, which ``train`` switches on with it. A CPU is tried out, once in a
    process: some that list bfloat16 among their instructions multiply it at half the speed of
    float32.
    """
    where = device() if where is None else where
    if where.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(where)[0] >= 8 else "fp16"
    if not _cpu_flags() & {"avx512_bf16", "amx_bf16", "bf16"}:
        return "fp32"
    return "bf16" if bf16_speedup() > 1.2 else "fp32"


@functools.cache
def bf16_speedup(size: int = 512, repeats: int = 7) -> float:
    """How many times faster this CPU multiplies bfloat16 matrices than float32 ones.

    The best times of alternating runs are compared.
    """
    dtypes = (torch.float32, torch.bfloat16)
    factors = {dtype: torch.ones(size, size, dtype=dtype) for dtype in dtypes}
    best = dict.fromkeys(factors, float("inf"))
    for _ in range(repeats + 1):  # the first round warms up
        for dtype, x in factors.items():
            started = time.perf_counter()
            _ = x @ x
            best[dtype] = min(best[dtype], time.perf_counter() - started)
    return best[torch.float32] / best[torch.bfloat16]


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        names = (line for line in lines if line.startswith("model name"))
        return next(names).split(":", 1)[1].strip()
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def describe() -> dict[str, object]:
    """Hardware and versions, for the record that stands beside every measurement."""
    found = {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": None,
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {**found, "system": platform.system(), "precision": precision(), "versions": versions}
