"""The assignment *Optimisers* from a folder of files to table and feedback pages, through nbgrader: one batch, graded once."""

from __future__ import annotations

import nbformat
import pytest
from assignment_batch import Batch, graded_batch
from assignment_judge import answer, bare, graded, judge, lost, stubs
from optimisers_answers import BUFFERS, HISTORY
from optimisers_faults import OPTIMISER_FAULTS

PROOF = "**My derivation**\n\nUnrolled, the weights add up to a geometric sum."


def one_fault_of_each(k: int) -> dict:
    """The k-th fault of each exercise, by cell."""
    by_cell = {cell: [fault for fault in OPTIMISER_FAULTS if fault.cell == cell] for cell in BUFFERS}
    return {cell: faults[k % len(faults)] for cell, faults in by_cell.items()}


def faulty_answers(k: int) -> dict[str, str]:
    return {**{cell: fault.source for cell, fault in one_fault_of_each(k).items()}, "ex2": BUFFERS["ex2"]}


def submissions(source: nbformat.NotebookNode, release: nbformat.NotebookNode) -> dict:
    return {
        "reference": source,
        "untouched": release,
        "history": bare(answer(release, {**HISTORY, "derivation": PROOF})),
        "faulty": answer(release, faulty_answers(1)),
    }


@pytest.fixture(scope="module")
def optimisers_batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    return graded_batch("optimisers", tmp_path_factory.mktemp("optimisers"), submissions)


def test_reference_and_untouched_optimisers(optimisers_batch: Batch) -> None:
    rows = optimisers_batch.rows
    assert lost(rows["reference"].grades) == set() and rows["reference"].total == 27
    assert rows["reference"].open == ["derivation"] and rows["reference"].remarks == []
    assert rows["untouched"].total == 0 and rows["untouched"].status() == "graded"
    assert set(rows["reference"].grades) == {*graded(optimisers_batch.source), "derivation"}


def test_other_correct_optimisers_get_full_marks_without_metadata(optimisers_batch: Batch) -> None:
    row = optimisers_batch.rows["history"]
    assert lost(row.grades) == set() and row.total == 27 and row.open == ["derivation"]
    assert "metadata was missing" in row.remarks[0]


def test_faulty_optimisers_lose_the_right_points_and_the_judges_agree(
    optimisers_batch: Batch,
) -> None:
    faults = [fault for cell, fault in one_fault_of_each(1).items() if cell != "ex2"]
    expected = set().union(*(fault.fails for fault in faults))
    assert lost(optimisers_batch.rows["faulty"].grades) == expected
    assert set(judge(answer(optimisers_batch.source, faulty_answers(1)))) == expected
    kept = sum(points for name, points in graded(optimisers_batch.source).items() if name not in expected)
    assert 0 < optimisers_batch.rows["faulty"].total == kept


def test_table_of_the_optimisers(optimisers_batch: Batch) -> None:
    line = optimisers_batch.table()["history"]
    points = {1: "2", 2: "6", 3: "3", 4: "2", 5: "4", 6: "4", 7: "4", 8: "2"}
    assert {k: line[f"exercise {k}"] for k in points} == points
    assert (line["total"], line["out of"]) == ("27", "30")


def test_feedback_says_what_is_wrong_and_shows_no_hidden_test(optimisers_batch: Batch) -> None:
    page, secrets = optimisers_batch.page("faulty"), optimisers_batch.secrets()
    for fault in (fault for cell, fault in one_fault_of_each(1).items() if cell != "ex2"):
        assert fault.says in page, fault.name
    assert len(secrets) > 40, "the check would look for nothing"
    assert not [line for line in secrets if line in page]


def test_student_version_of_the_optimisers(optimisers_batch: Batch) -> None:
    assert optimisers_batch.imported() <= {"contextlib", "math", "torch"}
    everything = nbformat.writes(optimisers_batch.release)
    for word in ("SOLUTION", "HIDDEN", "Rubric", "Unrolled", "3.16"):
        assert word not in everything
    answers = [cell for cell in optimisers_batch.release.cells if cell.metadata["nbgrader"]["solution"]]
    assert len(answers) == 9
    for cell in answers:
        assert "raise NotImplementedError()" in cell.source or "YOUR ANSWER HERE" in cell.source


def test_stubs_fail_every_test(optimisers_batch: Batch) -> None:
    failed = judge(answer(optimisers_batch.source, stubs(optimisers_batch.release)))
    assert set(failed) == set(graded(optimisers_batch.source))
    assert all(message.startswith("NotImplementedError") for message in failed.values())
