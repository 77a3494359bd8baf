"""Assignments: make the student versions, grade a folder of submissions, prove the grader.

    python notebooks/assignments/grade.py build               the student version of each assignment
    python notebooks/assignments/grade.py check               prove the grader, see run_check
    python notebooks/assignments/grade.py grade SUBMISSIONS   table and feedback pages
    python notebooks/assignments/grade.py manual              take over the points of manual.csv

All take `--assignment NAME`. Without it build and check do all there are, grade looks at what was
handed in, and manual at what was graded. Grading runs the students' code on this machine,
unsandboxed. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

import nbformat
from grader import collecting, reading, release, report, restoring, state
from grader.environment import ROOT, GradingError, drive
from grader.report import Row

OUT = ROOT / "_build" / "assignments"
NO_PAGE = "no page with the cells could be made"
WARNING = (
    "Grading runs the students' code on this machine, "
    "with your rights and without a sandbox (see README.md)."
)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except GradingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = top.add_subparsers(required=True)
    for run, folder, which in [
        (run_build, OUT, "all"),
        (run_check, OUT / "check", "all"),
        (run_grade, OUT / "graded", "the one that the notebooks are recognised as"),
        (run_manual, OUT / "graded", "the one that was graded"),
    ]:
        name = run.__name__.removeprefix("run_")
        command = commands.add_parser(name, help=(run.__doc__ or "").split("\n")[0])
        each = "/NAME" if name != "build" else ""
        command.add_argument("--out", type=Path, help=f"default: {folder.relative_to(ROOT)}{each}")
        command.add_argument("--assignment", metavar="NAME", help=f"default: {which}")
        command.set_defaults(run=run)
        if name == "grade":
            command.add_argument(
                "submissions",
                type=Path,
                help="folder of WHO.ipynb, WHO/*.ipynb or nbgrader's submitted/",
            )
            command.add_argument("--timeout", type=int, default=20, help="seconds for a cell (20)")
            command.add_argument(
                "--limit", type=int, default=180, help="seconds for a submission (180)"
            )
            command.add_argument("--memory", type=float, default=6, help="GiB for a submission (6)")
            command.add_argument(
                "--accept-missing", action="store_true", help="no trace of an answer: not attempted"
            )
        if name == "manual":
            command.add_argument("sheet", type=Path, nargs="?", help="default: OUT/manual.csv")
    return top


def chosen(options: argparse.Namespace) -> list[str]:
    """The assignment that was asked for, or all."""
    return [options.assignment] if options.assignment else release.assignments()


def run_build(options: argparse.Namespace) -> list[Path]:
    """Make the student versions; check that they run and that nothing of the solution is left."""
    out = options.out or OUT
    return [build_one(name, out) for name in chosen(options)]


def build_one(name: str, out: Path) -> Path:
    """The student version of one assignment, in `out/release`."""
    built = release.build(name, course_folder(out))
    target = out / "release" / built.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(built, target)
    print(f"student version: {target}")
    return target


def run_grade(options: argparse.Namespace) -> list[Row]:
    """Grade a folder of submissions: grades.csv, grades.txt, feedback/, manual.csv."""
    print(WARNING, file=sys.stderr)
    if options.assignment:
        release.source_path(options.assignment)  # there is such an assignment
    options.assignment, submissions = collecting.collect(options.submissions, options.assignment)
    options.out = options.out or OUT / "graded" / options.assignment
    print(f"assignment: {options.assignment}", file=sys.stderr)
    state.check_free(options.out, options.assignment)
    course = course_folder(options.out)
    released = nbformat.read(release.build(options.assignment, course), as_version=4)
    shutil.rmtree(course / "submitted", ignore_errors=True)
    rows: list[Row] = []
    for submission in submissions:
        rows.append(prepare(submission, rows, released, course, options))
    ready = [row.id for row in rows if not row.problem]
    limits = {"timeout": options.timeout, "limit": options.limit, "memory": options.memory}
    job = {"assignment": options.assignment, "students": ready, "feedback": ready, **limits}
    fill(rows, drive(course, {**job, "manual": state.marks(rows, options.out / "manual.csv")}))
    publish(rows, options)
    return rows


def prepare(
    submission: collecting.Submission,
    rows: list[Row],
    released: nbformat.NotebookNode,
    course: Path,
    options: argparse.Namespace,
) -> Row:
    """Read and restore one submission into the course folder; the row says what happened."""
    identity = identity_of(submission.who, {row.id for row in rows})
    row = Row(submission.who, identity, problem=submission.problem)
    if submission.path is None:
        return row
    try:
        notebook = reading.read_notebook(submission.path)
        restored = restoring.restore(notebook, released, accept_missing=options.accept_missing)
        folder = course / "submitted" / row.id / options.assignment
        folder.mkdir(parents=True)
        nbformat.write(restored.notebook, folder / f"{options.assignment}.ipynb")
    except reading.Refused as refusal:
        row.problem = str(refusal)
        return row
    except Exception as error:  # noqa: BLE001  whatever it is, the others are still to be graded
        kind, said = type(error).__name__, reading.first_line(error)
        row.problem = f"the notebook could not be put into shape ({kind}: {said})"
        return row
    row.remarks += restored.remarks
    return row


def identity_of(who: str, taken: set[str]) -> str:
    """The student's name as a name of files, of at most 200 bytes, that nobody else has."""
    identity = re.sub(r"[^\w.-]+", "_", who).strip("._")
    identity = identity.encode()[:200].decode("utf-8", "ignore") or "student"
    while identity in taken:
        identity += "_"
    return identity


