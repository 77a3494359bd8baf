"""``pretrain`` under torchrun: the result of one process, one voice, an end when a worker dies."""

import os
import signal
import time
from pathlib import Path

import pytest
import torch
from pretraining_command import FLAGS, SCRIPT
from torchrun import start, torchrun

from course_lib.training import load_model

pytestmark = pytest.mark.slow
REPORT = (
    "import os, pathlib; pathlib.Path(os.environ['PIDS'], os.environ.get('RANK', '0'))"
    ".write_text(str(os.getpid()))\n"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the command (on a small corpus), run once by one worker into ``one``."""
    folder = tmp_path_factory.mktemp("command")
    (folder / "command.py").write_text(REPORT + SCRIPT, "utf-8")
    (folder / "pids").mkdir()
    pretrain(folder, 1, "one")
    return folder


def command(folder, out: str, *flags: str) -> tuple:
    here = Path(__file__).parents[1] / "shared"
    return (
        folder / "command.py",
        here,
        "pretrain",
        f"--out={folder / out}",
        *FLAGS,
        "--precision=fp32",
        *flags,
    )


def environment(folder) -> dict:
    return {"COURSE_LIB_CACHE": str(folder / "cache"), "PIDS": str(folder / "pids")}


def pretrain(folder, n: int, out: str, *flags: str) -> str:
    return torchrun(n, *command(folder, out, *flags), **environment(folder))


def weights(folder, out: str) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in load_model(folder / out)[0].parameters()])


@pytest.mark.parametrize("flags", [(), ("--shard",)], ids=["parallel", "sharded"])
def test_two_workers_train_the_model_of_one(place, flags):
    out = "two" + "".join(flags)
    printed = pretrain(place, 2, out, *flags)
    assert printed.count('"validation_nll"') == 1 and printed.count("Wrote ") == 1
    # float32, twelve steps at a high rate
    assert (weights(place, out) - weights(place, "one")).abs().max() < 2e-4
    assert len((place / out / "metrics.jsonl").read_text("utf-8").splitlines()) == 3


def kill_one(folder, out: str, number: signal.Signals, whom: str) -> tuple[int, str]:
    """Start a run of two workers, send a signal after the first checkpoint; exit code, stderr."""
    flags = ("--steps=100000", "--checkpoint-every=5", "--evaluate-every=1000000")
    process = start(2, *command(folder, out, *flags), **environment(folder))
    while not list((folder / out).glob("step-*")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    pid = process.pid if whom == "torchrun" else int((folder / "pids" / whom).read_text())
    os.kill(pid, number)
    return process.wait(timeout=300), process.communicate()[1]


def test_a_worker_that_dies_ends_the_run_and_says_so(place):
    code, said = kill_one(place, "died", signal.SIGKILL, whom="1")
    assert code != 0
    assert "error (worker 0): worker 0 of 2 lost contact with another worker" in said
    assert "--resume" in said
    assert "Traceback" not in said.split("error (worker 0)")[0]
    longer = ("--steps=100000", "--checkpoint-every=5", "--evaluate-every=1000000", "--resume")
    # the checkpoint is whole
    process = start(1, *command(place, "died", *longer), **environment(place))
    kept = sorted(p.name for p in (place / "died").glob("step-*"))
    deadline = time.time() + 300
    while sorted(p.name for p in (place / "died").glob("step-*")) == kept:
        assert process.poll() is None and time.time() < deadline
        time.sleep(0.05)
    process.terminate()
    process.communicate(timeout=300)


def test_sigterm_to_torchrun_saves_once(place):
    code, said = kill_one(place, "stopped", signal.SIGTERM, whom="torchrun")
    assert code != 0 and said.count("stopped after step") == 1 and "saved in" in said


def test_an_error_of_use_names_the_worker(place):
    process = start(2, *command(place, "one"), **environment(place))
    said = process.communicate(timeout=300)[1]
    assert process.returncode != 0
    assert "error (worker 0): " in said and "already holds a run" in said
