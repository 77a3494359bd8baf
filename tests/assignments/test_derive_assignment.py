"""*Derive and implement* judges fairly, and its own gradients train as the library's do."""

from __future__ import annotations

import nbformat
import torch
from assignment_case import Case
from assignment_judge import answer, judge, left_empty, run, with_bodies
from assignment_tests import BatchTests, JudgeTests
from derive_answers import LOOPS, MATRICES
from derive_faults import DERIVE_FAULTS, SIGNATURES

DERIVE = Case(
    name="derive",
    points=(7, 5, 7, 5, 2),
    total=30,
    faults=DERIVE_FAULTS,
    answers={"matrices": MATRICES, "loops": LOOPS},
    garbage=with_bodies(
        SIGNATURES,
        {
            "ex1": "return 1.0, np.zeros_like(z)",
            "ex2": "return np.zeros_like(E), np.zeros_like(h), np.zeros(len(E))",
            "ex3": "return np.zeros_like(x), np.zeros_like(gamma), np.zeros_like(gamma)",
            "ex4": "return {name: np.zeros_like(a) for name, a in weights.items()}",
            "ex5": "return np.zeros_like(x), np.zeros_like(gamma)",
        },
    ),
    classic=(
        "the gradient divided by all rows",
        "repeated words overwrite one another",
        "epsilon outside the root",
        "the model without the way in",
        "RMSNorm like LayerNorm",
    ),
    kept=26 - (2 + 1 + 1 + 3 + 2),
    proof="**My derivation**\n\nThe root has the derivative x / (d r).",
    imports={"contextlib", "numpy", "torch"},
    secret_words=("add.at", "swapaxes"),
    never_alone={"test-1a", "test-1b", "test-1c", "test-2b", "test-2c", "test-3c"},
    told=(
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
    ),
    fault_shifts=3,
    neighbours=3,
)


class TestDerive(JudgeTests):
    case = DERIVE

    def test_missing_pieces_cost_nothing_in_exercise_4(self, tested: nbformat.NotebookNode) -> None:
        missing = left_empty(SIGNATURES, "ex1", "ex2", "ex3")
        assert judge(answer(tested, missing), exercise="4") == {}

    def test_all_together_agrees_with_autograd(self, notebook: nbformat.NotebookNode) -> None:
        space = run(notebook)
        assert max(abs(a - b) for a, b in zip(space["own"], space["library"], strict=True)) < 1e-9
        assert space["own"][-1] < 0.5 * space["own"][0]

    def test_the_judges_work_again_after_a_refusal(self, tested: nbformat.NotebookNode) -> None:
        before = torch.autograd.backward, torch.autograd.grad
        for name in ("autograd", "the judge's own differences"):
            fault = DERIVE.by_name[name]
            failed = judge(answer(tested, {fault.cell: fault.source}))
            assert set(failed) == fault.fails, "the other exercises' tests still have their judge"
        assert before == (torch.autograd.backward, torch.autograd.grad)


class TestDeriveBatch(BatchTests):
    case = DERIVE