def fill(rows: list[Row], answer: dict) -> None:
    """Put what the driver answered into the rows."""
    for row in rows:
        row.problem = row.problem or answer["errors"].get(row.id, "")
        row.grades = answer["grades"].get(row.id, {}) if not row.problem else {}
        late = answer["slow"].get(row.id)
        if late:
            row.remarks.append(
                f"stopped after the time limit (an endless loop?): {', '.join(late)}"
            )


def run_manual(options: argparse.Namespace) -> list[Row]:
    """Take over the points filled into manual.csv: new table and pages, no student code is run."""
    options.out = options.out or state.graded_folder(OUT / "graded", options.assignment)
    options.assignment, rows = state.load(options.out, options.assignment)
    sheet = options.sheet or options.out / "manual.csv"
    if not sheet.exists():
        raise GradingError(
            f"{sheet} is missing: run `grade.py grade SUBMISSIONS` first (with the same --out)"
        )
    ready = [row.id for row in rows if not row.problem]
    job = {"assignment": options.assignment, "feedback": ready, "manual": state.marks(rows, sheet)}
    fill(rows, drive(course_folder(options.out), job))
    publish(rows, options)
    return rows


def publish(rows: list[Row], options: argparse.Namespace) -> None:
    """Write the table, the pages and the sheet; print the table."""
    pages, sheet, name = options.out / "feedback", options.out / "manual.csv", options.assignment
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(parents=True)
    for row in rows:
        made = course_folder(options.out) / "feedback" / row.id / name / f"{name}.html"
        if not row.problem and not made.exists() and NO_PAGE not in row.remarks:
            row.remarks.append(NO_PAGE)
        text = report.page(row, made if made.exists() and not row.problem else None)
        (pages / f"{row.id}.html").write_text(text, encoding="utf-8")
    report.write_csv(rows, options.out / "grades.csv")
    report.write_manual(rows, sheet)
    state.save(options.out, name, rows)
    text = report.as_text(rows)
    (options.out / "grades.txt").write_text(text + "\n", encoding="utf-8")
    print(text)
    print(f"\ntable: {options.out / 'grades.csv'}   pages: {pages}   manual points: {sheet}")


def run_check(options: argparse.Namespace) -> None:
    """Build, and prove the grader: full marks for the solution, none for the untouched version."""
    for name in chosen(options):
        check_one(name, options.out / name if options.out else OUT / "check" / name)


def check_one(name: str, out: Path) -> None:
    """Grade the source notebook and the untouched student version of one assignment.

    Raises:
        GradingError: one of them does not get the points that it should.
    """
    built = build_one(name, out)
    folder = out / "submissions"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(release.source_path(name), folder / "reference.ipynb")
    shutil.copy(built, folder / "untouched.ipynb")
    reference, untouched = run_grade(
        parser().parse_args(["grade", str(folder), "--out", str(out / "graded")])
    )
    automatic = [g for g in reference.grades.values() if not g["manual"]]
    full = all(grade["points"] == grade["max"] for grade in automatic)
    if reference.problem or not automatic or not full:
        raise GradingError(f"{name}: the reference solution does not get full marks")
    if untouched.problem or untouched.total != 0:
        raise GradingError(f"{name}: the untouched student version gets points")
    print(
        f"check passed: {name}: full marks for the reference solution, "
        "none for the untouched student version"
    )


def course_folder(out: Path) -> Path:
    """nbgrader's course folder for these results (gradebook.db serves `nbgrader formgrader`)."""
    folder = out.resolve() / "course"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
