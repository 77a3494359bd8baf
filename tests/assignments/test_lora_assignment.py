"""*LoRA from scratch* judges fairly: correct answers of any make pass, each planted fault fails exactly what it should."""

from __future__ import annotations

import nbformat
import pytest
from assignment_batch import Batch, assert_points_add_up, assert_source_is_clean, graded_batch
from assignment_judge import Fault, answer, bare, graded, judge, lost, name_of, stubs, without
from grader.release import source_path
from lora_answers import EINSUM, LOOPS
from lora_faults import LORA_FAULTS, SIGNATURES, layer_source

LORA_BY_NAME = {fault.name: fault for fault in LORA_FAULTS}
PROOF = "**My derivation**\n\nThe first step moves B alone."
# one slip in each exercise, as a whole class might hand them in
CLASSIC = [
    "both factors zero",
    "no factor alpha / r",
    "dropout on all of dx",
    "merged twice",
    "the rest of the model not frozen",
    "s once instead of twice",
]


@pytest.fixture(scope="module")
def lora() -> nbformat.NotebookNode:
    """The source notebook."""
    return nbformat.read(source_path("lora"), as_version=4)


@pytest.fixture(scope="module")
def lora_tests(lora: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The source notebook without the training run after the last test."""
    return without(lora, "together")


def classic_faults() -> dict[str, Fault]:
    return {LORA_BY_NAME[name].cell: LORA_BY_NAME[name] for name in CLASSIC}


def classic_answers() -> dict[str, str]:
    return {cell: fault.source for cell, fault in classic_faults().items()}


def test_points_of_lora_add_up(lora: nbformat.NotebookNode) -> None:
    assert_points_add_up(lora, exercises=6, total=30, automatic=27)


@pytest.mark.parametrize("answers", [{}, EINSUM, LOOPS], ids=["reference", "einsum", "loops"])
def test_correct_lora_passes_whatever_the_seed(
    lora_tests: nbformat.NotebookNode, answers: dict[str, str]
) -> None:
    for shift in range(6):
        assert judge(answer(lora_tests, answers), shift=shift) == {}


def test_every_exercise_and_every_graded_cell_of_lora_has_faults(lora: nbformat.NotebookNode) -> None:
    assert len(LORA_BY_NAME) == len(LORA_FAULTS)
    assert {fault.cell for fault in LORA_FAULTS} == {*SIGNATURES, "ex4"} == set(EINSUM) == set(LOOPS)
    assert set().union(*(fault.fails for fault in LORA_FAULTS)) == set(graded(lora))
    alone = {name for fault in LORA_FAULTS if len(fault.fails) == 1 for name in fault.fails}
    assert set(graded(lora)) - alone <= {"test-3a", "test-3b", "test-3c"}, (
        "each other test can be failed by itself"
    )


def test_the_parts_of_a_right_layer_are_right(lora_tests: nbformat.NotebookNode) -> None:
    assert judge(answer(lora_tests, {"ex4": layer_source({})}), exercise="4") == {}


@pytest.mark.parametrize(
    "fault", LORA_FAULTS, ids=lambda fault: f"{fault.cell}-{fault.name}".replace(" ", "-")
)
@pytest.mark.parametrize("shift", [0, 1])
def test_fault_of_lora_loses_exactly_its_tests(
    lora_tests: nbformat.NotebookNode, fault: Fault, shift: int
) -> None:
    failed = judge(answer(lora_tests, {fault.cell: fault.source}), exercise=fault.cell[2:], shift=shift)
    assert set(failed) == set(fault.fails)
    for message in failed.values():
        assert message.startswith("AssertionError: ") and len(message) > 50, (
            "the message should say what was wrong"
        )
    assert any(fault.says in message for message in failed.values()), failed


def test_faults_of_lora_do_not_touch_other_exercises(lora_tests: nbformat.NotebookNode) -> None:
    """Not even exercises 4 and 5, which use what was written before them."""
    for cell in sorted({*SIGNATURES, "ex4"}):
        for fault in [fault for fault in LORA_FAULTS if fault.cell == cell][:2]:
            assert set(judge(answer(lora_tests, {cell: fault.source}))) == set(fault.fails)


def test_missing_pieces_cost_nothing_later(lora_tests: nbformat.NotebookNode) -> None:
    empty = {cell: f"{SIGNATURES[cell]}\n    raise NotImplementedError()" for cell in ("ex1", "ex2", "ex3")}
    failed = judge(answer(lora_tests, empty))
    assert {name[5] for name in failed} == {"1", "2", "3"}
    empty["ex4"] = layer_source({"start": "raise NotImplementedError()"})
    assert {name[5] for name in judge(answer(lora_tests, empty))} == {"1", "2", "3", "4"}


def test_garbage_earns_nothing_for_lora(lora_tests: nbformat.NotebookNode) -> None:
    garbage = {
        "ex1": "return torch.zeros(rank, d_in), torch.zeros(d_out, rank)",
        "ex2": "return x @ W.T + (0 if bias is None else bias)",
        "ex3": "return torch.zeros_like(x), torch.zeros_like(A), torch.zeros_like(B)",
        "ex5": "return 0",
        "ex6": "return torch.zeros_like(G)",
    }
    sources = {cell: f"{SIGNATURES[cell]}\n    {body}" for cell, body in garbage.items()}
    base = "self.linear, self.A, self.B = linear, torch.zeros(rank, linear.in_features), torch.zeros(linear.out_features, rank)"
    sources["ex4"] = layer_source(
        {"start": base, "forward": "return self.linear(x)", "merge": "pass", "unmerge": "pass"}
    )
    assert set(judge(answer(lora_tests, sources))) == set(graded(lora_tests))


def test_messages_of_lora_do_not_hold_the_answer(lora_tests: nbformat.NotebookNode) -> None:
    solutions = [cell.source for cell in lora_tests.cells if name_of(cell) in EINSUM]
    lines = {line.strip() for text in solutions for line in text.split("\n") if " = " in line}
    for fault in LORA_FAULTS[::3]:
        failed = judge(answer(lora_tests, {fault.cell: fault.source}), exercise=fault.cell[2:])
        assert not [line for line in lines for message in failed.values() if line in message]


def test_the_error_falls_with_the_rank(lora: nbformat.NotebookNode) -> None:
    space: dict = {"__name__": "__main__"}
    for cell in lora.cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, name_of(cell), "exec"), space)  # noqa: S102
    errors = space["errors"]
    assert errors[1] > 2 * errors[2] > 4 * errors[3] and errors[3] < 0.01 * errors[1]
    assert 0 < max(space["gaps"].values()) < 1e-5


def test_autograd_stands_again_after_a_refusal(lora_tests: nbformat.NotebookNode) -> None:
    import torch

    before = torch.autograd.backward, torch.autograd.grad
    fault = LORA_BY_NAME["autograd on the way back"]
    assert judge(answer(lora_tests, {fault.cell: fault.source}), exercise="3")
    assert before == (torch.autograd.backward, torch.autograd.grad)


def submissions(source: nbformat.NotebookNode, release: nbformat.NotebookNode) -> dict:
    return {
        "reference": source,
        "untouched": release,
        "loops": bare(answer(release, {**LOOPS, "derivation": PROOF})),
        "classic": answer(release, classic_answers()),
    }


@pytest.fixture(scope="module")
def lora_batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    return graded_batch("lora", tmp_path_factory.mktemp("lora"), submissions)


def test_reference_and_untouched_lora(lora_batch: Batch) -> None:
    reference, untouched = lora_batch.rows["reference"], lora_batch.rows["untouched"]
    assert lost(reference.grades) == set() and reference.total == 27
    assert reference.open == ["derivation"] and reference.remarks == []
    assert untouched.total == 0 and untouched.status() == "graded"
    assert set(reference.grades) == {*graded(lora_batch.source), "derivation"}


def test_other_correct_lora_gets_full_marks_without_metadata(lora_batch: Batch) -> None:
    row = lora_batch.rows["loops"]
    assert lost(row.grades) == set() and row.total == 27 and row.open == ["derivation"]
    assert "metadata was missing" in row.remarks[0]
    line, points = lora_batch.table()["loops"], {1: "4", 2: "5", 3: "6", 4: "7", 5: "3", 6: "2"}
    assert {k: line[f"exercise {k}"] for k in points} == points


def test_classic_slips_of_lora_lose_the_right_points_and_the_judges_agree(lora_batch: Batch) -> None:
    expected = set().union(*(fault.fails for fault in classic_faults().values()))
    assert lost(lora_batch.rows["classic"].grades) == expected
    assert set(judge(answer(lora_batch.source, classic_answers()))) == expected
    page, secrets = lora_batch.page("classic"), lora_batch.secrets(classic_answers())
    for fault in classic_faults().values():
        assert fault.says in page, fault.name
    assert len(secrets) > 40, "the check would look for nothing"
    assert not [line for line in secrets if line in page]


def test_student_version_of_lora(lora_batch: Batch) -> None:
    assert lora_batch.imported() == {"contextlib", "copy", "math", "torch"}
    everything = nbformat.writes(lora_batch.release)
    for word in ("SOLUTION", "HIDDEN", "Rubric", "right_forward", "RightLayer", "true_gradients"):
        assert word not in everything
    assert_source_is_clean(lora_batch.source)
    failed = judge(answer(lora_batch.source, stubs(lora_batch.release)))
    assert set(failed) == set(graded(lora_batch.source))
    assert all(message.startswith("NotImplementedError") for message in failed.values())
