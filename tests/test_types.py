"""The package's annotations, read by a type checker. ``make types`` shows the same."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("basedpyright"), reason="needs basedpyright")
def test_the_package_has_no_type_error():
    """It has none, and so it stays: a line that the checker can't know is right says why."""
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--warnings"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
