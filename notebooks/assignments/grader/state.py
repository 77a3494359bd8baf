"""What a folder of results remembers: its assignment, the rows of its table, points by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from . import report
from .environment import GradingError
from .report import Row

FILE = "rows.json"


def save(out: Path, assignment: str, rows: list[Row]) -> None:
    """Write the rows into the folder of results."""
    content = {"assignment": assignment, "rows": [asdict(row) for row in rows]}
    (out / FILE).write_text(json.dumps(content))


def load(out: Path, assignment: str | None = None) -> tuple[str, list[Row]]:
    """The assignment that was graded into this folder, and its rows.

    Raises:
        GradingError: nothing was, or another one than `assignment`.
    """
    if not (out / FILE).exists():
        raise GradingError(
            f"{out / FILE} is missing: run `grade.py grade SUBMISSIONS` first (with the same --out)"
        )
    content = json.loads((out / FILE).read_text())
    if assignment not in (None, content["assignment"]):
        raise GradingError(
            f"{out} holds the results of {content['assignment']}, not of {assignment}"
        )
    return content["assignment"], [Row(**row) for row in content["rows"]]


def check_free(out: Path, assignment: str) -> None:
    """Raise GradingError where the folder holds another assignment's results.

    Points given by hand may be among them.
    """
    if (out / FILE).exists():
        load(out, assignment)


def graded_folder(root: Path, assignment: str | None) -> Path:
    """Where the results are: those of `assignment`, or the only ones that there are.

    Raises:
        GradingError: there are none, or several.
    """
    if assignment:
        return root / assignment
    found = sorted(path.parent for path in root.glob(f"*/{FILE}"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise GradingError(f"{root} holds no results: run `grade.py grade SUBMISSIONS` first")
    names = ", ".join(path.name for path in found)
    raise GradingError(f"{root} holds the results of {names}: say which, --assignment NAME")


def marks(rows: list[Row], sheet: Path) -> dict:
    """The filled-in lines of the sheet as {student: {cell: [points, comment]}}.

    Raises:
        GradingError: points that are no number or out of range.
    """
    result: dict[str, dict] = {}
    identities = {row.who: row.id for row in rows if not row.problem}
    for line in report.read_sheet(sheet) if sheet.exists() else []:
        if not (line.get("points") or "").strip() or line["student"] not in identities:
            continue
        try:
            points = float(line["points"].replace(",", "."))
        except ValueError:
            points = -1.0
        if not 0 <= points <= float(line["out of"]):
            raise GradingError(
                f"{sheet}: {line['student']} has {line['points']!r} points, out of {line['out of']}"
            )
        given = [points, line.get("comment") or ""]
        result.setdefault(identities[line["student"]], {})[line["cell"]] = given
    return result
