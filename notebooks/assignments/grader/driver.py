"""Runs in the grading environment (`.venv-grading`), nowhere else: nbgrader, a job of a JSON file.

    python driver.py job.json        # writes answer.json beside it

Job: course (folder), assignment, kernel; generate (bool), students (to autograde), timeout and
limit (seconds for a cell, for a submission), memory (GiB), manual ({student: {cell: [points,
comment]}}), feedback (students). Answer: errors ({student: why}), grades ({student: {cell: {...}}})
and slow ({student: cells that timed out}).
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
import time
import warnings
from pathlib import Path

import nbformat
import psutil
from nbconvert.preprocessors import ClearMetadataPreprocessor, CSSHTMLHeaderPreprocessor
from nbgrader import preprocessors as steps
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps.api import NbGraderAPI
from traitlets.config import Config

ANSI = re.compile(r"\x1b\[[0-9;]*m")
LATE = "CellTimeoutError"  # what nbgrader writes into the output of a cell that took too long
running: dict[str, str] = {}


class RecordingExecute(steps.Execute):
    """nbgrader's Execute, which remembers the cell it is at, for the message when a kernel dies."""

    def preprocess_cell(self, cell, resources, index):
        running["cell"] = cell.metadata.get("nbgrader", {}).get("grade_id") or f"cell {index + 1}"
        cell, resources = super().preprocess_cell(cell, resources, index)
        if LATE in str(cell.get("outputs", "")):
            running.setdefault("late", running["cell"])
        return cell, resources


class HideTests(steps.NbGraderPreprocessor):
    """Feedback shows what a hidden test found, but not the hidden test."""

    def preprocess_cell(self, cell, resources, index):
        if "BEGIN HIDDEN TESTS" in cell.source:
            steps.ClearHiddenTests()._remove_hidden_test_region(cell)
            own = f"Cell In[{cell.execution_count}]"
            for output in cell.outputs:
                if output.output_type == "error":
                    frames = [frame for frame in output.traceback if own not in ANSI.sub("", frame)]
                    output.traceback = frames or [f"{output.ename}: {output.evalue}"]
        return cell, resources


class Watch(threading.Thread):
    """Kills the kernel of a submission that takes too long altogether, or too much memory."""

    def __init__(self, limit: float, gibibytes: float) -> None:
        super().__init__(daemon=True)
        self.end, self.bytes, self.reason, self.done = (
            time.monotonic() + limit,
            gibibytes * 2**30,
            "",
            threading.Event(),
        )
        self.limit, self.gibibytes = limit, gibibytes
        self.start()

    def run(self) -> None:
        while not self.done.wait(0.5):
            children = psutil.Process().children(recursive=True)
            if time.monotonic() > self.end:
                self.reason = f"it took longer than {self.limit:.0f} seconds altogether"
            elif sum(_memory(child) for child in children) > self.bytes:
                self.reason = f"it needed more than {self.gibibytes:g} GiB of memory"
            if self.reason:
                for child in children:
                    child.kill()
                return


