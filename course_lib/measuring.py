"""Measuring speed so that a sceptic believes it: turns, a median with its spread, the day's peak.

A machine is never quite idle and never quite as fast as a minute ago. So the sides of a comparison
take turns, one call each, and the *ratio* is formed within a turn: what slows the machine slows
both. The first turn warms up and is thrown away. A throughput says little by itself; beside it
stands what the same machine does at best, a square product of two matrices, measured in the same
run (``matrix_peak``).

Two clocks. The wall's clock is what a user waits for, and means something on a quiet machine only.
The processor's clock counts the seconds that the process really computed; with one thread it can be
read on a busy machine too. Every record says which one it used (``choose_clock``).

Cost: what is measured. Sources: Georges, Buytaert & Eeckhout 2007 (doi:10.1145/1297027.1297033) on
why one number is not a measurement.

>>> sides = {"one": lambda: sum(range(1000)), "two": lambda: sum(range(2000))}
>>> seconds = take_turns(sides, repeats=5)
>>> [len(x) for x in seconds.values()], spread([3.0, 1.0, 2.0])["median"]
([5, 5], 2.0)
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from course_lib import hardware
from course_lib.settings import as_plain
from course_lib.whole_files import write_text_whole

Clock = Callable[[], float]


def choose_clock(wall: bool = False) -> tuple[Clock, str]:
    """A clock and its name for the record.

    Without ``wall``: CPU seconds, and torch is set to one thread.

    >>> choose_clock(wall=True)[1]
    'wall clock'
    """
    if wall:
        return time.perf_counter, "wall clock"
    torch.set_num_threads(1)
    return time.process_time, "CPU seconds of the process, one thread"


def take_turns(
    sides: Mapping[str, Callable[[], object]], *, repeats: int = 5, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of ``repeats`` calls of each side, interleaved.

    One turn more comes first and is not counted.

    clock: ``time.perf_counter``, or ``time.process_time`` (see the top of the file).
    A side that returns a float has measured itself: that number is taken in place of the clock's.
    Raises ValueError for fewer than one repeat.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        for name, call in sides.items():
            started = clock()
            own = call()
            _wait_for_gpu()
            if turn:
                seconds[name].append(own if isinstance(own, float) else clock() - started)
    return seconds


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def spread(values: Sequence[float]) -> dict[str, object]:
    """Median, ``low`` and ``high`` quantile, least, greatest, and all values.

    ``low`` and ``high`` enclose the middle eight tenths (quantiles 0.1 and 0.9, on the line between
    two values where they fall between them). The least and the greatest say how bad it once got,
    and lie the further apart the more often one measures; a range between quantiles does not.
    Raises ValueError if there is no value.

    >>> found = spread([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 4.0])
    >>> found["low"], found["high"], found["max"]
    (1.0, 1.0, 4.0)
    """
    if not values:
        raise ValueError("values is empty: nothing was measured")
    values = [float(x) for x in values]
    return {
        "median": statistics.median(values),
        "low": quantile(values, 0.1),
        "high": quantile(values, 0.9),
        "min": min(values),
        "max": max(values),
        "all": values,
    }


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of the values lie, between two of them on a straight line.

    The same as ``numpy.quantile``. Raises ValueError for no values or a share outside of [0, 1].
    """
    if not values or not 0 <= share <= 1:
        raise ValueError(f"needs values and a share in [0, 1], got {len(values)} and {share}")
    ordered = sorted(float(x) for x in values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def speedup(slow: Sequence[float], fast: Sequence[float]) -> dict[str, object]:
    """The spread of the ratios ``slow / fast``, formed turn by turn.

    Raises ValueError for lists of unequal length.
    """
    return spread([a / b for a, b in zip(slow, fast, strict=True)])


def matrix_peak(
    dtype: torch.dtype = torch.float32,
    *,
    size: int = 1024,
    repeats: int = 9,
    device: str = "cpu",
    clock: Clock = time.perf_counter,
) -> float:
    """FLOPs a second of the best of several (size, size) matrix products: the machine's roof."""
    a, b = (torch.rand(size, size, device=device).to(dtype) for _ in range(2))
    best = min(take_turns({"product": lambda: a @ b}, repeats=repeats, clock=clock)["product"])
    return 2 * size**3 / best


def memory_bandwidth(
    *, megabytes: int = 256, repeats: int = 5, device: str = "cpu", clock: Clock = time.perf_counter
) -> float:
    """Bytes a second of the best of several copies of a block that no cache holds.

    Each byte counts twice: read once, written once.
    """
    source = torch.ones(megabytes * 2**18, device=device)
    target = torch.empty_like(source)
    copy = {"copy": lambda: target.copy_(source)}
    best = min(take_turns(copy, repeats=repeats, clock=clock)["copy"])
    return 2 * source.numel() * 4 / best


def resident_bytes() -> tuple[int, int]:
    """Memory of this process in RAM: (now, the most since ``forget_peak``).

    It is (0, 0) where Linux's /proc is missing.
    """
    try:
        lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    except OSError:
        return 0, 0
    wanted = [line for line in lines if line.startswith(("VmRSS", "VmHWM"))]
    found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in wanted}
    return found["VmRSS"], found["VmHWM"]


def forget_peak() -> None:
    """Let the peak of ``resident_bytes`` begin anew, where Linux allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", "utf-8")
    except OSError:
        pass


def seconds_to_reach(curve: Sequence[Mapping[str, float]], nll: float) -> float | None:
    """When a falling curve of {"seconds", "nll"} first reaches ``nll``; None if never.

    The time lies on the line between two of its points.

    >>> seconds_to_reach([{"seconds": 10.0, "nll": 6.0}, {"seconds": 20.0, "nll": 4.0}], 5.0)
    15.0
    """
    if curve[0]["nll"] <= nll:
        return curve[0]["seconds"]
    for before, after in itertools.pairwise(curve):
        if after["nll"] <= nll < before["nll"]:
            share = (before["nll"] - nll) / (before["nll"] - after["nll"])
            return before["seconds"] + share * (after["seconds"] - before["seconds"])
    return None


def write_record(path: str | os.PathLike, result: Mapping[str, object]) -> None:
    """Write ``result`` with hardware and versions as JSON, all or nothing."""
    record = {"hardware": hardware.describe(), **result}
    write_text_whole(path, json.dumps(record, indent=1, default=as_plain) + "\n")


def read_record(name: str, command: str | None = None) -> dict | None:
    """What ``benchmarks/results/NAME.json`` holds, looked for in this folder and those above it.

    Where it is missing (a notebook on Colab, without the repository) the result is None, and a line
    says which ``command`` makes it (default: the benchmark of that name).
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        file = folder / "benchmarks" / "results" / f"{name}.json"
        if file.exists():
            return json.loads(file.read_text("utf-8"))
    command = command or f"python benchmarks/{name}.py"
    print(f"benchmarks/results/{name}.json is not here; in the repository: {command}")
    return None
