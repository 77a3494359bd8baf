"""What was given out, and which submitted cell stands for which of the released cells."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field

import nbformat

from . import source_code

HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS\n.*?### END HIDDEN TESTS\n?", re.DOTALL)


@dataclass(frozen=True)
class Given:
    """One cell of the release.

    Its name (nbgrader's grade_id), its text, and for a solution the functions it must define.
    """

    name: str
    kind: str
    source: str
    solution: bool
    functions: frozenset[str] = frozenset()


@dataclass
class Matching:
    """Which submitted cell stands for which given one, while it is worked out."""

    cells: list
    meta: list
    given: list[Given]
    owner: dict[int, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    attachments: dict[str, dict] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def locked(self) -> dict[str, Given]:
        return {cell.name: cell for cell in self.given if not cell.solution}

    @functools.cached_property
    def course_names(self) -> set[str]:
        """Functions that the given cells define: a student's cell must not replace them."""
        code = [cell.source for cell in self.locked.values() if cell.kind == "code"]
        return set().union(*map(source_code.defined, code))


def given_cells(release: nbformat.NotebookNode) -> list[Given]:
    """The cells of the release, in order; each has a grade_id."""
    result = []
    for cell in release.cells:
        note = cell.metadata["nbgrader"]
        defined = (
            frozenset(source_code.defined(cell.source))
            if note["solution"] and cell.cell_type == "code"
            else frozenset()
        )
        result.append(
            Given(note["grade_id"], cell.cell_type, cell.source, note["solution"], defined)
        )
    return result


def squeeze(text: str) -> str:
    """The text without what an editor may change (line ends, trailing blanks, outer empty lines).

    Hidden tests go too, so that the source notebook itself is recognised like any other.
    """
    text = HIDDEN.sub("", text.replace("\r", ""))
    return "\n".join(line.rstrip() for line in text.strip().split("\n"))
