"""Read a submitted notebook of whatever version, or say why it is none.

A file may hold anything: whatever is wrong with it is one student's problem, so it is `Refused`
with the reason, and nothing else is ever raised. What the grader does not read (outputs, metadata
of other programs) is dropped or mended.
"""

from __future__ import annotations

import json
from pathlib import Path

import nbformat

MOST_BYTES = 200 * 2**20
MOST_CELLS = 2000
TYPES = ("code", "markdown", "raw")


class Refused(Exception):
    """A notebook that should not be graded before somebody has looked at it."""


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """Read a submitted notebook of whatever version.

    Raises:
        Refused: it is empty, not JSON, not a notebook, or too large.
    """
    try:
        content = _content(_text(path))
        for cell in _cells(content):
            _mend(cell)
        notebook = nbformat.reads(json.dumps(content), as_version=4)
        for number, cell in enumerate(notebook.cells, 1):
            _check(cell, number)
    except RecursionError:
        raise Refused("the file is damaged: it is nested too deeply for a notebook") from None
    except Refused:
        raise
    except Exception as error:  # noqa: BLE001  nbformat raises many kinds
        raise Refused(f"the notebook is damaged: {first_line(error)}") from None
    return notebook


def first_line(error: Exception) -> str:
    """What an error says, short enough for a table; its kind where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise Refused(
                f"the file has {size / 2**20:.0f} MiB, more than {MOST_BYTES // 2**20}: "
                "clear its outputs"
            )
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise Refused(f"the file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refused("the file is not a notebook (not UTF-8 text)") from None
    if not text.strip():
        raise Refused("the file is empty")
    return text


def _content(text: str) -> dict:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise Refused(
            f"the file is not a notebook (no valid JSON: {error.msg} in line {error.lineno})"
        ) from None
    if not isinstance(content, dict) or not ("cells" in content or "worksheets" in content):
        raise Refused("the file is JSON but not a notebook: it has no cells")
    return content


def _cells(content: dict) -> list:
    """The cells of a notebook of any version, as they are."""
    sheets = [content] if "cells" in content else content["worksheets"]
    if not isinstance(sheets, list) or not all(isinstance(sheet, dict) for sheet in sheets):
        raise Refused("the notebook is damaged: its worksheets are no list of sheets")
    lists = [sheet.get("cells") for sheet in sheets]
    if not all(isinstance(cells, list) for cells in lists):
        raise Refused("the notebook is damaged: its cells are no list")
    cells = [cell for found in lists for cell in found]
    if len(cells) > MOST_CELLS:
        raise Refused(
            f"the notebook has {len(cells)} cells, more than {MOST_CELLS}: delete those that "
            "answer nothing"
        )
    return cells


def _mend(cell: object) -> None:
    """Give a cell the parts without which nbformat does not read it."""
    if not isinstance(cell, dict):
        raise Refused("the notebook is damaged: one of its cells is not a cell")
    cell.setdefault("cell_type", "raw")
    cell.setdefault("source", "")
    if not isinstance(cell.get("metadata"), dict):
        cell["metadata"] = {}
    note = cell["metadata"].get("nbgrader", {})
    if not isinstance(note, dict) or not isinstance(note.get("grade_id", ""), str):
        del cell["metadata"]["nbgrader"]
    if cell["cell_type"] == "code":
        cell["outputs"], cell["execution_count"] = [], None
    if not isinstance(cell.get("attachments", {}), dict):
        del cell["attachments"]


def _check(cell: nbformat.NotebookNode, number: int) -> None:
    """Refuse a cell without text; replace what cannot be written as UTF-8, drop odd attachments."""
    if not isinstance(cell.get("source"), str):
        raise Refused(f"the notebook is damaged: the source of cell {number} is not text")
    cell.source = whole_characters(cell.source)
    if cell.cell_type not in TYPES:
        cell.cell_type = "raw"
    files = cell.get("attachments", {})
    fine = isinstance(files, dict) and all(
        isinstance(file, dict) and all(isinstance(data, str) for data in file.values())
        for file in files.values()
    )
    if not fine:
        del cell["attachments"]
    elif files:
        written = whole_characters(json.dumps(files, ensure_ascii=False))
        cell.attachments = nbformat.from_dict(json.loads(written))


def whole_characters(text: str) -> str:
    """The text with the halves of a character (lone surrogates) joined where both are there, and
    replaced by U+FFFD elsewhere: they cannot be written as UTF-8.

    >>> whole_characters("a \\ud83d\\ude00 b \\ud83d")
    'a 😀 b �'
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
