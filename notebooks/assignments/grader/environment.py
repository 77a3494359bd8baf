"""The grading environment: nbgrader in `.venv-grading`, students' kernels on the course's Python.

nbgrader wants the whole of JupyterLab; the course does not. So nbgrader lives in a virtual
environment of its own, made on first use (about half a minute). torch is not installed twice: the
kernel that runs students' code is the Python which runs this program.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

ASSIGNMENTS = Path(__file__).resolve().parents[1]
ROOT = ASSIGNMENTS.parents[1]
REQUIREMENTS = ASSIGNMENTS / "requirements-grading.txt"
KERNEL = "course"


class GradingError(Exception):
    """Something the instructor has to put right before any grading can happen."""


def environment_folder() -> Path:
    """Where the grading environment is: `.venv-grading` at the root, or what GRADING_VENV says."""
    return Path(os.environ.get("GRADING_VENV", ROOT / ".venv-grading"))


def grading_python() -> Path:
    """The Python that has nbgrader; its environment is made (or made anew) if missing or outdated.

    Raises:
        GradingError: it cannot be made, with what pip said.
    """
    folder = environment_folder()
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / "course-stamp"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    with _locked(Path(tempfile.gettempdir()) / f"course-grading-{name}.lock"):
        if not (python.exists() and stamp.exists() and stamp.read_text() == wanted):
            _create(folder, python)
            stamp.write_text(wanted)
    return python


def _create(folder: Path, python: Path) -> None:
    if sys.version_info < (3, 11):
        have = ".".join(map(str, sys.version_info[:2]))
        raise GradingError(
            f"grading needs Python 3.11 or newer (nbgrader does); this is {have}. "
            "Students need not have it."
        )
    print(
        f"Making the grading environment {folder} (once; about half a minute) ...",
        file=sys.stderr,
        flush=True,
    )
    venv.create(folder, clear=True, with_pip=True)
    command = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        str(REQUIREMENTS),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise GradingError(
            f"The grading environment {folder} could not be made; pip said:\n{tail}\n"
            f"Is the network up? By hand: python -m venv {folder}, "
            f"then its pip install -r {REQUIREMENTS}"
        )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time (test workers may all want the environment at once)."""
    try:
        import fcntl
    except ImportError:  # Windows: go without
        yield
        return
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def check_course_python() -> None:
    """Raise GradingError where the Python that runs this lacks what students' code needs."""
    needed = ("torch", "ipykernel", "nbformat")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise GradingError(
            f"{sys.executable} lacks {', '.join(missing)}. "
            "Run the grader with the course's environment: "
            "`make assignments`, or .venv/bin/python notebooks/assignments/grade.py ..."
        )


def drive(course: Path, job: dict) -> dict:
    """Run `driver.py` in the grading environment on one job; see there. Returns its answer.

    Raises:
        GradingError: the driver itself failed, with its last words.
    """
    check_course_python()
    python, private = grading_python(), course / ".jupyter"
    kernel = private / "kernels" / KERNEL
    kernel.mkdir(parents=True, exist_ok=True)
    flags = ["--log-level=40", "-f", "{connection_file}"]
    arguments = [sys.executable, "-m", "ipykernel_launcher", *flags]
    variables = {
        "OMP_NUM_THREADS": "1",
        "IPYTHONDIR": str(private / "ipython"),
        "PYTHONWARNINGS": "ignore",
    }
    spec = {"argv": arguments, "display_name": "Course", "language": "python", "env": variables}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    (course / "job.json").write_text(json.dumps({**job, "course": str(course), "kernel": KERNEL}))
    own = {
        "JUPYTER_PATH": str(private),
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_NO_CONFIG": "1",
    }
    # nbgrader calls alembic by name
    own["PATH"] = os.pathsep.join([str(python.parent), os.environ.get("PATH", "")])
    command = [str(python), str(Path(__file__).with_name("driver.py")), str(course / "job.json")]
    (course / "answer.json").unlink(missing_ok=True)
    done = subprocess.run(
        command,
        cwd=course,
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0 or not (course / "answer.json").exists():
        raise GradingError(f"nbgrader failed (exit {done.returncode}):\n{done.stdout[-3000:]}")
    return json.loads((course / "answer.json").read_text())
