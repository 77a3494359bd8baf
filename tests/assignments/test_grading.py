"""From a folder of files to the table and the pages, through nbgrader: one batch, graded once."""

from __future__ import annotations

import copy
import csv
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from assignment_answers import BERNOULLI, FAULTS
from assignment_judge import answer, bare, graded, judge, lost, name_of, text_of

TEXT = "**My derivation**\n\nBy linearity, $E[K] = nr + (1-r)^n$."
WARNS = """
def find_candidates(input_ids, special_mask):
    import sys, warnings
    warnings.warn("indexing with a tensor")
    print("some tqdm bar", file=sys.stderr)
    return ~special_mask[input_ids]
"""
ENDLESS = "def make_labels(input_ids, chosen):\n    while True:\n        pass\n"
DEADLY = "def ensure_target(chosen, candidates, generator):\n    import os\n    os._exit(3)\n"
CHEAT = "def assert_near(*arguments):\n    pass\n\nassert_seeded = seeded = assert_near\n"


@dataclass(frozen=True)
class Batch:
    """What was handed in and what came out."""

    out: Path
    rows: dict
    notebooks: dict[str, nbformat.NotebookNode]
    text: str


def fault_sets() -> list[dict[str, str]]:
    """Planted faults, one an exercise in a set, so that a few submissions hold most of them."""
    result = []
    for k in range(3):
        by_cell = {cell: [f for f in FAULTS if f.cell == cell] for cell in BERNOULLI}
        result.append({cell: faults[k % len(faults)].source for cell, faults in by_cell.items()})
    return result


def hand_in(
    folder: Path, source: nbformat.NotebookNode, release: nbformat.NotebookNode
) -> dict[str, nbformat.NotebookNode]:
    """Write the submissions. Returns those that should be graded."""
    right = {**BERNOULLI, "derivation": TEXT}
    stripped = bare(answer(release, {**right, "ex3": fault_sets()[0]["ex3"]}))
    tampered = copy.deepcopy(release)
    for cell in tampered.cells:
        if cell.metadata["nbgrader"]["grade"] and cell.cell_type == "code":
            cell.source, cell.metadata["tags"] = "1 + 1", ["skip-execution"]
            cell.metadata["nbgrader"]["points"] = 99
    tampered.cells.insert(9, nbformat.v4.new_code_cell(CHEAT))
    notebooks = {
        "reference": source,
        "untouched": release,
        "right": answer(release, right),
        "warns": answer(release, {**right, "ex1": WARNS}),
        "stripped": stripped,
        "tampered": tampered,
        "endless": answer(release, {**right, "ex3": ENDLESS}),
        "deadly": answer(release, {**right, "ex6": DEADLY}),
    }
    for k, faults in enumerate(fault_sets()):
        notebooks[f"faulty {k}"] = answer(release, {**right, **faults})
    for who, notebook in notebooks.items():
        nbformat.write(notebook, folder / f"{who}_masking.ipynb")
    (folder / "empty.ipynb").write_text("")
    (folder / "broken.ipynb").write_text('{"cells": [')
    (folder / "deep.ipynb").write_text('{"cells":' + "[" * 99_999)
    (folder / "gone.ipynb").symlink_to("nowhere")
    (folder / "essay.pdf").write_bytes(b"%PDF")
    return notebooks


@pytest.fixture(scope="session")
def batch(
    tmp_path_factory: pytest.TempPathFactory,
    source: nbformat.NotebookNode,
    release: nbformat.NotebookNode,
) -> Batch:
    import grade

    folder = tmp_path_factory.mktemp("submissions")
    out = tmp_path_factory.mktemp("graded")
    notebooks = hand_in(folder, source, release)
    words = ["grade", str(folder), "--out", str(out), "--timeout", "10"]
    options = grade.parser().parse_args(words)
    rows = {row.who: row for row in grade.run_grade(options)}
    return Batch(out, rows, notebooks, (out / "grades.txt").read_text(encoding="utf-8"))


def failed(batch: Batch, who: str) -> set[str]:
    """The autograded cells without points."""
    return lost(batch.rows[who].grades)


def test_everybody_is_in_the_table(batch: Batch) -> None:
    assert set(batch.rows) == {*batch.notebooks, "empty", "broken", "deep", "gone", "essay.pdf"}
    with open(batch.out / "grades.csv", encoding="utf-8-sig", newline="") as file:
        lines = {line["student"]: line for line in csv.DictReader(file)}
    assert set(lines) == set(batch.rows)
    right = lines["right"]
    assert right["exercise 4"] == "5" and right["total"] == "22" and right["out of"] == "25"
    assert lines["empty"]["total"] == "" and lines["empty"]["status"] == "not graded"
    assert all(who in batch.text for who in batch.rows)


def test_reference_gets_full_marks(batch: Batch, source: nbformat.NotebookNode) -> None:
    assert failed(batch, "reference") == set()
    assert set(batch.rows["reference"].grades) == {*graded(source), "derivation"}
    assert batch.rows["reference"].total == 22 and batch.rows["reference"].open == ["derivation"]
    assert batch.rows["reference"].remarks == []


