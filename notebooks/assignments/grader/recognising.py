"""Which assignment a submitted notebook belongs to: by what is in it, not by its file's name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import nbformat

from . import source_code
from .given import given_cells, squeeze
from .reading import Refused, read_notebook
from .release import assignments, source_path


class Recogniser:
    """Knows every assignment's functions and given texts.

    Args:
        names: the assignments to tell apart; all that there are by default.
    """

    def __init__(self, names: Iterable[str] | None = None) -> None:
        self.names = tuple(names or assignments())
        self._functions: dict[str, set[str]] = {}
        self._texts: dict[str, set[str]] = {}
        for name in self.names:
            cells = given_cells(nbformat.read(source_path(name), as_version=4))
            self._functions[name] = set().union(*(cell.functions for cell in cells))
            self._texts[name] = {squeeze(cell.source) for cell in cells if not cell.solution}

    def name(self, notebook: nbformat.NotebookNode) -> str | None:
        """The assignment with most of its functions and given cells in the notebook.

        None where hardly any are there.
        """
        defined = set().union(*(source_code.defined(cell.source) for cell in notebook.cells))
        texts = {squeeze(cell.source) for cell in notebook.cells}
        functions = {name: len(defined & self._functions[name]) for name in self.names}
        known = {name: functions[name] + len(texts & self._texts[name]) for name in self.names}
        best = max(self.names, key=lambda name: known[name])
        sure = functions[best] > 0 or known[best] >= 3
        return best if sure and list(known.values()).count(known[best]) == 1 else None

    def name_of_file(self, path: Path) -> str | None:
        """The same for a file; None for one that is not a readable notebook."""
        try:
            return self.name(read_notebook(path))
        except Refused:
            return None
