"""Fixtures of the assignments' tests: the source notebook, the student version, one graded batch of submissions."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import pytest

HERE = Path(__file__).resolve().parent
ASSIGNMENTS = HERE.parents[1] / "notebooks" / "assignments"
for folder in (HERE, ASSIGNMENTS):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


@pytest.fixture(scope="session")
def source() -> nbformat.NotebookNode:
    """The source notebook, with solutions and hidden tests."""
    return nbformat.read(ASSIGNMENTS / "masking" / "masking.ipynb", as_version=4)


@pytest.fixture(scope="session")
def release_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The student version, built by nbgrader (its environment is made first where it is missing)."""
    from grader import release

    return release.build("masking", tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="session")
def release(release_path: Path) -> nbformat.NotebookNode:
    """The student version."""
    return nbformat.read(release_path, as_version=4)
