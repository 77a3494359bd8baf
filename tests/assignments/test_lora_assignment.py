"""*LoRA from scratch* judges fairly, and its run shows what it should."""

from __future__ import annotations

import nbformat
import torch
from assignment_case import Case
from assignment_judge import answer, judge, left_empty, run, with_bodies
from assignment_tests import BatchTests, JudgeTests
from lora_answers import EINSUM, LOOPS
from lora_faults import LORA_FAULTS, SIGNATURES, layer_source

NO_LAYER = {
    "start": (
        "self.linear, self.A, self.B = linear, torch.zeros(rank, linear.in_features), "
        "torch.zeros(linear.out_features, rank)"
    ),
    "forward": "return self.linear(x)",
    "merge": "pass",
    "unmerge": "pass",
}
LORA = Case(
    name="lora",
    points=(4, 5, 6, 7, 3, 2),
    total=30,
    faults=LORA_FAULTS,
    answers={"einsum": EINSUM, "loops": LOOPS},
    garbage={
        **with_bodies(
            SIGNATURES,
            {
                "ex1": "return torch.zeros(rank, d_in), torch.zeros(d_out, rank)",
                "ex2": "return x @ W.T + (0 if bias is None else bias)",
                "ex3": "return torch.zeros_like(x), torch.zeros_like(A), torch.zeros_like(B)",
                "ex5": "return 0",
                "ex6": "return torch.zeros_like(G)",
            },
        ),
        "ex4": layer_source(NO_LAYER),
    },
    classic=(
        "both factors zero",
        "no factor alpha / r",
        "dropout on all of dx",
        "merged twice",
        "the rest of the model not frozen",
        "s once instead of twice",
    ),
    kept=14,
    proof="**My derivation**\n\nThe first step moves B alone.",
    imports={"contextlib", "copy", "math", "torch"},
    secret_words=("right_forward", "RightLayer", "true_gradients"),
    never_alone={"test-3a", "test-3b", "test-3c"},
)


class TestLora(JudgeTests):
    case = LORA

    def test_the_parts_of_a_right_layer_are_right(self, tested: nbformat.NotebookNode) -> None:
        assert judge(answer(tested, {"ex4": layer_source({})}), exercise="4") == {}

    def test_missing_pieces_cost_nothing_later(self, tested: nbformat.NotebookNode) -> None:
        missing = left_empty(SIGNATURES, "ex1", "ex2", "ex3")
        assert {name[5] for name in judge(answer(tested, missing))} == {"1", "2", "3"}
        missing["ex4"] = layer_source({"start": "raise NotImplementedError()"})
        assert {name[5] for name in judge(answer(tested, missing))} == {"1", "2", "3", "4"}

    def test_the_error_falls_with_the_rank(self, notebook: nbformat.NotebookNode) -> None:
        space = run(notebook)
        errors = space["errors"]
        assert errors[1] > 2 * errors[2] > 4 * errors[3] and errors[3] < 0.01 * errors[1]
        assert 0 < max(space["gaps"].values()) < 1e-5

    def test_autograd_stands_again_after_a_refusal(self, tested: nbformat.NotebookNode) -> None:
        before = torch.autograd.backward, torch.autograd.grad
        fault = LORA.by_name["autograd on the way back"]
        assert judge(answer(tested, {fault.cell: fault.source}), exercise="3")
        assert before == (torch.autograd.backward, torch.autograd.grad)


class TestLoraBatch(BatchTests):
    case = LORA
