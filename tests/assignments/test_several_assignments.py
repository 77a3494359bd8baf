"""Assignments side by side: each notebook is recognised, nothing gets into another's results."""

from __future__ import annotations

import itertools
from pathlib import Path

import nbformat
import pytest
from assignment_judge import bare, name_of
from grader import collecting, release, restoring, source_code, state
from grader.environment import GradingError
from grader.recognising import Recogniser
from grader.report import Row

NAMES = release.assignments()


def notebook(name: str) -> nbformat.NotebookNode:
    return nbformat.read(release.source_path(name), as_version=4)


def hand_in(path: Path, name: str) -> None:
    """One student's notebook, without metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(bare(notebook(name)), path)


def test_assignments_are_found_in_their_folders() -> None:
    assert {"masking", "derive", "optimisers", "fast", "head", "lora"} <= set(NAMES)
    for name in NAMES:
        folder = release.source_path(name).parent
        assert (folder / "README.md").exists(), f"{name} has no page for instructors"
        guide = (folder.parent / "README.md").read_text(encoding="utf-8")
        assert f"]({name}/README.md)" in guide


@pytest.mark.parametrize("name", NAMES)
def test_page_for_instructors_has_the_points(name: str) -> None:
    source = notebook(name)
    notes = [cell.metadata["nbgrader"] for cell in source.cells]
    total = sum(note.get("points", 0) for note in notes)
    folder = release.source_path(name).parent
    assert f"\n{total} points" in (folder / "README.md").read_text(encoding="utf-8")
    rows = (folder.parent / "README.md").read_text(encoding="utf-8").splitlines()
    row = next(line for line in rows if f"]({name}/README.md)" in line)
    assert row.split("|")[3].strip() == str(total)


def test_no_two_assignments_ask_for_one_function() -> None:
    functions = {}
    for name in NAMES:
        cells = restoring.given_cells(notebook(name))
        functions[name] = set().union(*(cell.functions for cell in cells))
        assert len(functions[name]) >= 4
    for one, other in itertools.combinations(NAMES, 2):
        assert not functions[one] & functions[other]


@pytest.mark.parametrize("name", NAMES)
def test_notebook_is_recognised_in_whatever_state(name: str) -> None:
    recogniser, source = Recogniser(), notebook(name)
    assert recogniser.name(source) == name
    assert recogniser.name(bare(source)) == name
    answers = [cell for cell in bare(source).cells if source_code.defined(cell.source)]
    assert recogniser.name(nbformat.v4.new_notebook(cells=answers)) == name
    texts = [cell for cell in bare(source).cells if cell.cell_type == "markdown"]
    assert recogniser.name(nbformat.v4.new_notebook(cells=texts)) == name
    one = next(cell for cell in source.cells if name_of(cell) == "ex2")
    assert recogniser.name(nbformat.v4.new_notebook(cells=[one])) == name


def test_other_notebooks_are_nobody_s() -> None:
    hello = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print('hello')")])
    assert Recogniser().name(hello) is None
    assert Recogniser().name(nbformat.v4.new_notebook()) is None


def test_the_assignment_is_seen_from_the_notebooks(tmp_path: Path) -> None:
    hand_in(tmp_path / "anna.ipynb", "optimisers")
    hand_in(tmp_path / "ben" / "homework three.ipynb", "optimisers")
    (tmp_path / "carl.ipynb").write_text("")
    name, submissions = collecting.collect(tmp_path)
    assert name == "optimisers"
    assert {s.who: bool(s.path) for s in submissions} == {"anna": True, "ben": True, "carl": True}


def test_a_mixed_folder_asks_and_then_takes_the_right_notebooks(tmp_path: Path) -> None:
    hand_in(tmp_path / "anna_masking.ipynb", "masking")
    hand_in(tmp_path / "anna_optimisers.ipynb", "optimisers")
    hand_in(tmp_path / "ben" / "masking.ipynb", "optimisers")  # under the wrong name
    hand_in(tmp_path / "ben" / "two.ipynb", "masking")
    hand_in(tmp_path / "carl" / "optimisers" / "optimisers.ipynb", "optimisers")
    hand_in(tmp_path / "dora.ipynb", "masking")
    (tmp_path / "emil.ipynb").write_text("{}")
    with pytest.raises(GradingError, match=r"masking \(3\), optimisers \(3\).*--assignment NAME"):
        collecting.collect(tmp_path)
    for wanted, other, without in [
        ("masking", "optimisers", "carl"),
        ("optimisers", "masking", "dora"),
    ]:
        name, submissions = collecting.collect(tmp_path, wanted)
        assert name == wanted
        found = {s.who: s for s in submissions}
        assert set(found) == {"anna", "ben", "carl", "dora", "emil"}
        assert found["anna"].path.name == f"anna_{wanted}.ipynb"
        bens = {"masking": "two.ipynb", "optimisers": "masking.ipynb"}
        assert found["ben"].path.name == bens[wanted]
        assert found[without].path is None
        assert found[without].problem == f"this is the notebook of another assignment: {other}"
        assert found["emil"].path is not None, "reading a bad file says what is wrong with it"


def test_a_second_notebook_for_the_same_assignment_is_reported(tmp_path: Path) -> None:
    hand_in(tmp_path / "anna.ipynb", "masking")
    hand_in(tmp_path / "anna_masking.ipynb", "masking")
    hand_in(tmp_path / "ben" / "a.ipynb", "masking")
    hand_in(tmp_path / "ben" / "b.ipynb", "masking")
    hand_in(tmp_path / "carl" / "masking.ipynb", "masking")
    hand_in(tmp_path / "carl" / "old.ipynb", "masking")
    found = {s.who: s for s in collecting.collect(tmp_path)[1]}
    assert "two submissions" in found["anna"].problem
    assert "several notebooks (a.ipynb, b.ipynb)" in found["ben"].problem
    assert found["carl"].path.name == "masking.ipynb"


def test_nothing_recognised_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "anna.ipynb").write_text("{}")
    with pytest.raises(GradingError, match="no notebook of an assignment was recognised"):
        collecting.collect(tmp_path)


def test_results_remember_their_assignment(tmp_path: Path) -> None:
    for name in ("masking", "optimisers"):
        (tmp_path / name).mkdir()
    state.save(tmp_path / "masking", "masking", [Row("anna", "anna")])
    assert state.graded_folder(tmp_path, None) == tmp_path / "masking"
    assert state.load(tmp_path / "masking")[0] == "masking"
    assert state.load(tmp_path / "masking", "masking")[1] == [Row("anna", "anna")]
    state.check_free(tmp_path / "masking", "masking")
    state.check_free(tmp_path / "optimisers", "masking")
    for refuse in (state.check_free, state.load):
        with pytest.raises(GradingError, match="holds the results of masking, not of optimisers"):
            refuse(tmp_path / "masking", "optimisers")
    with pytest.raises(GradingError, match="is missing"):
        state.load(tmp_path / "optimisers")
    state.save(tmp_path / "optimisers", "optimisers", [])
    with pytest.raises(GradingError, match="results of masking, optimisers: say which"):
        state.graded_folder(tmp_path, None)
    assert state.graded_folder(tmp_path, "optimisers") == tmp_path / "optimisers"
    with pytest.raises(GradingError, match="holds no results"):
        state.graded_folder(tmp_path / "nowhere", None)


def test_build_and_check_do_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import grade

    done = []
    monkeypatch.setattr(grade, "build_one", lambda name, out: done.append((name, out)))
    monkeypatch.setattr(grade, "check_one", lambda name, out: done.append((name, out)))
    assert grade.main(["build", "--out", str(tmp_path)]) == 0
    assert done == [(name, tmp_path) for name in NAMES]
    done.clear()
    assert grade.main(["check", "--out", str(tmp_path)]) == 0
    assert done == [(name, tmp_path / name) for name in NAMES]
    done.clear()
    assert grade.main(["check", "--assignment", "masking"]) == 0
    assert [name for name, _ in done] == ["masking"]


def test_grading_an_unknown_assignment_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    import grade

    hand_in(tmp_path / "anna.ipynb", "masking")
    assert grade.main(["grade", str(tmp_path), "--assignment", "maskign"]) == 1
    assert "there is no assignment 'maskign'" in capsys.readouterr().err
