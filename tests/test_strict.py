"""The shapes and types in the annotations are true while the package runs.

``make strict`` holds all tests to them; here it is a part that reaches every room.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PART = (
    "tests/batches/test_collation.py",
    "tests/encoder/test_model.py",
    "tests/evaluation/test_ngrams.py",
    "tests/finetuning/test_heads.py",
    "tests/masking/test_tokens.py",
    "tests/objectives",
    "tests/peft/test_site.py",
    "tests/training/test_loop.py",
)
CHECKED = "--jaxtyping-packages=course_lib,strict_types.check"


def checked(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A run of these tests in a process of its own, whose imports are instrumented."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", CHECKED]
        + list(arguments),
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_annotations_are_true_while_it_runs():
    done = checked("-m", "not slow and not not_strict", *PART)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


FALSE = """
import pytest
import torch

from course_lib.batches import next_token_batch
from course_lib.encoder import EncoderConfig


def test_a_shape():
    next_token_batch(torch.ones(2, 3, dtype=torch.long), segment_ids=torch.ones(3, 2).long())


def test_a_type():
    EncoderConfig.bert(vocab_size="50")


def test_a_whole_number_is_a_float():
    EncoderConfig.bert(vocab_size=50, dropout=0)
"""


@pytest.mark.slow
def test_a_false_one_is_found(tmp_path):
    (tmp_path / "test_false.py").write_text(FALSE)
    done = checked("--rootdir", str(ROOT), "-c", "pyproject.toml", str(tmp_path))
    assert "2 failed, 1 passed" in done.stdout, done.stdout[-4000:] + done.stderr[-2000:]
    # in the failures, and not in the summary, which a CI does not shorten
    errors = [line for line in done.stdout.splitlines() if line.startswith("E ")]
    assert sum("Type-check error whilst checking the param" in line for line in errors) == 2
