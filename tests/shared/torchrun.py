"""Start a script under torchrun, as a user would, and say what came of it."""

import os
import subprocess
import sys
from pathlib import Path


def start(n: int, *command: str | Path, **environment: str) -> subprocess.Popen:
    """``torchrun --nproc-per-node n command``, one thread each, on a port of its own."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.Popen(
        [*torchrun, f"--nproc-per-node={n}", *map(str, command)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def torchrun(n: int, *command: str | Path, **environment: str) -> str:
    """Run to a good end and return what was printed to stdout; fails with stderr."""
    process = start(n, *command, **environment)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out
