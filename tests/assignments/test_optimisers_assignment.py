"""*Optimisers* judges fairly, and its own optimiser trains as the library's does."""

from __future__ import annotations

import nbformat
import torch
from assignment_case import Case
from assignment_judge import answer, judge, run, with_bodies
from assignment_tests import BatchTests, JudgeTests
from optimisers_answers import BUFFERS, HISTORY
from optimisers_faults import OPTIMISER_FAULTS, SIGNATURES

OPTIMISERS = Case(
    name="optimisers",
    points=(2, 6, 3, 2, 4, 4, 4, 2),
    total=30,
    faults=OPTIMISER_FAULTS,
    answers={"buffers": BUFFERS, "history": HISTORY},
    garbage=with_bodies(
        SIGNATURES,
        {
            "ex1": "return torch.zeros_like(theta)",
            "ex2": "return torch.zeros_like(theta)",
            "ex3": "return torch.zeros_like(theta)",
            "ex4": "return []",
            "ex5": "return 0.0",
            "ex6": "return [torch.zeros_like(g) for g in gradients], 0.0",
            "ex7": "return 0.0",
            "ex8": "return 0.0",
        },
    ),
    classic=(
        "Nesterov's momentum",
        "decay not scaled by lr",
        "only biases spared",
        "the first step does nothing",
        "clipped by value",
        "mean of the means that exist",
        "upside down",
    ),
    kept=15,
    proof="**My derivation**\n\nUnrolled, the weights add up to a geometric sum.",
    imports={"contextlib", "math", "torch"},
    secret_words=("Unrolled", "3.16"),
    never_alone={"test-2a", "test-2b", "test-2c", "test-3a"},
    costs_also={"ex2": {"test-3b"}},  # the reference AdamW calls adam_step
    open_tests={"test-1b", "test-2e"},
    message_length=60,
)


class TestOptimisers(JudgeTests):
    case = OPTIMISERS

    def test_a_wrong_adam_leaves_the_points_for_decoupled_decay(
        self, tested: nbformat.NotebookNode
    ) -> None:
        """Exercise 3 may call exercise 2: only the test for all of AdamW may fail with it."""
        # not finite, or another result each time
        exempt = ("t starts at 0", "t counts all calls", "no epsilon")
        for fault in OPTIMISER_FAULTS:
            if fault.cell == "ex2" and fault.name not in exempt:
                failed = judge(answer(tested, {"ex2": fault.source}), exercise="3")
                assert set(failed) <= {"test-3b"}, (fault.name, failed)

    def test_all_together_agrees_with_the_library(self, notebook: nbformat.NotebookNode) -> None:
        space = run(notebook)
        assert max(abs(a - b) for a, b in zip(space["own"], space["library"], strict=True)) < 1e-5
        assert space["own"][-1] < 0.5 * space["own"][0]

    def test_the_library_is_whole_again_after_a_refusal(
        self, tested: nbformat.NotebookNode
    ) -> None:
        before = torch.optim.Optimizer.__init__, torch.nn.utils.clip_grad_norm_
        for name in ("the library's SGD", "the library's clipping"):
            fault = OPTIMISERS.by_name[name]
            assert judge(answer(tested, {fault.cell: fault.source}), exercise=fault.cell[2:])
        assert before == (torch.optim.Optimizer.__init__, torch.nn.utils.clip_grad_norm_)


class TestOptimisersBatch(BatchTests):
    case = OPTIMISERS
