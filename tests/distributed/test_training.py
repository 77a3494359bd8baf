"""Two and three processes train what one trains: weights, losses, evaluations, also resumed."""

import json
import shutil
from pathlib import Path

import distributed_run
import pytest
import torch
from torchrun import torchrun

from course_lib.distributed import Workers

pytestmark = pytest.mark.slow
SCRIPT = Path(distributed_run.__file__)
# the softmax is float32, the rest float64; a mistake in the weighting is a thousand times larger
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def one(out) -> dict:
    """What one process does, in this process."""
    return {
        name: distributed_run.one_run(out / f"{name}-1", Workers(), **distributed_run.RUNS[name])
        for name in ("plain", "stopped")
    }


@pytest.fixture(scope="module")
def two(out) -> Path:
    """All runs of two workers, in one start of torchrun."""
    names = (
        "plain",
        "accumulated",
        "sharded",
        "sharded_accumulated",
        "accelerated",
        "means",
        "stopped",
        "stopped_sharded",
    )
    torchrun(2, SCRIPT, out, *names)
    return out


def found(out: Path, name: str) -> dict:
    return torch.load(out / f"{name}.pt")


def distance(a: dict, b: dict) -> float:
    """The largest difference of two models' weights."""
    assert a["weights"].keys() == b["weights"].keys()
    return max(float((a["weights"][k] - b["weights"][k]).abs().max()) for k in a["weights"])


def curve(run: dict) -> list[tuple]:
    shown = ("step", "loss", "gradient_norm", "validation_nll")
    return [tuple(v for k, v in r.items() if k in shown) for r in run["history"]]


@pytest.mark.parametrize("name", ["plain", "accumulated", "sharded", "sharded_accumulated"])
def test_two_workers_are_one(one, two, name):
    together = found(two, f"{name}-2")
    assert distance(one["plain"], together) < TOLERANCE
    assert len(curve(together)) == 6
    for ours, theirs in zip(curve(together), curve(one["plain"]), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-6)


def test_accelerate_gives_the_same(one, two):
    pytest.importorskip("accelerate", reason="accelerate is an extra")
    assert distance(one["plain"], found(two, "accelerated-2")) < TOLERANCE


def test_the_mean_of_the_workers_means_is_not(one, two):
    """The test above finds the fault that it is there for."""
    assert distance(one["plain"], found(two, "means-2")) > 1e-3


def test_sharded_workers_hold_half_of_the_state(two):
    whole, half = (found(two, f"{name}-2")["bytes"] for name in ("plain", "sharded"))
    assert 0.5 <= half / whole < 0.52  # a tensor with an odd number of rows is cut unevenly


def test_only_the_first_worker_writes(two):
    """The others raise at the checkpoint's writer (``distributed_run``); a line is logged once."""
    lines = (two / "plain-2" / "run" / "metrics.jsonl").read_text("utf-8").splitlines()
    steps = [(r["step"], "loss" in r) for r in map(json.loads, lines)]
    assert steps == [(2, True), (4, True), (4, False), (6, True), (8, True), (8, False)]


RESUMED = [
    ("stopped-2", 1, "resumed"),
    ("stopped_sharded-2", 1, "resumed"),
    ("stopped-1", 3, "resumed_sharded"),
    ("stopped-2", 3, "resumed"),
]


@pytest.mark.parametrize(("source", "count", "name"), RESUMED)
def test_a_run_goes_on_with_another_number_of_workers(one, two, tmp_path, source, count, name):
    """A run lost in step 6 goes on from its checkpoint of step 3, as if one process did it all."""
    target = tmp_path / f"{name}-{count}"
    shutil.copytree(two / source / "run", target / "run")
    assert [p.name for p in (target / "run").glob("step-*")] == ["step-00000003"]
    if count == 1:
        resumed = distributed_run.one_run(target, Workers(), **distributed_run.RUNS[name])
    else:
        torchrun(count, SCRIPT, tmp_path, name)
        resumed = found(tmp_path, f"{name}-{count}")
    assert distance(one["plain"], resumed) < TOLERANCE
    assert [r["step"] for r in resumed["history"]] == [2, 4, 4, 6, 8, 8]
    for ours, theirs in zip(curve(resumed), curve(one["plain"]), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-6)
