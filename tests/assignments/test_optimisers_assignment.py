"""The assignment *Optimisers* judges fairly: correct answers of any make pass, each planted fault fails exactly what it should."""

from __future__ import annotations

import nbformat
import pytest
from assignment_judge import Fault, answer, graded, judge, name_of, without
from optimisers_answers import BUFFERS, HISTORY
from optimisers_faults import OPTIMISER_FAULTS

FAULTS_BY_NAME = {fault.name: fault for fault in OPTIMISER_FAULTS}


@pytest.fixture(scope="module")
def optimisers() -> nbformat.NotebookNode:
    """The source notebook."""
    from grader.release import source_path

    return nbformat.read(source_path("optimisers"), as_version=4)


@pytest.fixture(scope="module")
def graded_part(optimisers: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The source notebook without the training run after the last test, which costs time and no points."""
    return without(optimisers, "together")


def test_points_add_up(optimisers: nbformat.NotebookNode) -> None:
    points = {name_of(c): c.metadata["nbgrader"].get("points", 0) for c in optimisers.cells}
    assert sum(points.values()) == 30
    assert sum(graded(optimisers).values()) == 27
    texts = {name_of(cell): cell.source for cell in optimisers.cells}
    for exercise in range(1, 9):
        total = sum(value for name, value in points.items() if name.startswith(f"test-{exercise}"))
        row = next(line for line in texts["title"].splitlines() if line.startswith(f"| {exercise} |"))
        assert row.rstrip(" |").endswith(f" {total}"), row
        assert (
            f"{total} for the code" in texts["ex8-about"]
            or f"({total} points)" in texts[f"ex{exercise}-about"]
        )
    for name, worth in points.items():
        if name.startswith("test-"):
            first = texts[name].splitlines()[0]
            assert first.startswith(f"# Test {name[5:]} ({worth} point"), first


@pytest.mark.parametrize("answers", [{}, BUFFERS, HISTORY], ids=["reference", "buffers", "history"])
def test_correct_answers_pass_whatever_the_seed(
    graded_part: nbformat.NotebookNode, answers: dict[str, str]
) -> None:
    for shift in range(4):
        assert judge(answer(graded_part, answers), shift=shift) == {}


def test_every_exercise_has_faults() -> None:
    assert len(FAULTS_BY_NAME) == len(OPTIMISER_FAULTS)
    assert {fault.cell for fault in OPTIMISER_FAULTS} == set(BUFFERS) == set(HISTORY)


def test_every_graded_cell_is_failed_by_a_fault(optimisers: nbformat.NotebookNode) -> None:
    assert set().union(*(fault.fails for fault in OPTIMISER_FAULTS)) == set(graded(optimisers))


@pytest.mark.parametrize(
    "fault", OPTIMISER_FAULTS, ids=lambda fault: f"{fault.cell}-{fault.name}".replace(" ", "-")
)
@pytest.mark.parametrize("shift", [0, 1])
def test_fault_loses_exactly_its_tests(graded_part: nbformat.NotebookNode, fault: Fault, shift: int) -> None:
    failed = judge(answer(graded_part, {fault.cell: fault.source}), exercise=fault.cell[2:], shift=shift)
    assert set(failed) == set(fault.fails)
    for message in failed.values():
        assert message.startswith("AssertionError: ") and len(message) > 60, (
            "the message should say what was wrong"
        )
    assert any(fault.says in message for message in failed.values()), failed


def test_faults_do_not_touch_other_exercises(graded_part: nbformat.NotebookNode) -> None:
    for cell in sorted(BUFFERS):
        fault = next(fault for fault in OPTIMISER_FAULTS if fault.cell == cell)
        more = {"test-3b"} if cell == "ex2" else set()  # the reference AdamW calls adam_step
        assert set(judge(answer(graded_part, {cell: fault.source}))) == set(fault.fails) | more


def test_a_wrong_adam_leaves_the_points_for_decoupled_decay(graded_part: nbformat.NotebookNode) -> None:
    """Exercise 3 may call exercise 2: then only the test that asks for all of AdamW may fail with it."""
    exempt = ("t starts at 0", "t counts all calls", "no epsilon")  # not finite, or another result each time
    for fault in OPTIMISER_FAULTS:
        if fault.cell == "ex2" and fault.name not in exempt:
            failed = judge(answer(graded_part, {"ex2": fault.source}), exercise="3")
            assert set(failed) <= {"test-3b"}, (fault.name, failed)


def test_messages_do_not_hold_the_answer(graded_part: nbformat.NotebookNode) -> None:
    solutions = [cell.source for cell in graded_part.cells if name_of(cell) in BUFFERS]
    lines = {
        line.strip() for text in solutions for line in text.split("\n") if "=" in line or "return" in line
    }
    for cell in sorted(BUFFERS):
        for fault in [fault for fault in OPTIMISER_FAULTS if fault.cell == cell][:3]:
            failed = judge(answer(graded_part, {cell: fault.source}), exercise=cell[2:])
            assert not [line for line in lines for message in failed.values() if line in message]


def test_all_together_agrees_with_the_library(optimisers: nbformat.NotebookNode) -> None:
    space: dict = {"__name__": "__main__"}
    for cell in optimisers.cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, name_of(cell), "exec"), space)  # noqa: S102
    assert max(abs(a - b) for a, b in zip(space["own"], space["library"], strict=True)) < 1e-5
    assert space["own"][-1] < 0.5 * space["own"][0]


def test_the_library_is_whole_again_after_a_refusal(graded_part: nbformat.NotebookNode) -> None:
    import torch

    before = torch.optim.Optimizer.__init__, torch.nn.utils.clip_grad_norm_
    for name in ("the library's SGD", "the library's clipping"):
        fault = FAULTS_BY_NAME[name]
        assert judge(answer(graded_part, {fault.cell: fault.source}), exercise=fault.cell[2:])
    assert before == (torch.optim.Optimizer.__init__, torch.nn.utils.clip_grad_norm_)