def _memory(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def configuration(job: dict) -> Config:
    config = Config()
    config.CourseDirectory.root = job["course"]
    config.Exchange.root = str(Path(job["course"]) / "exchange")
    config.Execute.kernel_name = job["kernel"]
    config.Execute.timeout = job.get("timeout", 20)
    # seconds for the end of a cell's output: nbclient's 4 fail a right cell on a busy machine
    config.Execute.iopub_timeout = 60
    config.Autograde.autograde_preprocessors = [
        RecordingExecute,
        steps.IgnorePattern,
        ClearMetadataPreprocessor,
        steps.LimitOutput,
        steps.SaveAutoGrades,
        steps.AssignLatePenalties,
        steps.CheckCellMetadata,
    ]
    config.GenerateFeedback.preprocessors = [HideTests, steps.GetGrades, CSSHTMLHeaderPreprocessor]
    config.IgnorePattern.enabled = True
    config.IgnorePattern.pattern = (
        r"[\s\S]"  # nbgrader gives 0 for a warning on stderr: drop stderr before it looks
    )
    config.NbGraderAPI.log_level = "ERROR"
    return config


def autograde(api: NbGraderAPI, job: dict, student: str) -> str:
    """Autograde one submission. Returns why it failed, or an empty string."""
    running.clear()
    watch = Watch(job.get("limit", 180), job.get("memory", 6))
    try:
        result = api.autograde(job["assignment"], student)
    except Exception as error:  # noqa: BLE001  whatever it is, the others are still to be graded
        result = {"success": False, "error": repr(error)}
    watch.done.set()
    if result["success"]:
        return ""
    (Path(job["course"]) / f"error-{student}.log").write_text(
        f"{result.get('log')}\n{result.get('error')}", encoding="utf-8", errors="replace"
    )
    why = watch.reason or last_line(result)
    return f"running it failed at {running.get('late') or running.get('cell', 'the start')}: {why}"


def last_line(result: dict) -> str:
    text = f"{result.get('log') or ''}\n{result.get('error') or ''}"
    if "DeadKernelError" in text:
        return "the Python process died (os._exit, or out of memory?)"
    causes = [line for line in text.splitlines() if re.match(r"\s*[\w.]*(Error|Exception)\b", line)]
    return causes[0].strip() if causes else (text.strip().splitlines() or ["no reason given"])[-1]


def timed_out(course: Path, assignment: str, student: str) -> list[str]:
    path = course / "autograded" / student / assignment / f"{assignment}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    late = [cell for cell in notebook.cells if LATE in str(cell.get("outputs", ""))]
    return [
        cell.metadata.get("nbgrader", {}).get("grade_id", "a cell of the student's own")
        for cell in late
    ]


def grades(book: Gradebook, assignment: str, student: str) -> dict:
    notebook = book.find_submission_notebook(assignment, assignment, student)
    return {
        grade.cell.name: {
            "points": grade.score if grade.score is not None else 0.0,
            "max": grade.max_score,
            "manual": bool(grade.needs_manual_grade),
        }
        for grade in notebook.grades
    }


def record(book: Gradebook, assignment: str, student: str, marks: dict) -> None:
    for cell, (points, comment) in marks.items():
        grade = book.find_grade(cell, assignment, assignment, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        book.find_comment(cell, assignment, assignment, student).manual_comment = comment or None
    book.db.commit()


def feedback(api: NbGraderAPI, assignment: str, student: str) -> dict:
    """Make the student's page, as far as it can be made; the points."""
    with contextlib.suppress(Exception):
        api.generate_feedback(assignment, student)
    with Gradebook(api.coursedir.db_url) as book:
        return grades(book, assignment, student)


def main(path: str) -> None:
    warnings.simplefilter("ignore")  # SQLAlchemy has much to say about nbgrader
    job = json.loads(Path(path).read_text())
    course, name = Path(job["course"]), job["assignment"]
    answer: dict = {"errors": {}, "grades": {}, "slow": {}}
    api = NbGraderAPI(config=configuration(job))
    if job.get("generate"):
        result = api.generate_assignment(name)
        if not result["success"]:
            sys.exit(f"{result.get('log')}\n{result.get('error')}")
    for student in job.get("students", []):
        print(f"  {student} ...", file=sys.stderr, flush=True)
        try:
            error = autograde(api, job, student)
            late = [] if error else timed_out(course, name, student)
        except Exception as failed:  # noqa: BLE001  whatever it is, the others are to be graded
            error = f"grading it failed: {failed!r:.200}"
        if error:
            answer["errors"][student] = error
        else:
            answer["slow"][student] = late
    with Gradebook(api.coursedir.db_url) as book:
        for student, marks in job.get("manual", {}).items():
            try:
                record(book, name, student, marks)
            except MissingEntry:
                answer["errors"][student] = "there is no graded submission to put manual points on"
    for student in job.get("feedback", []):
        if student not in answer["errors"]:
            try:
                answer["grades"][student] = feedback(api, name, student)
            except Exception as failed:  # noqa: BLE001  as above
                answer["errors"][student] = f"its points could not be read: {failed!r:.200}"
    (course / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1])
