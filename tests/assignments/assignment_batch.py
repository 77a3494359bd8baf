"""A folder of submissions graded through nbgrader: made once, looked at by many tests.

A kernel for each submission and a build of the student version cost seconds each. So an assignment
has one batch of few submissions here, and its many planted faults go through the fast judge of
assignment_judge.py.
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
from assignment_judge import hidden_test_lines, text_of
from grader import release as releasing

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
        modules = {
            alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names
        }
        modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        return {name.split(".")[0] for name in modules}


def graded_batch(
    name: str,
    folder: Path,
    submissions: Callable[[nbformat.NotebookNode, nbformat.NotebookNode], Notebooks],
) -> Batch:
    """Build the student version once, and grade what `submissions(source, release)` hands in.

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
    # nothing here runs for ever, but the machine may be busy
    words += ["--timeout", "300", "--limit", "900"]
    with mock.patch.object(releasing, "build", return_value=built):  # it was built a moment ago
        rows = grade.run_grade(grade.parser().parse_args(words))
    return Batch(out, source, release, {row.who: row for row in rows})
