"""The table of results.

CSV for the office, text for the eye, pages for the students, a sheet for manual points.
"""

from __future__ import annotations

import csv
import html
import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Row:
    """One student's line."""

    who: str
    id: str
    grades: dict[str, dict] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def total(self) -> float:
        return sum(grade["points"] for grade in self.grades.values())

    @property
    def open(self) -> list[str]:
        """Answers that wait for a human."""
        return [name for name, grade in self.grades.items() if grade["manual"]]

    def exercises(self) -> dict[str, tuple[float, float]]:
        """Points and maximum for each exercise: `test-2a` and `test-2b` count for exercise 2."""
        result: dict[str, tuple[float, float]] = {}
        for name, grade in self.grades.items():
            key = exercise_of(name)
            points, most = result.get(key, (0.0, 0.0))
            result[key] = points + grade["points"], most + grade["max"]
        return result

    def status(self) -> str:
        """One of `not graded`, `needs manual grading`, `graded`."""
        if self.problem:
            return "not graded"
        return f"needs manual grading ({', '.join(self.open)})" if self.open else "graded"


def exercise_of(cell: str) -> str:
    """The exercise that a graded cell counts for.

    >>> exercise_of("test-2a"), exercise_of("derivation")
    ('2', 'derivation')
    """
    match = re.match(r"test-(\d+)", cell)
    return match[1] if match else cell


def columns(rows: list[Row]) -> dict[str, float]:
    """The exercises and their maxima."""
    graded = [row for row in rows if row.grades]
    return {key: most for key, (_, most) in graded[0].exercises().items()} if graded else {}


def write_csv(rows: list[Row], path: Path) -> None:
    """student, a column for each exercise, total, out of, status, remarks; empty if not graded."""
    heads = columns(rows)
    with open(path, "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        names = [f"exercise {key}" if key.isdigit() else key for key in heads]
        writer.writerow(["student", *names, "total", "out of", "status", "remarks"])
        for row in rows:
            points = [f"{row.exercises()[key][0]:g}" if row.grades else "" for key in heads]
            total = [f"{row.total:g}" if row.grades else "", f"{sum(heads.values()):g}"]
            remarks = "; ".join([row.problem] * bool(row.problem) + row.remarks)
            writer.writerow([row.who, *points, *total, row.status(), remarks])


def as_text(rows: list[Row]) -> str:
    """The same table to read, remarks below each line."""
    heads = columns(rows)
    width = max([len("student"), *(len(row.who) for row in rows)])
    sizes = {key: max(len(key), 4) for key in heads}
    line = [f"{'student':{width}}", *(f"{key:>{sizes[key]}}" for key in heads), "total  status"]
    most = [
        f"{'(out of)':{width}}",
        *(f"{heads[key]:>{sizes[key]}g}" for key in heads),
        f"{sum(heads.values()):>5g}",
    ]
    lines = ["  ".join(line), "  ".join(most)]
    for row in rows:
        points = [
            f"{row.exercises()[key][0]:>{sizes[key]}g}"
            if row.grades
            else " " * (sizes[key] - 1) + "-"
            for key in heads
        ]
        total = f"{row.total:>5g}" if row.grades else "    -"
        lines.append("  ".join([f"{row.who:{width}}", *points, total, row.status()]))
        lines += [
            f"{'':{width}}    {text}" for text in [row.problem] * bool(row.problem) + row.remarks
        ]
    return "\n".join(lines)


def write_manual(rows: list[Row], path: Path) -> None:
    """A sheet with a line for each answer that waits for points; what is filled in stays."""
    lines = read_sheet(path) if path.exists() else []
    filled = {(line["student"], line["cell"]): line for line in lines}
    with open(path, "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["student", "cell", "points", "out of", "comment"])
        for row in rows:
            for cell, grade in row.grades.items():
                old = filled.get((row.who, cell))
                if grade["manual"] or old:
                    old = old or {"points": "", "comment": ""}
                    writer.writerow(
                        [row.who, cell, old["points"], f"{grade['max']:g}", old["comment"]]
                    )


def read_sheet(path: Path) -> list[dict[str, str]]:
    """The lines of a sheet of manual points."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def page(row: Row, feedback: Path | None) -> str:
    """The student's page: nbgrader's feedback under points and remarks, or why there is none."""
    notes = "".join(f"<li>{html.escape(text)}</li>" for text in row.remarks)
    status = (
        f"Not graded: {row.problem}" if row.problem else f"{row.total:g} points; {row.status()}"
    )
    head = f"<h2>{html.escape(row.who)}</h2><p>{html.escape(status)}</p><ul>{notes}</ul>"
    if feedback is None:
        title = html.escape(row.who)
        return (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
            f"<title>{title}</title></head><body>{head}</body></html>"
        )
    text = feedback.read_text(encoding="utf-8")
    text = re.sub(r'(href="#test-(\w+)">)Test cell', r"\1Test \2", text)
    wrap = (
        ".output_error pre { white-space: pre-wrap; word-break: normal; overflow-wrap: anywhere }"
    )
    style = f"<style>#notebook td, #notebook th {{ padding: 2px 8px }} {wrap}</style>"
    return re.sub(
        r"(<body[^>]*>)",
        lambda match: f'{match[1]}{style}<div class="container">{head}</div>',
        text,
        count=1,
    )
