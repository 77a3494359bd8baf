"""The tests judge fairly: right answers of any make pass, a fault fails exactly what it should."""

from __future__ import annotations

import nbformat
import pytest
from assignment_answers import BERNOULLI, FAULTS, LOOPS
from assignment_judge import Fault, answer, graded, judge, name_of, stubs


def test_points_add_up(source: nbformat.NotebookNode) -> None:
    points = {name_of(c): c.metadata["nbgrader"].get("points", 0) for c in source.cells}
    assert sum(points.values()) == 25
    assert sum(graded(source).values()) == 22
    table = next(cell.source for cell in source.cells if name_of(cell) == "title")
    for exercise in range(1, 8):
        total = sum(value for name, value in points.items() if name.startswith(f"test-{exercise}"))
        row = next(line for line in table.splitlines() if line.startswith(f"| {exercise} |"))
        assert row.rstrip(" |").endswith(f" {total}"), row


def test_reference_solution_passes_whatever_the_seed(source: nbformat.NotebookNode) -> None:
    for shift in range(8):
        assert judge(source, shift=shift) == {}


def test_bernoulli_solution_passes_whatever_the_seed(source: nbformat.NotebookNode) -> None:
    notebook = answer(source, BERNOULLI)
    for shift in range(8):
        assert judge(notebook, shift=shift) == {}


def test_loop_solution_loses_only_the_point_for_no_loop(source: nbformat.NotebookNode) -> None:
    assert set(judge(answer(source, LOOPS))) == {"test-5c"}


def test_untouched_version_fails_every_test(
    release: nbformat.NotebookNode, source: nbformat.NotebookNode
) -> None:
    failed = judge(answer(source, stubs(release)))
    assert set(failed) == set(graded(source))
    assert all(message.startswith("NotImplementedError") for message in failed.values())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
@pytest.mark.parametrize("shift", [0, 1])
def test_fault_loses_exactly_its_tests(
    source: nbformat.NotebookNode, fault: Fault, shift: int
) -> None:
    notebook = answer(source, {fault.cell: fault.source})
    failed = judge(notebook, exercise=fault.cell[2:], shift=shift)
    assert set(failed) == set(fault.fails)
    for message in failed.values():
        assert message.startswith("AssertionError: ") and len(message) > 40, (
            "the message should say what was wrong"
        )


def test_faults_do_not_touch_other_exercises(source: nbformat.NotebookNode) -> None:
    for cell in sorted({fault.cell for fault in FAULTS}):
        fault = next(fault for fault in FAULTS if fault.cell == cell)
        assert set(judge(answer(source, {cell: fault.source}))) == set(fault.fails)


def test_message_names_the_cure(source: nbformat.NotebookNode) -> None:
    wanted = {
        "padding is masked": "[PAD]",
        "rate per row instead of per token": "Draw once for each token",
        "labels kept everywhere": "would enter the loss",
        "special ids as random replacements": "special ids",
        "input changed in place": "changed in place",
        "generator ignored": "generator=generator",
        "a loop over words": "loop",
        "a row left without target": "without a target",
    }
    for fault in FAULTS:
        if fault.name in wanted:
            failed = judge(answer(source, {fault.cell: fault.source}), exercise=fault.cell[2:])
            assert any(wanted[fault.name] in message for message in failed.values()), failed
