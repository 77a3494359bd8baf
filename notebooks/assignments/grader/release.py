"""Make an assignment's student version and make sure that nothing of the solution is left in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from .environment import ASSIGNMENTS, GradingError, drive

REGION = re.compile(r"### BEGIN (SOLUTION|HIDDEN TESTS|MARK SCHEME)\n(.*?)### END \1", re.DOTALL)
CELL_METADATA = {"nbgrader", "deletable", "editable"}
NOTEBOOK_METADATA = {"kernelspec", "language_info"}
RUN = """
import json, sys
space, stopped = {"__name__": "__main__"}, 0
for name, source in json.load(open(sys.argv[1])):
    try:
        exec(compile(source, name, "exec"), space)
    except NotImplementedError:
        stopped += 1
    except BaseException as error:
        sys.exit(f"cell {name} of the student version fails with {error!r}; "
                 "only NotImplementedError is expected")
sys.exit(None if stopped else "no cell of the student version raises NotImplementedError")
"""


def assignments() -> list[str]:
    """The names of all assignments: each is a folder NAME that holds NAME.ipynb."""
    return sorted(
        path.parent.name for path in ASSIGNMENTS.glob("*/*.ipynb") if path.stem == path.parent.name
    )


def source_path(assignment: str) -> Path:
    """The source notebook.

    Raises:
        GradingError: there is no such assignment.
    """
    if assignment not in assignments():
        raise GradingError(
            f"there is no assignment {assignment!r}; there are: {', '.join(assignments())}"
        )
    return ASSIGNMENTS / assignment / f"{assignment}.ipynb"


def build(assignment: str, course: Path) -> Path:
    """Make the student version in nbgrader's course folder `course`, check it, and return its path.

    Raises:
        GradingError: nbgrader refuses the source, something of the solution is left, or the student
            version does not run.
    """
    source = source_path(assignment)
    target = course / "source" / assignment
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    drive(course, {"assignment": assignment, "generate": True})
    release = course / "release" / assignment / f"{assignment}.ipynb"
    problems = leaks(nbformat.read(source, as_version=4), release.read_text(encoding="utf-8"))
    if problems:
        raise GradingError("The student version gives something away:\n  " + "\n  ".join(problems))
    _run(nbformat.read(release, as_version=4), course)
    return release


def secret_lines(source: nbformat.NotebookNode) -> set[str]:
    """The lines of solutions and hidden tests that are in nothing that students may see."""
    public = "\n".join(REGION.sub("", cell.source) for cell in source.cells)
    hidden = [match[2] for cell in source.cells for match in REGION.finditer(cell.source)]
    lines = {line.strip() for text in hidden for line in text.split("\n")}
    return {line for line in lines if len(line) >= 8 and line not in public}


def leaks(source: nbformat.NotebookNode, release: str) -> list[str]:
    """What the student version (as text) holds that students should not see, if anything."""
    found = [
        f"the file holds {match[0]!r}"
        for match in re.finditer(r"(BEGIN|END) (SOLUTION|HIDDEN|MARK)", release)
    ]
    content = json.loads(release)
    everything = "\n".join(_strings(content))
    found += [
        f"a line of the solution: {line}"
        for line in sorted(secret_lines(source))
        if line in everything
    ]
    found += [
        f"notebook metadata {key!r}" for key in content["metadata"] if key not in NOTEBOOK_METADATA
    ]
    for i, cell in enumerate(content["cells"], 1):
        found += [
            f"cell {i}: metadata {key!r}" for key in cell["metadata"] if key not in CELL_METADATA
        ]
        if cell.get("outputs") or cell.get("execution_count") or cell.get("attachments"):
            found.append(f"cell {i}: stored outputs or attachments")
    return found


def _strings(content: object) -> list[str]:
    """All text in nested JSON, keys too."""
    if isinstance(content, dict):
        return [text for pair in content.items() for part in pair for text in _strings(part)]
    if isinstance(content, list):
        joined = ["".join(content)] if all(isinstance(part, str) for part in content) else []
        return joined or [text for part in content for text in _strings(part)]
    return [content] if isinstance(content, str) else []


def _run(release: nbformat.NotebookNode, course: Path) -> None:
    """Run the student version, cell by cell: each cell works or raises NotImplementedError."""
    cells = [
        (c.metadata["nbgrader"]["grade_id"], c.source)
        for c in release.cells
        if c.cell_type == "code"
    ]
    path = course / "cells.json"
    path.write_text(json.dumps(cells))
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        raise GradingError(done.stderr.strip().splitlines()[-1])
