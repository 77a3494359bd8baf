"""*Make it fast* judges fairly: correct answers of any make pass, each planted fault fails exactly what it should."""

from __future__ import annotations

import nbformat
import pytest
from assignment_batch import Batch, assert_points_add_up, assert_source_is_clean, graded_batch
from assignment_judge import Fault, answer, bare, graded, judge, lost, name_of, stubs, without
from fast_answers import LIBRARY, STEPS
from fast_faults import FAST_FAULTS, SIGNATURES
from grader.release import source_path

FAST_BY_NAME = {fault.name: fault for fault in FAST_FAULTS}
PROOF = "**My derivation**\n\nEach product forward has two on the way back."
# one slip in each exercise, as a whole class might hand them in
CLASSIC = [
    "one-hot rows still multiplied",
    "all logits, and then a choice",
    "rows in the order in which they come",
    "the mean of the groups' means",
    "attention forgotten",
]


@pytest.fixture(scope="module")
def fast() -> nbformat.NotebookNode:
    """The source notebook."""
    return nbformat.read(source_path("fast"), as_version=4)


@pytest.fixture(scope="module")
def fast_tests(fast: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The source notebook without the comparison after the last test."""
    return without(fast, "together")


def classic_faults() -> dict[str, Fault]:
    return {FAST_BY_NAME[name].cell: FAST_BY_NAME[name] for name in CLASSIC}


def classic_answers() -> dict[str, str]:
    return {cell: fault.source for cell, fault in classic_faults().items()}


def test_points_of_fast_add_up(fast: nbformat.NotebookNode) -> None:
    assert_points_add_up(fast, exercises=5, total=25, automatic=22)


@pytest.mark.parametrize("answers", [{}, LIBRARY, STEPS], ids=["reference", "library", "steps"])
def test_correct_steps_pass_whatever_the_seed(
    fast_tests: nbformat.NotebookNode, answers: dict[str, str]
) -> None:
    for shift in range(6):
        assert judge(answer(fast_tests, answers), shift=shift) == {}


def test_every_exercise_and_every_graded_cell_of_fast_has_faults(fast: nbformat.NotebookNode) -> None:
    assert len(FAST_BY_NAME) == len(FAST_FAULTS)
    assert {fault.cell for fault in FAST_FAULTS} == set(SIGNATURES) == set(LIBRARY) == set(STEPS)
    assert set().union(*(fault.fails for fault in FAST_FAULTS)) == set(graded(fast))
    alone = {name for fault in FAST_FAULTS if len(fault.fails) == 1 for name in fault.fails}
    assert set(graded(fast)) - alone <= {"test-3a", "test-4c", "test-4d"}, "these show in other counts too"


@pytest.mark.parametrize(
    "fault", FAST_FAULTS, ids=lambda fault: f"{fault.cell}-{fault.name}".replace(" ", "-")
)
@pytest.mark.parametrize("shift", [0, 1])
def test_fault_of_a_step_loses_exactly_its_tests(
    fast_tests: nbformat.NotebookNode, fault: Fault, shift: int
) -> None:
    failed = judge(answer(fast_tests, {fault.cell: fault.source}), exercise=fault.cell[2:], shift=shift)
    assert set(failed) == set(fault.fails)
    for message in failed.values():
        assert message.startswith("AssertionError: ") and len(message) > 50, (
            "the message should say what was wrong"
        )
    assert any(fault.says in message for message in failed.values()), failed


def test_faults_of_a_step_do_not_touch_other_exercises(fast_tests: nbformat.NotebookNode) -> None:
    """Not even exercise 4, which uses what was written before it."""
    for cell in sorted(SIGNATURES):
        for fault in [fault for fault in FAST_FAULTS if fault.cell == cell][:2]:
            assert set(judge(answer(fast_tests, {cell: fault.source}))) == set(fault.fails)


def test_missing_pieces_cost_nothing_in_the_step(fast_tests: nbformat.NotebookNode) -> None:
    empty = {cell: f"{SIGNATURES[cell]}\n    raise NotImplementedError()" for cell in ("ex1", "ex2", "ex3")}
    assert {name[5] for name in judge(answer(fast_tests, empty))} == {"1", "2", "3"}


def test_garbage_earns_nothing_for_a_step(fast_tests: nbformat.NotebookNode) -> None:
    garbage = {
        "ex1": "return E.new_zeros(*ids.shape, E.shape[1])",
        "ex2": "return 0 * (h.sum() + E.sum() + bias.sum()), 0",
        "ex3": "return []",
        "ex4": "return 1.0, {name: torch.zeros_like(weight) for name, weight in weights.items()}",
        "ex5": "return 1.0",
    }
    sources = {cell: f"{SIGNATURES[cell]}\n    {body}" for cell, body in garbage.items()}
    assert set(judge(answer(fast_tests, sources))) == set(graded(fast_tests))


def test_messages_of_fast_do_not_hold_the_answer(fast_tests: nbformat.NotebookNode) -> None:
    solutions = [cell.source for cell in fast_tests.cells if name_of(cell) in SIGNATURES]
    lines = {line.strip() for text in solutions for line in text.split("\n") if " = " in line}
    for fault in FAST_FAULTS[::3]:
        failed = judge(answer(fast_tests, {fault.cell: fault.source}), exercise=fault.cell[2:])
        assert not [line for line in lines for message in failed.values() if line in message]


def test_the_fast_step_counts_a_fraction_of_the_slow_one(fast: nbformat.NotebookNode) -> None:
    space: dict = {"__name__": "__main__"}
    for cell in fast.cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, name_of(cell), "exec"), space)  # noqa: S102
    slow, quick = space["table"]["slow"], space["table"]["fast"]
    assert quick.flops < slow.flops / 5 and quick.logits < slow.logits / 10
    assert sum(quick.areas) < 0.6 * sum(slow.areas)
    assert space["off"] < 1e-12
    assert slow_step_is_what_autograd_says(space)


def slow_step_is_what_autograd_says(space: dict) -> bool:
    """The given step against central differences, in a few places."""
    weights, (rows, labels) = space["new_weights"](13, 4, 1, seed=3), space["some_batch"](3, 13, seed=4)
    _, gradients = space["slow_step"](weights, rows, labels)
    for name in weights:
        place, step = (0,) * weights[name].dim(), 1e-5
        sides = []
        for move in (step, -step):
            moved = {key: weight.clone() for key, weight in weights.items()}
            moved[name][place] += move
            sides.append(space["slow_step"](moved, rows, labels)[0])
        if abs((sides[0] - sides[1]) / (2 * step) - float(gradients[name][place])) > 1e-7:
            return False
    return True


def submissions(source: nbformat.NotebookNode, release: nbformat.NotebookNode) -> dict:
    return {
        "reference": source,
        "untouched": release,
        "steps": bare(answer(release, {**STEPS, "derivation": PROOF})),
        "classic": answer(release, classic_answers()),
    }


@pytest.fixture(scope="module")
def fast_batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    return graded_batch("fast", tmp_path_factory.mktemp("fast"), submissions)


def test_reference_and_untouched_fast(fast_batch: Batch) -> None:
    reference, untouched = fast_batch.rows["reference"], fast_batch.rows["untouched"]
    assert lost(reference.grades) == set() and reference.total == 22
    assert reference.open == ["derivation"] and reference.remarks == []
    assert untouched.total == 0 and untouched.status() == "graded"
    assert set(reference.grades) == {*graded(fast_batch.source), "derivation"}


def test_other_correct_steps_get_full_marks_without_metadata(fast_batch: Batch) -> None:
    row = fast_batch.rows["steps"]
    assert lost(row.grades) == set() and row.total == 22 and row.open == ["derivation"]
    assert "metadata was missing" in row.remarks[0]
    line, points = fast_batch.table()["steps"], {1: "2", 2: "6", 3: "5", 4: "7", 5: "2"}
    assert {k: line[f"exercise {k}"] for k in points} == points


def test_classic_slips_of_a_step_lose_the_right_points_and_the_judges_agree(fast_batch: Batch) -> None:
    expected = set().union(*(fault.fails for fault in classic_faults().values()))
    assert lost(fast_batch.rows["classic"].grades) == expected
    assert set(judge(answer(fast_batch.source, classic_answers()))) == expected
    page, secrets = fast_batch.page("classic"), fast_batch.secrets(classic_answers())
    for fault in classic_faults().values():
        assert fault.says in page, fault.name
    assert len(secrets) > 30, "the check would look for nothing"
    assert not [line for line in secrets if line in page]


def test_student_version_of_fast(fast_batch: Batch) -> None:
    assert fast_batch.imported() == {"contextlib", "copy", "math", "time", "torch"}
    everything = nbformat.writes(fast_batch.release)
    for word in ("SOLUTION", "HIDDEN", "Rubric", "right_plan", "right_sparse_loss", "allowed_area"):
        assert word not in everything
    assert_source_is_clean(fast_batch.source)
    failed = judge(answer(fast_batch.source, stubs(fast_batch.release)))
    assert set(failed) == set(graded(fast_batch.source))
    assert all(message.startswith("NotImplementedError") for message in failed.values())
