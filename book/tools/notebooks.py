"""Run and check the chapters' notebooks.

    python book/tools/notebooks.py check [NOTEBOOK ...]   # 0 if all are in order
    python book/tools/notebooks.py run [NOTEBOOK ...]     # execute in place, with all widget state

The first is what pre-commit and the tests use.

A notebook in order was run from top to bottom without an error that is not meant, holds its outputs
and the state of its widgets, stays below the size limit, and opens with the canonical set-up cell.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
SETUP = ROOT / "notebooks" / "_setup_cell.py"
# six pictures and two widgets a chapter, and a page that opens at once on a phone
MAX_BYTES = 400_000
CELL_SECONDS = 300
STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"


def chapters() -> list[Path]:
    """All chapters, in order."""
    return sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


def problems(path: Path, setup: str | None = None) -> Iterator[str]:
    """What is wrong with the notebook at ``path``, one sentence each, with its remedy."""
    setup = SETUP.read_text(encoding="utf-8") if setup is None else setup
    size = path.stat().st_size
    if size > MAX_BYTES:
        yield (
            f"is {size:,} bytes long, at most {MAX_BYTES:,} are allowed: "
            "fewer or simpler figures and frames"
        )
    notebook = nbformat.read(path, as_version=4)
    kernel = notebook.metadata.get("kernelspec", {}).get("name")
    if kernel != "python3":
        yield f"has kernel {kernel!r}: it must be 'python3', which every installation has"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not code or code[0].source.strip() != setup.strip():
        yield (
            "does not open with the set-up cell of notebooks/_setup_cell.py: copy it word for word"
        )
    yield from execution_problems(code)
    yield from widget_problems(notebook, code)


def execution_problems(code: list[nbformat.NotebookNode]) -> Iterator[str]:
    """Cells that were not run, run out of order, or ended in an error that no tag announces."""
    counts = [cell.execution_count for cell in code if cell.source.strip()]
    if not any(cell.outputs for cell in code):
        yield "holds no outputs: run it (make notebooks)"
    elif counts != list(range(1, len(counts) + 1)):
        yield (
            f"was not run once from top to bottom, its cells are numbered {counts}: "
            "run it (make notebooks)"
        )
    for number, cell in enumerate(code, start=1):
        tags = cell.metadata.get("tags", [])
        for output in cell.outputs:
            if output.output_type == "error" and "raises-exception" not in tags:
                yield (
                    f"code cell {number} ends in {output.ename}: "
                    "mend it, or tag the cell raises-exception"
                )


def widget_problems(
    notebook: nbformat.NotebookNode, code: list[nbformat.NotebookNode]
) -> Iterator[str]:
    """Widgets on display whose state, or the state of a widget inside of them, is not stored."""
    stored = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    shown = {
        o.data[VIEW]["model_id"] for cell in code for o in cell.outputs if VIEW in o.get("data", {})
    }
    inside = {
        word.removeprefix("IPY_MODEL_")
        for model in stored.values()
        for word in strings(model.get("state", {}))
        if word.startswith("IPY_MODEL_")
    }
    missing = (shown | inside) - set(stored)
    if missing:
        yield (
            f"lacks the state of {len(missing)} widgets, so they would vanish from the book: "
            "run it (make notebooks)"
        )


def strings(value: object) -> Iterator[str]:
    """All strings inside of nested lists and dictionaries."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def run(path: Path) -> float:
    """Execute the notebook at ``path`` in place from top to bottom; the seconds it took."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)
    start = time.perf_counter()
    where = {"metadata": {"path": path.parent}}
    client = NotebookClient(notebook, timeout=CELL_SECONDS, kernel_name="python3", resources=where)
    client.extra_arguments = ["--log-level=40"]
    client.execute()
    seconds = time.perf_counter() - start
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # time stamps would change with every run
    nbformat.write(notebook, path)
    return seconds


def main() -> int:
    """The command line; its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("check", "run"))
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all chapters")
    arguments = parser.parse_args()
    found = 0
    for path in arguments.notebooks or chapters():
        if arguments.action == "run":
            print(f"{path.name}: {run(path):.0f} s")
        for problem in problems(path):
            print(f"{path.name} {problem}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
