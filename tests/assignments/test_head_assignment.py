"""*A head and its metric* judges fairly, and its reference is what the library measures."""

from __future__ import annotations

import random

import nbformat
import pytest
from assignment_case import Case
from assignment_judge import run, with_bodies
from assignment_tests import BatchTests, JudgeTests
from head_answers import STEPS, TENSORS
from head_faults import HEAD_FAULTS, SIGNATURES

HEAD = Case(
    name="head",
    points=(4, 5, 3, 5, 4, 4, 2),
    total=30,
    faults=HEAD_FAULTS,
    answers={"tensors": TENSORS, "steps": STEPS},
    garbage=with_bodies(
        SIGNATURES,
        {
            "ex1": "return hidden.new_zeros(hidden.shape[0], hidden.shape[2])",
            "ex2": "return torch.full((len(word_ids), len(word_ids[0])), -100)",
            "ex3": "return [[0] * n for n in lengths]",
            "ex4": "return 0 * logits.sum()",
            "ex5": "return set()",
            "ex6": "return dict(accuracy=0.0, precision=0.0, recall=0.0, f1=0.0)",
            "ex7": "return torch.full_like(q, 1 / q.shape[-1])",
        },
    ),
    classic=(
        "padding added as zeros but counted",
        "a label on every piece",
        "words without a piece left out",
        "the mean over all positions",
        "the last entity forgotten",
        "F1 over words, not over entities",
        "not made one again",
    ),
    kept=16,
    proof="**My derivation**\n\nA Lagrange multiplier gives the weighted shares.",
    imports={"copy", "math", "torch"},
    secret_words=("Lagrange", "def by_definition", "def plain_loss"),
    never_alone={"test-5a"},
    message_length=60,
)


class TestHead(JudgeTests):
    case = HEAD

    def test_entities_and_scores_agree_with_seqeval(self, notebook: nbformat.NotebookNode) -> None:
        """The reference against the library that chapter 14 uses, on tags by chance."""
        metrics = pytest.importorskip("seqeval.metrics")
        space = run(notebook, "imports", "ex5", "ex6")
        rng, tags = random.Random(1), ["O", "B-x", "I-x", "B-y", "I-y"]
        for _ in range(200):
            sides = [[[rng.choice(tags) for _ in range(n)] for n in (1, 4, 9)] for _ in range(2)]
            found = space["tag_scores"](*sides)
            assert found["accuracy"] == pytest.approx(metrics.accuracy_score(*sides))
            for name in ("precision", "recall", "f1"):
                score = getattr(metrics, f"{name}_score")(*sides, zero_division=0)
                assert found[name] == pytest.approx(score), (name, sides)

    def test_the_tagger_learns_and_the_baseline_does_not(
        self, notebook: nbformat.NotebookNode
    ) -> None:
        results = run(notebook)["results"]
        own, baseline = results["your tagger"], results["O everywhere"]
        assert baseline["accuracy"] > 0.7 and baseline["f1"] == 0
        assert own["f1"] > 0.8 and own["accuracy"] > own["f1"]


class TestHeadBatch(BatchTests):
    case = HEAD
