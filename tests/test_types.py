"""The package's annotations, read by a type checker. ``make types`` shows what it finds."""

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = json.loads((ROOT / "tests" / "types.json").read_text("utf-8"))
CHECKED = ("whole_files", "batch", "hardware", "measuring", "viz", "objectives")


def errors_by_folder() -> Counter[str]:
    """How many errors the checker finds below each folder, or in each file of the ground."""
    options = ["--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    files = [Path(x["file"]).relative_to(ROOT / "course_lib") for x in found]
    return Counter(file.parts[0].removesuffix(".py") for file in files)


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("basedpyright"), reason="needs basedpyright")
def test_no_folder_has_more_type_errors_than_it_had():
    """A ratchet: the numbers in ``types.json`` may only fall, and are lowered when they do."""
    found = dict(sorted(errors_by_folder().items()))
    more = {name: n for name, n in found.items() if n > ALLOWED.get(name, 0)}
    assert not more, f"more errors than in tests/types.json: {more}; make types shows them"
    fewer = {name: found.get(name, 0) for name, n in ALLOWED.items() if found.get(name, 0) < n}
    assert not fewer, f"fewer errors than in tests/types.json: lower it to {fewer}"


def test_what_is_without_an_error_stays_so():
    assert not set(CHECKED) & set(ALLOWED)