def test_untouched_gets_none(batch: Batch) -> None:
    assert batch.rows["untouched"].total == 0
    assert batch.rows["untouched"].status() == "graded"


@pytest.mark.parametrize("who", ["right", "warns"])
def test_other_correct_solutions_get_full_marks(batch: Batch, who: str) -> None:
    assert failed(batch, who) == set()


@pytest.mark.parametrize("k", range(3))
def test_faults_lose_the_right_points_and_the_judges_agree(
    batch: Batch, source: nbformat.NotebookNode, k: int
) -> None:
    faults = fault_sets()[k]
    expected = set().union(*(fault.fails for fault in FAULTS if fault.source in faults.values()))
    assert failed(batch, f"faulty {k}") == expected
    assert set(judge(answer(source, faults))) == expected
    kept = sum(points for name, points in graded(source).items() if name not in expected)
    assert batch.rows[f"faulty {k}"].total == kept


def test_dropped_metadata_is_graded_on_its_merits(batch: Batch) -> None:
    assert failed(batch, "stripped") == {"test-3"}
    assert batch.rows["stripped"].open == ["derivation"]
    assert "metadata was missing" in batch.rows["stripped"].remarks[0]


def test_tampering_does_not_help(batch: Batch) -> None:
    assert batch.rows["tampered"].total == 0
    assert any("redefines" in remark for remark in batch.rows["tampered"].remarks)
    edited = next(remark for remark in batch.rows["tampered"].remarks if "were edited" in remark)
    assert edited.count("test-") == 15


def test_endless_loop_costs_only_its_exercise(batch: Batch) -> None:
    assert {"test-3"} <= failed(batch, "endless") <= {"test-3"}
    remarks = batch.rows["endless"].remarks
    assert any("time limit" in remark and "test-3" in remark for remark in remarks)


def test_crash_is_reported_and_stops_nobody(batch: Batch) -> None:
    row = batch.rows["deadly"]
    assert row.status() == "not graded" and not row.grades
    assert "test-6a" in row.problem and "died" in row.problem


def test_bad_files_get_a_clear_line(batch: Batch) -> None:
    assert "empty" in batch.rows["empty"].problem
    assert "no valid JSON" in batch.rows["broken"].problem
    assert "nested too deeply" in batch.rows["deep"].problem
    assert "leads to no file" in batch.rows["gone"].problem
    assert "not a notebook" in batch.rows["essay.pdf"].problem


def test_feedback_shows_messages_but_no_hidden_test(
    batch: Batch, source: nbformat.NotebookNode
) -> None:
    from grader.release import secret_lines

    page = (batch.out / "feedback" / "faulty_0.html").read_text(encoding="utf-8")
    assert 'href="#test-2a">Test 2a' in page
    assert "faulty 0" in page and "would enter the loss" in page
    bodies = {name_of(cell): cell for cell in source.cells if name_of(cell).startswith("test-")}
    public = copy.deepcopy(source)
    public.cells = list(bodies.values())
    text = text_of(page)
    assert not [line for line in secret_lines(public) if line in text]
    empty = (batch.out / "feedback" / "empty.html").read_text(encoding="utf-8")
    assert "not graded" in empty.lower()
    assert len(list((batch.out / "feedback").glob("*.html"))) == len(batch.rows)


def test_manual_points_are_taken_over(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    import grade

    sheet = batch.out / "manual.csv"
    with open(sheet, encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    waiting = set(batch.notebooks) - {"untouched", "tampered", "deadly"}
    assert {line["student"] for line in lines} == waiting
    filled = batch.out / "filled.csv"
    with open(filled, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        given = {"points": "2.5", "comment": "Nicely argued."}
        for line in lines:
            writer.writerow({**line, **(given if line["student"] == "right" else {})})
    monkeypatch.setattr(
        "grade.publish", functools.partial(_publish_elsewhere, grade.publish, batch.out / "second")
    )
    options = grade.parser().parse_args(["manual", str(filled), "--out", str(batch.out)])
    rows = {row.who: row for row in grade.run_manual(options)}
    assert rows["right"].total == 24.5 and rows["right"].status() == "graded"
    assert rows["warns"].total == 22 and rows["warns"].open == ["derivation"]
    page = batch.out / "course" / "feedback" / "right" / "masking" / "masking.html"
    assert "Nicely argued." in page.read_text(encoding="utf-8")


def _publish_elsewhere(publish: Callable, folder: Path, rows: list, options) -> None:
    """Leave the batch's own table alone: other tests read it."""
    del publish, folder, options


def test_points_out_of_range_are_refused(batch: Batch, tmp_path: Path) -> None:
    from grader import state
    from grader.environment import GradingError

    sheet = tmp_path / "manual.csv"
    sheet.write_text("student,cell,points,out of,comment\nright,derivation,9,3,\n")
    with pytest.raises(GradingError, match="'9' points, out of 3"):
        state.marks(list(batch.rows.values()), sheet)
