"""What a chapter shows of the package's source is what the package's source is.

A cell shows source by ``inspect.getsource(thing)`` or by its own ``show_source(thing, ...)``; what
it printed is stored, and grows stale when the package changes.

    python book/tools/listings.py      # 0 if every stored listing equals the source now
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[2]
SHOWN_BY = ("getsource", "show_source")


def code_cells(notebook: nbformat.NotebookNode) -> list[tuple[nbformat.NotebookNode, ast.Module]]:
    """The code cells that are plain Python, parsed."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and not cell.source.lstrip().startswith(("%", "!")):
            try:
                found.append((cell, ast.parse(cell.source)))
            except SyntaxError:
                continue
    return found


def names_of_the_package(trees: list[ast.Module]) -> dict[str, Any]:
    """What the cells import from the package, by name."""
    names: dict[str, Any] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("course_lib"):
                exec(ast.unparse(node), names)  # noqa: S102  (an import of our own)
    return names


def shown_expressions(tree: ast.Module) -> Iterator[str]:
    """The things whose source a cell shows, as Python; a loop's variable as what it runs over."""
    loops = {
        node.target.id: [ast.unparse(x) for x in node.iter.elts]
        for node in ast.walk(tree)
        if isinstance(node, ast.For)
        and isinstance(node.target, ast.Name)
        and isinstance(node.iter, ast.Tuple)
    }
    defined = {n for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or node in defined:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        if name in SHOWN_BY:
            for argument in map(ast.unparse, node.args):
                yield from loops.get(argument, [argument])


def code_of(text: str) -> list[str]:
    """The lines of a function without its docstring, blank lines and indentation."""
    lines = [line.strip() for line in text.split('"""')[0].splitlines()]
    lines += [line.strip() for part in text.split('"""')[2:] for line in part.splitlines()]
    return [line for line in lines if line]


def printed_by(cell: nbformat.NotebookNode) -> str:
    """All text that a cell printed or displayed."""
    parts = [o.get("text") or o.get("data", {}).get("text/markdown", "") for o in cell.outputs]
    return "\n".join(parts)


def stale(path: Path) -> Iterator[tuple[nbformat.NotebookNode, str, str]]:
    """(cell, thing, its source now) for each listing that is not the source any more."""
    cells = code_cells(nbformat.read(path, as_version=4))
    names = names_of_the_package([tree for _, tree in cells])
    for cell, tree in cells:
        printed = [line.strip() for line in printed_by(cell).splitlines() if line.strip()]
        for thing in shown_expressions(tree):
            source = inspect.getsource(eval(thing, names))
            wanted = code_of(source)
            # a docstring may stand between the head of a function and its body
            left = iter(printed)
            if not all(line in left for line in wanted):
                yield cell, thing, source


def main() -> int:
    """Name the stale listings; the exit code."""
    chapters = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    wrong = [f"{p.name}: {thing}" for p in chapters for _, thing, _ in stale(p)]
    for line in wrong:
        print(f"{line} is not what the chapter shows: run it (make notebooks)", file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
