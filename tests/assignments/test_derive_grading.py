"""*Derive and implement* from a folder of files to table and feedback pages, through nbgrader: one batch, graded once."""

from __future__ import annotations

import nbformat
import pytest
from assignment_batch import Batch, graded_batch
from assignment_judge import Fault, answer, bare, graded, judge, lost, name_of, stubs
from derive_answers import LOOPS
from derive_faults import DERIVE_FAULTS

PROOF = "**My derivation**\n\nThe root has the derivative x / (d r)."
# one slip in each exercise, as a whole class might hand them in
CLASSIC = [
    "the gradient divided by all rows",
    "repeated words overwrite one another",
    "epsilon outside the root",
    "the model without the way in",
    "RMSNorm like LayerNorm",
]


def classic_faults() -> dict[str, Fault]:
    return {fault.cell: fault for fault in DERIVE_FAULTS if fault.name in CLASSIC}


def classic_answers() -> dict[str, str]:
    return {cell: fault.source for cell, fault in classic_faults().items()}


def submissions(source: nbformat.NotebookNode, release: nbformat.NotebookNode) -> dict:
    return {
        "reference": source,
        "untouched": release,
        "loops": bare(answer(release, {**LOOPS, "derivation": PROOF})),
        "classic": answer(release, classic_answers()),
    }


@pytest.fixture(scope="module")
def derive_batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    return graded_batch("derive", tmp_path_factory.mktemp("derive"), submissions)


def test_reference_and_untouched(derive_batch: Batch) -> None:
    reference, untouched = derive_batch.rows["reference"], derive_batch.rows["untouched"]
    assert lost(reference.grades) == set() and reference.total == 26
    assert reference.open == ["derivation"] and reference.remarks == []
    assert untouched.total == 0 and untouched.status() == "graded"
    assert set(reference.grades) == {*graded(derive_batch.source), "derivation"}


def test_other_correct_answers_get_full_marks_without_metadata(derive_batch: Batch) -> None:
    row = derive_batch.rows["loops"]
    assert lost(row.grades) == set() and row.total == 26 and row.open == ["derivation"]
    assert "metadata was missing" in row.remarks[0]


def test_classic_slips_lose_the_right_points_and_the_judges_agree(derive_batch: Batch) -> None:
    assert len(classic_faults()) == 5
    expected = set().union(*(fault.fails for fault in classic_faults().values()))
    assert lost(derive_batch.rows["classic"].grades) == expected
    assert set(judge(answer(derive_batch.source, classic_answers()))) == expected
    assert derive_batch.rows["classic"].total == 26 - (2 + 1 + 1 + 3 + 2)


def test_table_of_the_exercises(derive_batch: Batch) -> None:
    line, points = derive_batch.table()["loops"], {1: "7", 2: "5", 3: "7", 4: "5", 5: "2"}
    assert {k: line[f"exercise {k}"] for k in points} == points
    assert (line["total"], line["out of"]) == ("26", "30")


def test_feedback_names_the_slips_and_shows_no_hidden_test(derive_batch: Batch) -> None:
    page, secrets = derive_batch.page("classic"), derive_batch.secrets()
    for fault in classic_faults().values():
        assert fault.says in page, fault.name
    assert len(secrets) > 40, "the check would look for nothing"
    assert not [line for line in secrets if line in page]


def test_student_version_needs_numpy_and_torch_only(derive_batch: Batch) -> None:
    assert derive_batch.imported() == {"contextlib", "numpy", "torch"}
    everything = nbformat.writes(derive_batch.release)
    for word in ("SOLUTION", "HIDDEN", "Rubric", "add.at", "swapaxes"):
        assert word not in everything
    answers = [cell for cell in derive_batch.release.cells if cell.metadata["nbgrader"]["solution"]]
    assert [name_of(cell) for cell in answers] == ["ex1", "ex2", "ex3", "ex4", "derivation", "ex5"]
    for cell in answers:
        assert "raise NotImplementedError()" in cell.source or "YOUR ANSWER HERE" in cell.source


def test_source_of_the_assignment_is_clean(derive_batch: Batch) -> None:
    for cell in derive_batch.source.cells:
        assert set(cell.metadata) == {"nbgrader"}
        assert not cell.get("outputs") and not cell.get("execution_count")
    tests = [c for c in derive_batch.source.cells if name_of(c).startswith("test-")]
    assert all("BEGIN HIDDEN TESTS" in cell.source for cell in tests)
    for cell in tests:
        visible = cell.source.split("### BEGIN HIDDEN TESTS")[0]
        assert any(line.startswith("assert_") for line in visible.splitlines()), name_of(cell)


def test_stubs_fail_every_test(derive_batch: Batch) -> None:
    failed = judge(answer(derive_batch.source, stubs(derive_batch.release)))
    assert set(failed) == set(graded(derive_batch.source))
    assert all(message.startswith("NotImplementedError") for message in failed.values())
