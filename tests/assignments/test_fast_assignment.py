"""*Make it fast* judges fairly, and what it counts and compares is right."""

from __future__ import annotations

import nbformat
from assignment_case import Case
from assignment_judge import answer, judge, left_empty, run, with_bodies
from assignment_tests import BatchTests, JudgeTests
from fast_answers import LIBRARY, STEPS
from fast_faults import FAST_FAULTS, SIGNATURES

FAST = Case(
    name="fast",
    points=(2, 6, 5, 7, 2),
    total=25,
    faults=FAST_FAULTS,
    answers={"library": LIBRARY, "steps": STEPS},
    garbage=with_bodies(
        SIGNATURES,
        {
            "ex1": "return E.new_zeros(*ids.shape, E.shape[1])",
            "ex2": "return 0 * (h.sum() + E.sum() + bias.sum()), 0",
            "ex3": "return []",
            "ex4": (
                "return 1.0, {name: torch.zeros_like(weight) for name, weight in weights.items()}"
            ),
            "ex5": "return 1.0",
        },
    ),
    classic=(
        "one-hot rows still multiplied",
        "all logits, and then a choice",
        "rows in the order in which they come",
        "the mean of the groups' means",
        "attention forgotten",
    ),
    kept=11,
    proof="**My derivation**\n\nEach product forward has two on the way back.",
    imports={"contextlib", "copy", "math", "time", "torch"},
    secret_words=("right_plan", "right_sparse_loss", "allowed_area"),
    never_alone={"test-3a", "test-4c", "test-4d"},
)


class TestFast(JudgeTests):
    case = FAST

    def test_missing_pieces_cost_nothing_in_the_step(self, tested: nbformat.NotebookNode) -> None:
        missing = left_empty(SIGNATURES, "ex1", "ex2", "ex3")
        assert {name[5] for name in judge(answer(tested, missing))} == {"1", "2", "3"}

    def test_the_fast_step_counts_a_fraction_of_the_slow_one(
        self, notebook: nbformat.NotebookNode
    ) -> None:
        space = run(notebook)
        slow, quick = space["table"]["slow"], space["table"]["fast"]
        assert quick.flops < slow.flops / 5 and quick.logits < slow.logits / 10
        assert sum(quick.areas) < 0.6 * sum(slow.areas)
        assert space["off"] < 1e-12
        assert slow_step_is_what_autograd_says(space)


class TestFastBatch(BatchTests):
    case = FAST


def slow_step_is_what_autograd_says(space: dict) -> bool:
    """The given step against central differences, in a few places."""
    weights = space["new_weights"](13, 4, 1, seed=3)
    rows, labels = space["some_batch"](3, 13, seed=4)
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
