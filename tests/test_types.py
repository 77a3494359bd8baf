"""The package's annotations, read by a type checker. ``make types`` shows what it finds."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("basedpyright"), reason="needs basedpyright")
def test_the_checker_finds_no_error():
    options = ["--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] >= len(list((ROOT / "course_lib").rglob("*.py")))
    assert not report["generalDiagnostics"], "make types shows them"
