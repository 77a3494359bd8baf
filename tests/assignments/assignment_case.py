"""What the common tests must know of an assignment: one `Case` each.

assignment_tests.py has the tests that every assignment must pass, written once; they take all names
and numbers from here. What only one assignment must pass stands in its own test file, beside its
Case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import nbformat
from assignment_judge import Fault, answer, bare, name_of

Answers = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Case:
    """An assignment, with right, wrong and worthless answers to it, and what they earn.

    Args:
        name: its folder.
        points: what the tests of each exercise give, in order.
        total: all points, those of the derivation included.
        faults: planted faults, each with the tests that it must fail.
        answers: sets of right answers by name, each written in another way. The last one is also
            handed in.
        garbage: an answer to each exercise that has the right form and no worth: together they must
            earn nothing.
        classic: names of faults, one in each exercise, as a whole class might hand them in
            together.
        kept: points that these leave.
        proof: a derivation to hand in.
        imports: the modules that the student version imports.
        secret_words: what the student version must not hold, taken from solutions, hidden tests and
            rubric.
        never_alone: tests that no fault fails by themselves; what they find shows in others too.
        told: what no message may say, beside the lines of the solution.
        costs_also: by exercise, tests of later exercises that its faults fail as well.
        open_tests: tests without a hidden part.
        fault_shifts: at how many shifts of the seeds each fault is judged.
        neighbours: how many faults of each exercise the tests of all exercises judge.
        message_length: a fault's message is longer than this, so that it can say what was wrong.
    """

    name: str
    points: tuple[int, ...]
    total: int
    faults: list[Fault]
    answers: Mapping[str, Answers]
    garbage: Answers
    classic: tuple[str, ...]
    kept: int
    proof: str
    imports: set[str]
    secret_words: tuple[str, ...]
    never_alone: set[str]
    told: tuple[str, ...] = ()
    costs_also: Mapping[str, set[str]] = field(default_factory=dict)
    open_tests: set[str] = field(default_factory=set)
    fault_shifts: int = 2
    neighbours: int = 2
    message_length: int = 50

    @cached_property
    def by_name(self) -> dict[str, Fault]:
        """The faults by their names."""
        return {fault.name: fault for fault in self.faults}

    @property
    def slips(self) -> list[Fault]:
        """The classic faults."""
        return [self.by_name[name] for name in self.classic]

    @property
    def right(self) -> Answers:
        """The set of right answers that is handed in."""
        return list(self.answers.values())[-1]

    @property
    def classic_answers(self) -> dict[str, str]:
        """The classic faults; an exercise without one is right."""
        return {**self.right, **{fault.cell: fault.source for fault in self.slips}}

    def telling(self, notebook: nbformat.NotebookNode) -> set[str]:
        """What would give an answer away: lines of solutions that compute, and what `told` has."""
        texts = [cell.source for cell in notebook.cells if name_of(cell) in self.garbage]
        lines = {line.strip() for text in texts for line in text.split("\n")}
        return {line for line in lines if "=" in line or "return" in line}.union(self.told)

    def submissions(
        self, source: nbformat.NotebookNode, release: nbformat.NotebookNode
    ) -> dict[str, nbformat.NotebookNode]:
        """What a class hands in: solution, untouched version, right answers, classic faults."""
        return {
            "reference": source,
            "untouched": release,
            "other": bare(answer(release, {**self.right, "derivation": self.proof})),
            "classic": answer(release, self.classic_answers),
        }
