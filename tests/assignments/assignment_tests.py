"""What every assignment must pass: it judges fairly, and its student version gives nothing away.

A test file describes its assignment by a `Case` and takes these two classes as they are, with its
own tests added. They are two, so that two workers can share the work of one assignment; a fixture
of a class (conftest.py) is made once for it.
"""

from __future__ import annotations

import re
from typing import ClassVar

import nbformat
import pytest
from assignment_batch import Batch
from assignment_case import Answers, Case
from assignment_judge import Fault, answer, graded, judge, lost, name_of, stubs
from grader.given import HIDDEN


class JudgeTests:
    """By the fast judge: right answers of any make pass, a fault fails exactly what it should."""

    case: ClassVar[Case]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each set of right answers; each fault at each shift of the seeds."""
        case = self.case
        if "answers" in metafunc.fixturenames:
            answers = {"reference": {}, **case.answers}
            metafunc.parametrize("answers", answers.values(), ids=answers)
        if "fault" in metafunc.fixturenames:
            metafunc.parametrize("shift", range(case.fault_shifts))
            names = [f"{fault.cell}-{fault.name}".replace(" ", "-") for fault in case.faults]
            metafunc.parametrize("fault", case.faults, ids=names)

    def test_points_add_up(self, notebook: nbformat.NotebookNode) -> None:
        """The points are those of the table, the exercises' titles and the tests' first lines."""
        notes = {name_of(cell): cell.metadata["nbgrader"] for cell in notebook.cells}
        points = {name: note.get("points", 0) for name, note in notes.items()}
        tests = {name: n for name, n in points.items() if name.startswith("test-")}
        texts = {name_of(cell): cell.source for cell in notebook.cells}
        assert sum(points.values()) == self.case.total
        assert sum(graded(notebook).values()) == sum(self.case.points)
        table = texts["title"].splitlines()
        for exercise, worth in enumerate(self.case.points, 1):
            given = sum(n for name, n in tests.items() if name[5] == str(exercise))
            assert worth == given, exercise
            row = next(line for line in table if line.startswith(f"| {exercise} |"))
            assert row.rstrip(" |").endswith(f" {worth}"), row
            head = texts[f"ex{exercise}-about"].splitlines()[0]
            assert f"({worth} points)" in head or f"{worth} for the code" in head, head
        for name, n in tests.items():
            assert texts[name].startswith(f"# Test {name[5:]} ({n} point"), name
        last = texts[f"ex{len(self.case.points)}-about"]
        assert f"({points['derivation']} points for the derivation" in last

    def test_right_answers_pass_whatever_the_seed(
        self, tested: nbformat.NotebookNode, answers: Answers
    ) -> None:
        for shift in range(8):
            assert judge(answer(tested, answers), shift=shift) == {}

    def test_every_exercise_has_faults(self) -> None:
        case = self.case
        assert len(case.by_name) == len(case.faults)
        for cells in (case.garbage, *case.answers.values()):
            assert {fault.cell for fault in case.faults} == set(cells)

    def test_every_graded_cell_is_failed_by_a_fault(self, notebook: nbformat.NotebookNode) -> None:
        faults = self.case.faults
        assert set().union(*(fault.fails for fault in faults)) == set(graded(notebook))
        alone = {name for fault in faults if len(fault.fails) == 1 for name in fault.fails}
        assert set(graded(notebook)) - alone <= self.case.never_alone

    def test_fault_loses_exactly_its_tests(
        self, tested: nbformat.NotebookNode, fault: Fault, shift: int
    ) -> None:
        """Every message says what was wrong, one in the expected words, and none has the answer."""
        answered = answer(tested, {fault.cell: fault.source})
        failed = judge(answered, exercise=fault.cell[2:], shift=shift)
        assert set(failed) == set(fault.fails)
        assert any(fault.says in message for message in failed.values()), failed
        telling = self.case.telling(tested)
        for message in failed.values():
            telling_enough = len(message) > self.case.message_length
            assert message.startswith("AssertionError: ") and telling_enough, (
                "the message should say what was wrong"
            )
            assert not [line for line in telling if line in message]

    def test_faults_do_not_touch_other_exercises(self, tested: nbformat.NotebookNode) -> None:
        """Not even those that use what was written before them (or these tests only)."""
        for cell in sorted(self.case.garbage):
            more = self.case.costs_also.get(cell, set())
            faults = [fault for fault in self.case.faults if fault.cell == cell]
            for fault in faults[: self.case.neighbours]:
                failed = judge(answer(tested, {cell: fault.source}))
                assert set(failed) == fault.fails | more, fault.name

    def test_garbage_earns_nothing(self, tested: nbformat.NotebookNode) -> None:
        """A test that asks for one virtue must not reward what has none of the others."""
        assert set(judge(answer(tested, self.case.garbage))) == set(graded(tested))


class BatchTests:
    """Through nbgrader, from files to the table and the feedback pages: one batch, graded once."""

    case: ClassVar[Case]

    def test_reference_gets_all_points_of_the_tests(self, batch: Batch) -> None:
        row = batch.rows["reference"]
        assert lost(row.grades) == set() and row.total == sum(self.case.points)
        assert row.open == ["derivation"] and row.remarks == []
        assert set(row.grades) == {*graded(batch.source), "derivation"}

    def test_untouched_version_gets_none(self, batch: Batch) -> None:
        assert batch.rows["untouched"].total == 0 and batch.rows["untouched"].status() == "graded"

    def test_other_right_answers_get_full_marks_without_metadata(self, batch: Batch) -> None:
        row = batch.rows["other"]
        assert lost(row.grades) == set() and row.total == sum(self.case.points)
        assert row.open == ["derivation"] and "metadata was missing" in row.remarks[0]

    def test_table_of_the_exercises(self, batch: Batch) -> None:
        line = batch.table()["other"]
        for exercise, worth in enumerate(self.case.points, 1):
            assert line[f"exercise {exercise}"] == str(worth)
        assert (line["total"], line["out of"]) == (str(sum(self.case.points)), str(self.case.total))

    def test_classic_slips_lose_the_right_points_and_the_judges_agree(self, batch: Batch) -> None:
        slips = self.case.slips
        cells = set(self.case.garbage) - set(self.case.costs_also)
        assert [fault.cell for fault in slips] == sorted(cells)
        expected = set().union(*(fault.fails for fault in slips))
        assert lost(batch.rows["classic"].grades) == expected
        assert set(judge(answer(batch.source, self.case.classic_answers))) == expected
        assert batch.rows["classic"].total == self.case.kept

    def test_feedback_names_the_slips_and_shows_no_hidden_test(self, batch: Batch) -> None:
        page, secrets = batch.page("classic"), batch.secrets(self.case.classic_answers)
        for fault in self.case.slips:
            assert fault.says in page, fault.name
        assert len(secrets) > 40, "the check would look for nothing"
        assert not [line for line in secrets if line in page]

    def test_student_version_gives_nothing_away(self, batch: Batch) -> None:
        text = nbformat.writes(batch.release)
        for word in ("SOLUTION", "HIDDEN", "Rubric", *self.case.secret_words):
            assert word not in text

    def test_student_version_imports_what_it_may(self, batch: Batch) -> None:
        assert batch.imported() == self.case.imports

    def test_answer_cells_of_the_student_version_are_stubs(self, batch: Batch) -> None:
        """The derivation comes before the code that is its result."""
        answers = [cell for cell in batch.release.cells if cell.metadata["nbgrader"]["solution"]]
        *before, last = sorted(self.case.garbage)
        assert [name_of(cell) for cell in answers] == [*before, "derivation", last]
        for cell in answers:
            assert "raise NotImplementedError()" in cell.source or "YOUR ANSWER HERE" in cell.source

    def test_stubs_fail_every_test(self, batch: Batch) -> None:
        failed = judge(answer(batch.source, stubs(batch.release)))
        assert set(failed) == set(graded(batch.source))
        assert all(message.startswith("NotImplementedError") for message in failed.values())

    def test_source_is_clean(self, batch: Batch) -> None:
        """No outputs, no metadata but nbgrader's; every test has an open part and a hidden one."""
        for cell in batch.source.cells:
            assert set(cell.metadata) == {"nbgrader"}
            assert not cell.get("outputs") and not cell.get("execution_count")
        sources = {name_of(cell): cell.source for cell in batch.source.cells}
        tests = {name: text for name, text in sources.items() if name.startswith("test-")}
        without_hidden = {name for name, text in tests.items() if not HIDDEN.search(text)}
        assert without_hidden == self.case.open_tests
        for name, text in tests.items():
            assert re.search(r"^(for .*\n    )?assert_", HIDDEN.sub("", text), re.MULTILINE), name
