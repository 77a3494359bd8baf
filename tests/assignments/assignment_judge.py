"""A fast judge for any assignment: the test cells that nbgrader runs, in this process.

test_grading.py shows that the two agree. An assignment draws its test data by a function
`seeded(seed)` of its own; whatever that returns, the judge can shift its seeds.
"""

from __future__ import annotations

import contextlib
import copy
import html
import io
import re
from collections.abc import Callable
from dataclasses import dataclass

import nbformat


@dataclass(frozen=True)
class Fault:
    """A wrong answer, exactly the tests it must fail, part of a message naming it ("" for any)."""

    name: str
    cell: str
    fails: frozenset[str]
    source: str
    says: str = ""


def read_faults(text: str, signatures: dict[str, str]) -> list[Fault]:
    """Planted faults from a text.

        # fault: NAME | EXERCISE | LETTERS OF THE TESTS THAT FAIL | PART OF THE MESSAGE

    Each is such a line, and below it the body of the function whose first line `signatures` has for
    the cell `ex` + EXERCISE. No letters: the exercise has one test.

    >>> text = "# fault: upside down | 8 | | roots\\nreturn 1 / x\\n"
    >>> fault, = read_faults(text, {"ex8": "def f(x):"})
    >>> fault.cell, sorted(fault.fails), fault.says
    ('ex8', ['test-8'], 'roots')
    >>> print(fault.source, end="")
    def f(x):
        return 1 / x
    """
    result = []
    for part in text.split("# fault: ")[1:]:
        head, body = part.split("\n", 1)
        name, exercise, letters, says = (word.strip() for word in head.split("|"))
        fails = frozenset(f"test-{exercise}{letter}" for letter in letters.split() or [""])
        lines = "\n".join(f"    {line}" if line else "" for line in body.rstrip().split("\n"))
        cell = f"ex{exercise}"
        result.append(Fault(name, cell, fails, f"{signatures[cell]}\n{lines}\n", says))
    return result


def with_bodies(signatures: dict[str, str], bodies: dict[str, str]) -> dict[str, str]:
    """An answer for each of the functions whose first lines these are, from bodies of one line.

    >>> with_bodies({"ex1": "def f(x):"}, {"ex1": "return x"})
    {'ex1': 'def f(x):\\n    return x'}
    """
    return {cell: f"{first}\n    {bodies[cell]}" for cell, first in signatures.items()}


def left_empty(signatures: dict[str, str], *cells: str) -> dict[str, str]:
    """The functions of these exercises as they are given out."""
    return {cell: f"{signatures[cell]}\n    raise NotImplementedError()" for cell in cells}


def name_of(cell: nbformat.NotebookNode) -> str:
    """The cell's nbgrader name."""
    return cell.metadata["nbgrader"]["grade_id"]


def graded(source: nbformat.NotebookNode) -> dict[str, float]:
    """Points of each autograded cell."""
    notes = [cell.metadata["nbgrader"] for cell in source.cells if cell.cell_type == "code"]
    return {note["grade_id"]: note["points"] for note in notes if note["grade"]}


def answer(notebook: nbformat.NotebookNode, answers: dict[str, str]) -> nbformat.NotebookNode:
    """A copy of the notebook with these answers in the cells of these names."""
    result = copy.deepcopy(notebook)
    known = {name_of(cell): cell for cell in result.cells}
    for name, text in answers.items():
        known[name].source = text
    return result


def stubs(release: nbformat.NotebookNode) -> dict[str, str]:
    """The answer cells of the student version as given out: each raises NotImplementedError."""
    cells = {name_of(cell): cell for cell in release.cells if cell.metadata["nbgrader"]["solution"]}
    return {name: cell.source for name, cell in cells.items() if cell.cell_type == "code"}


def without(notebook: nbformat.NotebookNode, *names: str) -> nbformat.NotebookNode:
    """A copy without these cells, for instance without a long one after the last test."""
    result = copy.deepcopy(notebook)
    result.cells = [cell for cell in result.cells if name_of(cell) not in names]
    return result


def bare(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy as a careless editor leaves it: without metadata, with other ids."""
    result = copy.deepcopy(notebook)
    for i, cell in enumerate(result.cells):
        cell.metadata, cell["id"] = nbformat.NotebookNode(), f"x{i}"
    return result


def run(notebook: nbformat.NotebookNode, *names: str) -> dict:
    """What the notebook's code cells define, or those of these names only.

    The first error stops it.
    """
    space: dict = {"__name__": "__main__"}
    for cell in notebook.cells:
        if cell.cell_type == "code" and (not names or name_of(cell) in names):
            exec(compile(cell.source, name_of(cell), "exec"), space)  # noqa: S102
    return space


def judge(notebook: nbformat.NotebookNode, *, exercise: str = "", shift: int = 0) -> dict[str, str]:
    """Run the notebook's cells; returns the graded cells that failed, with the message.

    Args:
        notebook: the source notebook, with whatever answers.
        exercise: run the tests of this exercise only ("4").
        shift: added (times 10 000) to every seed of the tests, to see that passing is no luck.
    """
    space: dict = {"__name__": "__main__"}
    failed: dict[str, str] = {}
    shifted = False
    for cell in notebook.cells:
        name = name_of(cell)
        other = name.startswith("test-") and not name[5:].startswith(exercise)
        if cell.cell_type != "code" or other:
            continue
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(cell.source, name, "exec"), space)  # noqa: S102
        except Exception as error:  # noqa: BLE001
            if cell.metadata["nbgrader"]["grade"]:
                failed[name] = f"{type(error).__name__}: {error}"
        if shift and not shifted and "seeded" in space:
            space["seeded"], shifted = _shifted(space["seeded"], 10_000 * shift), True
    assert shifted or not shift, "the notebook has no function `seeded`: no seed can be shifted"
    return failed


def _shifted(seeded: Callable, by: int) -> Callable:
    """The notebook's source of chance, at other seeds."""
    return lambda seed: seeded(seed + by)


def lost(grades: dict[str, dict]) -> set[str]:
    """The autograded cells without points in a row of the table; there are no partial points."""
    automatic = {name: grade for name, grade in grades.items() if name.startswith("test-")}
    assert all(grade["points"] in (0, grade["max"]) for grade in automatic.values())
    return {name for name, grade in automatic.items() if grade["points"] == 0}


def text_of(page: str) -> str:
    """What can be read on an HTML page."""
    return html.unescape(re.sub(r"<[^>]+>", "", page))


def hidden_test_lines(source: nbformat.NotebookNode, release: nbformat.NotebookNode) -> list[str]:
    """The lines of hidden tests that must be in neither the student version nor a feedback page."""
    from grader.release import secret_lines

    tests = copy.deepcopy(source)
    tests.cells = [cell for cell in tests.cells if name_of(cell).startswith("test-")]
    public = "\n".join(cell.source for cell in release.cells)
    return [line for line in secret_lines(tests) if line not in public]
