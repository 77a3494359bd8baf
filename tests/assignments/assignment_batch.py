"""A folder of submissions graded through nbgrader, from files to table and feedback pages: made once, looked at by many tests.

A kernel for each submission and a build of the student version cost seconds each. So an assignment has one batch of few
submissions here, and its many planted faults go through the fast judge of assignment_judge.py.
"""

from __future__ import annotations

import ast
import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import grade
import nbformat
from assignment_judge import graded, hidden_test_lines, name_of, text_of
from grader import release as releasing
from grader.restoring import HIDDEN

Notebooks = dict[str, nbformat.NotebookNode]


@dataclass(frozen=True)
class Batch:
    """What was handed in and what came out."""

    out: Path
    source: nbformat.NotebookNode
    release: nbformat.NotebookNode
    rows: dict

    def table(self) -> dict[str, dict[str, str]]:
        """The lines of grades.csv, by student."""
        with open(self.out / "grades.csv", encoding="utf-8-sig", newline="") as file:
            return {line["student"]: line for line in csv.DictReader(file)}

    def page(self, who: str) -> str:
        """What can be read on a student's feedback page."""
        return text_of((self.out / "feedback" / f"{who}.html").read_text(encoding="utf-8"))

    def secrets(self, answers: dict[str, str] | None = None) -> list[str]:
        """Lines of the hidden tests, without those that stand in the student's own answers."""
        own = "\n".join((answers or {}).values())
        return [line for line in hidden_test_lines(self.source, self.release) if line not in own]

    def imported(self) -> set[str]:
        """The modules that the student version imports."""
        code = "\n".join(cell.source for cell in self.release.cells if cell.cell_type == "code")
        nodes = list(ast.walk(ast.parse(code)))
        modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        return {name.split(".")[0] for name in modules}


def graded_batch(
    name: str, folder: Path, submissions: Callable[[nbformat.NotebookNode, nbformat.NotebookNode], Notebooks]
) -> Batch:
    """Build the student version of an assignment once, and grade what `submissions(source, release)` hands in.

    Args:
        name: the assignment.
        folder: an empty one.
        submissions: from the source notebook and the student version to {student: notebook}.
    """
    source = nbformat.read(releasing.source_path(name), as_version=4)
    out, handed_in = folder / "out", folder / "in"
    handed_in.mkdir()
    built = releasing.build(name, grade.course_folder(out))
    release = nbformat.read(built, as_version=4)
    for who, notebook in submissions(source, release).items():
        nbformat.write(notebook, handed_in / f"{who}.ipynb")
    words = ["grade", str(handed_in), "--assignment", name, "--out", str(out)]
    words += ["--timeout", "300", "--limit", "900"]  # nothing here runs for ever, but the machine may be busy
    with mock.patch.object(releasing, "build", return_value=built):  # it was built a moment ago
        rows = grade.run_grade(grade.parser().parse_args(words))
    return Batch(out, source, release, {row.who: row for row in rows})


def assert_points_add_up(
    source: nbformat.NotebookNode, *, exercises: int, total: int, automatic: int
) -> None:
    """The points of the cells are those that the texts speak of: the table, the exercises' titles, the tests' first lines."""
    points = {name_of(c): c.metadata["nbgrader"].get("points", 0) for c in source.cells}
    texts = {name_of(cell): cell.source for cell in source.cells}
    assert sum(points.values()) == total and sum(graded(source).values()) == automatic
    for exercise in range(1, exercises + 1):
        worth = sum(value for name, value in points.items() if name.startswith(f"test-{exercise}"))
        row = next(line for line in texts["title"].splitlines() if line.startswith(f"| {exercise} |"))
        assert row.rstrip(" |").endswith(f" {worth}"), row
        head = texts[f"ex{exercise}-about"].splitlines()[0]
        assert f"({worth} points)" in head or f"{worth} for the code" in head, head
    last = texts[f"ex{exercises}-about"]
    assert f"({points['derivation']} points for the derivation" in last
    for name, worth in points.items():
        if name.startswith("test-"):
            assert texts[name].startswith(f"# Test {name[5:]} ({worth} point"), name


def assert_source_is_clean(source: nbformat.NotebookNode) -> None:
    """No outputs, nothing in the metadata but nbgrader's; every test has a part that students see and a hidden one."""
    for cell in source.cells:
        assert set(cell.metadata) == {"nbgrader"}
        assert not cell.get("outputs") and not cell.get("execution_count")
    for cell in (cell for cell in source.cells if name_of(cell).startswith("test-")):
        assert "BEGIN HIDDEN TESTS" in cell.source, name_of(cell)
        assert "assert" in HIDDEN.sub("", cell.source), name_of(cell)
