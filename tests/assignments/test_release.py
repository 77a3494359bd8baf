"""The student version gives nothing away, and asks for nothing but torch."""

from __future__ import annotations

import ast
import copy
import doctest
import json
from pathlib import Path

import nbformat
import pytest
from assignment_judge import name_of


def test_release_leaks_nothing(source: nbformat.NotebookNode, release_path: Path) -> None:
    from grader import release

    text = release_path.read_text(encoding="utf-8")
    secrets = release.secret_lines(source)
    assert len(secrets) > 60, "the check would look for nothing"
    assert release.leaks(source, text) == []
    assert not [line for line in secrets if json.dumps(line)[1:-1] in text]
    for word in ("SOLUTION", "HIDDEN", "Rubric", "decomposition"):
        assert word not in text


PLACES = ["solution", "hidden test", "marker", "metadata", "output", "rubric"]


@pytest.mark.parametrize("where", PLACES)
def test_a_leak_is_seen(
    source: nbformat.NotebookNode, release: nbformat.NotebookNode, where: str
) -> None:
    from grader.release import leaks

    leaky = copy.deepcopy(release)
    cell = next(cell for cell in leaky.cells if name_of(cell) == "ex1")
    if where == "solution":
        cell.source += "\n    return ~special_mask[input_ids]"
    elif where == "hidden test":
        cell.source += "\nother_special[[3, 17, 38, 39]] = True"
    elif where == "marker":
        cell.source += "\n### BEGIN SOLUTION"
    elif where == "metadata":
        cell.metadata["old_source"] = "return ~special_mask[input_ids]"
    elif where == "output":
        cell.outputs = [nbformat.v4.new_output("stream", text="done")]
    else:
        lines = next(c for c in source.cells if name_of(c) == "derivation").source.splitlines()
        cell.source += "\n# " + next(line for line in lines if line.startswith("**Rubric"))
    assert leaks(source, nbformat.writes(leaky)), "the leak was not seen"


def test_source_is_clean_and_complete(source: nbformat.NotebookNode) -> None:
    names = [name_of(cell) for cell in source.cells]
    assert len(names) == len(set(names))
    for cell in source.cells:
        assert cell.metadata["nbgrader"]["schema_version"] == 3
        assert set(cell.metadata) == {"nbgrader"}
        assert not cell.get("outputs") and not cell.get("execution_count")
    hidden = [cell for cell in source.cells if "BEGIN HIDDEN TESTS" in cell.source]
    graded = [cell for cell in source.cells if cell.metadata["nbgrader"]["grade"]]
    visible = [cell for cell in graded if cell not in hidden]
    assert len(hidden) >= 7 and len(visible) >= 4


def test_student_version_needs_only_torch(release: nbformat.NotebookNode) -> None:
    code = "\n".join(cell.source for cell in release.cells if cell.cell_type == "code")
    nodes = list(ast.walk(ast.parse(code)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert names == {"math", "sys", "torch"}
    assert "%pip" not in code and "!" not in [line.lstrip()[:1] for line in code.splitlines()]


def test_every_answer_cell_of_the_student_version_is_a_stub(release: nbformat.NotebookNode) -> None:
    answers = [cell for cell in release.cells if cell.metadata["nbgrader"]["solution"]]
    assert len(answers) == 8
    for cell in answers:
        assert "raise NotImplementedError()" in cell.source or "YOUR ANSWER HERE" in cell.source


def test_examples_in_the_graders_docstrings() -> None:
    from grader import report, source_code

    for module in (report, source_code):
        outcome = doctest.testmod(module)
        assert outcome.attempted > 0 and outcome.failed == 0


def test_unknown_assignment_names_the_known_ones() -> None:
    from grader import release
    from grader.environment import GradingError

    with pytest.raises(GradingError, match="there are: .*masking"):
        release.source_path("maskign")
