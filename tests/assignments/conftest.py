"""Fixtures of the assignments' tests: those of *Masking* for the session, the others for a class.

A class has an assignment as its `case` (assignment_case.py).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

if TYPE_CHECKING:
    from assignment_batch import Batch

HERE = Path(__file__).resolve().parent
ASSIGNMENTS = HERE.parents[1] / "notebooks" / "assignments"
for folder in (HERE, HERE / "answers", HERE / "faults", ASSIGNMENTS):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
# so that a failing assertion shows its values there too
pytest.register_assert_rewrite("assignment_tests")


@pytest.fixture(scope="class")
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    """The source notebook of the class's assignment."""
    from grader.release import source_path

    return nbformat.read(source_path(request.cls.case.name), as_version=4)


@pytest.fixture(scope="class")
def tested(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same without the training run after the last test, which costs time and no points."""
    from assignment_judge import without

    return without(notebook, "together")


@pytest.fixture(scope="class")
def batch(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """Submissions to the class's assignment, graded through nbgrader."""
    from assignment_batch import graded_batch

    case = request.cls.case
    return graded_batch(case.name, tmp_path_factory.mktemp(case.name), case.submissions)


@pytest.fixture(scope="session")
def source() -> nbformat.NotebookNode:
    """The source notebook, with solutions and hidden tests."""
    return nbformat.read(ASSIGNMENTS / "masking" / "masking.ipynb", as_version=4)


@pytest.fixture(scope="session")
def release_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The student version, built by nbgrader (its environment is made first if it is missing)."""
    from grader import release

    return release.build("masking", tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="session")
def release(release_path: Path) -> nbformat.NotebookNode:
    """The student version."""
    return nbformat.read(release_path, as_version=4)
