"""*A head and its metric* judges fairly: correct answers of any make pass, each planted fault fails exactly what it should."""

from __future__ import annotations

import nbformat
import pytest
from assignment_batch import Batch, assert_points_add_up, assert_source_is_clean, graded_batch
from assignment_judge import Fault, answer, bare, graded, judge, lost, name_of, stubs, without
from grader.release import source_path
from head_answers import STEPS, TENSORS
from head_faults import HEAD_FAULTS, SIGNATURES

HEAD_BY_NAME = {fault.name: fault for fault in HEAD_FAULTS}
PROOF = "**My derivation**\n\nA Lagrange multiplier gives the weighted shares."
# one slip in each exercise, as a whole class might hand them in
CLASSIC = [
    "padding added as zeros but counted",
    "a label on every piece",
    "words without a piece left out",
    "the mean over all positions",
    "the last entity forgotten",
    "F1 over words, not over entities",
    "not made one again",
]


@pytest.fixture(scope="module")
def head() -> nbformat.NotebookNode:
    """The source notebook."""
    return nbformat.read(source_path("head"), as_version=4)


@pytest.fixture(scope="module")
def head_tests(head: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The source notebook without the training run after the last test."""
    return without(head, "together")


def classic_faults() -> dict[str, Fault]:
    return {HEAD_BY_NAME[name].cell: HEAD_BY_NAME[name] for name in CLASSIC}


def classic_answers() -> dict[str, str]:
    return {cell: fault.source for cell, fault in classic_faults().items()}


def test_points_of_the_head_add_up(head: nbformat.NotebookNode) -> None:
    assert_points_add_up(head, exercises=7, total=30, automatic=27)


@pytest.mark.parametrize("answers", [{}, TENSORS, STEPS], ids=["reference", "tensors", "steps"])
def test_correct_heads_pass_whatever_the_seed(
    head_tests: nbformat.NotebookNode, answers: dict[str, str]
) -> None:
    for shift in range(6):
        assert judge(answer(head_tests, answers), shift=shift) == {}


def test_every_exercise_and_every_graded_cell_of_the_head_has_faults(head: nbformat.NotebookNode) -> None:
    assert len(HEAD_BY_NAME) == len(HEAD_FAULTS)
    assert {fault.cell for fault in HEAD_FAULTS} == set(SIGNATURES) == set(TENSORS) == set(STEPS)
    alone = {name for fault in HEAD_FAULTS if len(fault.fails) == 1 for name in fault.fails}
    assert set().union(*(fault.fails for fault in HEAD_FAULTS)) == set(graded(head))
    assert set(graded(head)) - alone <= {"test-5a"}, "each other test can be failed by itself"


@pytest.mark.parametrize(
    "fault", HEAD_FAULTS, ids=lambda fault: f"{fault.cell}-{fault.name}".replace(" ", "-")
)
@pytest.mark.parametrize("shift", [0, 1])
def test_fault_of_a_head_loses_exactly_its_tests(
    head_tests: nbformat.NotebookNode, fault: Fault, shift: int
) -> None:
    failed = judge(answer(head_tests, {fault.cell: fault.source}), exercise=fault.cell[2:], shift=shift)
    assert set(failed) == set(fault.fails)
    for message in failed.values():
        assert message.startswith("AssertionError: ") and len(message) > 60, (
            "the message should say what was wrong"
        )
    assert any(fault.says in message for message in failed.values()), failed


def test_faults_of_a_head_do_not_touch_other_exercises(head_tests: nbformat.NotebookNode) -> None:
    for cell in sorted(SIGNATURES):
        for fault in [fault for fault in HEAD_FAULTS if fault.cell == cell][:2]:
            assert set(judge(answer(head_tests, {cell: fault.source}))) == set(fault.fails)


def test_garbage_earns_nothing_for_a_head(head_tests: nbformat.NotebookNode) -> None:
    garbage = {
        "ex1": "return hidden.new_zeros(hidden.shape[0], hidden.shape[2])",
        "ex2": "return torch.full((len(word_ids), len(word_ids[0])), -100)",
        "ex3": "return [[0] * n for n in lengths]",
        "ex4": "return 0 * logits.sum()",
        "ex5": "return set()",
        "ex6": "return dict(accuracy=0.0, precision=0.0, recall=0.0, f1=0.0)",
        "ex7": "return torch.full_like(q, 1 / q.shape[-1])",
    }
    sources = {cell: f"{SIGNATURES[cell]}\n    {body}" for cell, body in garbage.items()}
    assert set(judge(answer(head_tests, sources))) == set(graded(head_tests))


def test_messages_of_the_head_do_not_hold_the_answer(head_tests: nbformat.NotebookNode) -> None:
    solutions = [cell.source for cell in head_tests.cells if name_of(cell) in SIGNATURES]
    lines = {line.strip() for text in solutions for line in text.split("\n") if " = " in line}
    for fault in HEAD_FAULTS[::3]:
        failed = judge(answer(head_tests, {fault.cell: fault.source}), exercise=fault.cell[2:])
        assert not [line for line in lines for message in failed.values() if line in message]


def test_entities_and_scores_agree_with_seqeval(head: nbformat.NotebookNode) -> None:
    """The reference against the library that chapter 14 uses, on tags by chance."""
    import random

    metrics = pytest.importorskip("seqeval.metrics")
    space: dict = {"__name__": "__main__"}
    for cell in head.cells:
        if name_of(cell) in ("imports", "ex5", "ex6"):
            exec(compile(cell.source, name_of(cell), "exec"), space)  # noqa: S102
    rng, tags = random.Random(1), ["O", "B-x", "I-x", "B-y", "I-y"]
    for _ in range(200):
        sides = [[[rng.choice(tags) for _ in range(n)] for n in (1, 4, 9)] for _ in range(2)]
        found = space["tag_scores"](*sides)
        assert found["accuracy"] == pytest.approx(metrics.accuracy_score(*sides))
        for name in ("precision", "recall", "f1"):
            score = getattr(metrics, f"{name}_score")(*sides, zero_division=0)
            assert found[name] == pytest.approx(score), (name, sides)


def test_the_tagger_learns_and_the_baseline_does_not(head: nbformat.NotebookNode) -> None:
    space: dict = {"__name__": "__main__"}
    for cell in head.cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, name_of(cell), "exec"), space)  # noqa: S102
    own, baseline = space["results"]["your tagger"], space["results"]["O everywhere"]
    assert baseline["accuracy"] > 0.7 and baseline["f1"] == 0
    assert own["f1"] > 0.8 and own["accuracy"] > own["f1"]


def submissions(source: nbformat.NotebookNode, release: nbformat.NotebookNode) -> dict:
    return {
        "reference": source,
        "untouched": release,
        "steps": bare(answer(release, {**STEPS, "derivation": PROOF})),
        "classic": answer(release, classic_answers()),
    }


@pytest.fixture(scope="module")
def head_batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    return graded_batch("head", tmp_path_factory.mktemp("head"), submissions)


def test_reference_and_untouched_head(head_batch: Batch) -> None:
    reference, untouched = head_batch.rows["reference"], head_batch.rows["untouched"]
    assert lost(reference.grades) == set() and reference.total == 27
    assert reference.open == ["derivation"] and reference.remarks == []
    assert untouched.total == 0 and untouched.status() == "graded"
    assert set(reference.grades) == {*graded(head_batch.source), "derivation"}


def test_other_correct_heads_get_full_marks_without_metadata(head_batch: Batch) -> None:
    row = head_batch.rows["steps"]
    assert lost(row.grades) == set() and row.total == 27 and row.open == ["derivation"]
    assert "metadata was missing" in row.remarks[0]
    line, points = head_batch.table()["steps"], {1: "4", 2: "5", 3: "3", 4: "5", 5: "4", 6: "4", 7: "2"}
    assert {k: line[f"exercise {k}"] for k in points} == points


def test_classic_slips_of_a_head_lose_the_right_points_and_the_judges_agree(head_batch: Batch) -> None:
    expected = set().union(*(fault.fails for fault in classic_faults().values()))
    assert lost(head_batch.rows["classic"].grades) == expected
    assert set(judge(answer(head_batch.source, classic_answers()))) == expected
    page, secrets = head_batch.page("classic"), head_batch.secrets(classic_answers())
    for fault in classic_faults().values():
        assert fault.says in page, fault.name
    assert len(secrets) > 40, "the check would look for nothing"
    assert not [line for line in secrets if line in page]


def test_student_version_of_the_head(head_batch: Batch) -> None:
    assert head_batch.imported() == {"copy", "math", "torch"}
    everything = nbformat.writes(head_batch.release)
    for word in ("SOLUTION", "HIDDEN", "Rubric", "Lagrange", "def by_definition", "def plain_loss"):
        assert word not in everything
    assert_source_is_clean(head_batch.source)
    failed = judge(answer(head_batch.source, stubs(head_batch.release)))
    assert set(failed) == set(graded(head_batch.source))
    assert all(message.startswith("NotImplementedError") for message in failed.values())
