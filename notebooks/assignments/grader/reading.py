"""Read a submitted notebook of whatever version, or say why it is none."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat


class Refused(Exception):
    """A notebook that should not be graded before somebody has looked at it."""


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """Read a submitted notebook of whatever version.

    Raises:
        Refused: it is empty, not JSON, or not a notebook.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused("the file is not a notebook (not UTF-8 text)") from None
    if not text.strip():
        raise Refused("the file is empty")
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise Refused(
            f"the file is not a notebook (no valid JSON: {error.msg} in line {error.lineno})"
        ) from None
    if not isinstance(content, dict) or not ("cells" in content or "worksheets" in content):
        raise Refused("the file is JSON but not a notebook: it has no cells")
    for cell in content.get("cells") or []:
        _mend(cell)
    try:
        notebook = nbformat.reads(json.dumps(content), as_version=4)
    except Exception as error:  # noqa: BLE001  nbformat raises many kinds
        raise Refused(f"the notebook is damaged: {str(error).splitlines()[0]}") from None
    return notebook


def _mend(cell: object) -> None:
    """Give a cell the parts without which nbformat does not read it."""
    if not isinstance(cell, dict):
        raise Refused("the notebook is damaged: one of its cells is not a cell")
    cell.setdefault("cell_type", "raw")
    cell.setdefault("source", "")
    if not isinstance(cell.get("metadata"), dict):
        cell["metadata"] = {}
    if not isinstance(cell["metadata"].get("nbgrader", {}), dict):
        del cell["metadata"]["nbgrader"]
    if cell["cell_type"] == "code":
        cell["outputs"], cell["execution_count"] = [], None
