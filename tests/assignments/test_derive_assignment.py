"""*Derive and implement* judges fairly: correct answers of any make pass, each planted fault fails exactly what it should."""

from __future__ import annotations

import nbformat
import pytest
from assignment_judge import Fault, answer, graded, judge, name_of, without
from derive_answers import LOOPS, MATRICES
from derive_faults import DERIVE_FAULTS, SIGNATURES
from grader.release import source_path

DERIVE_BY_NAME = {fault.name: fault for fault in DERIVE_FAULTS}


@pytest.fixture(scope="module")
def derive() -> nbformat.NotebookNode:
    """The source notebook."""
    return nbformat.read(source_path("derive"), as_version=4)


@pytest.fixture(scope="module")
def derive_tests(derive: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The source notebook without the training run after the last test."""
    return without(derive, "together")


def test_points_add_up(derive: nbformat.NotebookNode) -> None:
    points = {name_of(c): c.metadata["nbgrader"].get("points", 0) for c in derive.cells}
    assert sum(points.values()) == 30
    assert sum(graded(derive).values()) == 26
    texts = {name_of(cell): cell.source for cell in derive.cells}
    for exercise in range(1, 6):
        total = sum(value for name, value in points.items() if name.startswith(f"test-{exercise}"))
        row = next(line for line in texts["title"].splitlines() if line.startswith(f"| {exercise} |"))
        assert row.rstrip(" |").endswith(f" {total}"), row
        head = texts[f"ex{exercise}-about"].splitlines()[0]
        assert f"({total} points)" in head or f"{total} for the code" in head
    assert f"({points['derivation']} points for the derivation" in texts["ex5-about"]
    for name, worth in points.items():
        if name.startswith("test-"):
            assert texts[name].startswith(f"# Test {name[5:]} ({worth} point"), name


@pytest.mark.parametrize("answers", [{}, MATRICES, LOOPS], ids=["reference", "matrices", "loops"])
def test_correct_answers_pass_whatever_the_seed(
    derive_tests: nbformat.NotebookNode, answers: dict[str, str]
) -> None:
    for shift in range(8):
        assert judge(answer(derive_tests, answers), shift=shift) == {}


def test_every_exercise_and_every_graded_cell_has_faults(derive: nbformat.NotebookNode) -> None:
    assert len(DERIVE_BY_NAME) == len(DERIVE_FAULTS)
    assert {fault.cell for fault in DERIVE_FAULTS} == set(SIGNATURES) == set(MATRICES) == set(LOOPS)
    assert set().union(*(fault.fails for fault in DERIVE_FAULTS)) == set(graded(derive))
    alone = {name for fault in DERIVE_FAULTS if len(fault.fails) == 1 for name in fault.fails}
    assert alone >= {"test-1d", "test-1e", "test-1f", "test-2d", "test-3d", "test-3e", "test-4b"}


@pytest.mark.parametrize(
    "fault", DERIVE_FAULTS, ids=lambda fault: f"{fault.cell}-{fault.name}".replace(" ", "-")
)
@pytest.mark.parametrize("shift", [0, 1, 2])
def test_fault_loses_exactly_its_tests(derive_tests: nbformat.NotebookNode, fault: Fault, shift: int) -> None:
    failed = judge(answer(derive_tests, {fault.cell: fault.source}), exercise=fault.cell[2:], shift=shift)
    assert set(failed) == set(fault.fails)
    for message in failed.values():
        assert message.startswith("AssertionError: ") and len(message) > 50, (
            "the message should say what was wrong"
        )
    assert any(fault.says in message for message in failed.values()), failed


def test_faults_do_not_touch_other_exercises(derive_tests: nbformat.NotebookNode) -> None:
    """Not even exercise 4, which uses the functions of exercises 1 to 3."""
    for cell in sorted(SIGNATURES):
        for fault in [fault for fault in DERIVE_FAULTS if fault.cell == cell][:3]:
            assert set(judge(answer(derive_tests, {cell: fault.source}))) == set(fault.fails)


def test_missing_pieces_cost_nothing_in_exercise_4(derive_tests: nbformat.NotebookNode) -> None:
    stubs = {cell: f"{SIGNATURES[cell]}\n    raise NotImplementedError()" for cell in ("ex1", "ex2", "ex3")}
    assert judge(answer(derive_tests, stubs), exercise="4") == {}


def test_garbage_earns_nothing(derive_tests: nbformat.NotebookNode) -> None:
    """Tests that ask for one virtue only must not reward something that has none of the others."""
    garbage = {
        "ex1": "return 1.0, np.zeros_like(z)",
        "ex2": "return np.zeros_like(E), np.zeros_like(h), np.zeros(len(E))",
        "ex3": "return np.zeros_like(x), np.zeros_like(gamma), np.zeros_like(gamma)",
        "ex4": "return {name: np.zeros_like(a) for name, a in weights.items()}",
        "ex5": "return np.zeros_like(x), np.zeros_like(gamma)",
    }
    sources = {cell: f"{SIGNATURES[cell]}\n    {body}" for cell, body in garbage.items()}
    assert set(judge(answer(derive_tests, sources))) == set(graded(derive_tests))


def test_messages_do_not_hold_the_answer(derive_tests: nbformat.NotebookNode) -> None:
    solutions = [cell.source for cell in derive_tests.cells if name_of(cell) in SIGNATURES]
    lines = {line.strip() for text in solutions for line in text.split("\n") if " = " in line}
    told = (
        "p - y",
        "p − y",
        "/ n",
        "1/n",
        "np.add.at",
        "-= 1",
        "g.mean",
        "max(axis",
        "swapaxes",
        "transpose",
    )
    for fault in DERIVE_FAULTS:
        for message in judge(
            answer(derive_tests, {fault.cell: fault.source}), exercise=fault.cell[2:]
        ).values():
            assert not [line for line in [*lines, *told] if line in message], (fault.name, message)


def test_all_together_agrees_with_autograd(derive: nbformat.NotebookNode) -> None:
    space: dict = {"__name__": "__main__"}
    for cell in derive.cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, name_of(cell), "exec"), space)  # noqa: S102
    assert max(abs(a - b) for a, b in zip(space["own"], space["library"], strict=True)) < 1e-9
    assert space["own"][-1] < 0.5 * space["own"][0]


def test_the_judges_work_again_after_a_refusal(derive_tests: nbformat.NotebookNode) -> None:
    import torch

    before = torch.autograd.backward, torch.autograd.grad
    for name in ("autograd", "the judge's own differences"):
        fault = DERIVE_BY_NAME[name]
        failed = judge(answer(derive_tests, {fault.cell: fault.source}))
        assert set(failed) == set(fault.fails), "the tests of the other exercises still have their judge"
    assert before == (torch.autograd.backward, torch.autograd.grad)
