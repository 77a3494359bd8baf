"""Notebooks that an editor has mangled are put into shape, or refused with a word on the cell."""

from __future__ import annotations

import copy

import nbformat
import pytest
from assignment_answers import BERNOULLI
from assignment_judge import answer, name_of
from nbformat.v4 import new_code_cell, new_markdown_cell

DERIVATION = "**My derivation**\n\nBy linearity, $E[K] = nr + (1-r)^n$."


@pytest.fixture
def handed_in(release: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A notebook with correct answers and all its metadata."""
    return answer(release, {**BERNOULLI, "derivation": DERIVATION})


def restored(notebook: nbformat.NotebookNode, release: nbformat.NotebookNode, **options: bool):
    from grader import restoring

    before = copy.deepcopy(notebook)
    result = restoring.restore(notebook, release, **options)
    assert notebook == before, "restoring must not change what was handed in"
    nbformat.validate(result.notebook)
    return result


def sources(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """The text of each given cell; checks that all have their metadata, in the released order."""
    given = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    return {name_of(cell): cell.source.strip() for cell in given}


def assert_same(result: nbformat.NotebookNode, wanted: nbformat.NotebookNode) -> None:
    assert sources(result) == sources(wanted)
    assert list(sources(result)) == list(sources(wanted)), "the cells are not in the released order"
    given = [cell for cell in result.cells if "nbgrader" in cell.metadata]
    for one, other in zip(given, wanted.cells, strict=True):
        assert one.metadata == other.metadata
        assert one.cell_type == other.cell_type


def position(notebook: nbformat.NotebookNode, name: str) -> int:
    return next(i for i, cell in enumerate(notebook.cells) if name_of(cell) == name)


def drop_metadata(notebook: nbformat.NotebookNode) -> None:
    for i, cell in enumerate(notebook.cells):
        cell.metadata, cell["id"] = nbformat.NotebookNode(), f"new-{i}"


def test_sound_notebook_passes_through(handed_in, release) -> None:
    result = restored(handed_in, release)
    assert_same(result.notebook, handed_in)
    assert result.remarks == ()


def test_dropped_metadata_and_new_ids(handed_in, release) -> None:
    wanted = copy.deepcopy(handed_in)
    drop_metadata(handed_in)
    result = restored(handed_in, release)
    assert_same(result.notebook, wanted)
    assert "metadata was missing" in result.remarks[0]


def test_dropped_metadata_with_other_line_ends_and_blanks(handed_in, release) -> None:
    wanted = copy.deepcopy(handed_in)
    drop_metadata(handed_in)
    for cell in handed_in.cells:
        cell.source = "\n" + cell.source.replace("\n", "  \r\n") + "\n\n"
    result = restored(handed_in, release)
    locked = [name_of(c) for c in wanted.cells if c.metadata["nbgrader"]["locked"]]
    for name in locked:
        assert sources(result.notebook)[name] == sources(wanted)[name], name
    assert "def corrupt" in sources(result.notebook)["ex4"]


def test_metadata_dropped_on_some_cells_only(handed_in, release) -> None:
    wanted = copy.deepcopy(handed_in)
    for i in [position(handed_in, name) for name in ("ex2", "test-2a", "derivation")]:
        handed_in.cells[i].metadata = nbformat.NotebookNode()
    assert_same(restored(handed_in, release).notebook, wanted)


def test_reordered_cells(handed_in, release) -> None:
    wanted = copy.deepcopy(handed_in)
    drop_metadata(handed_in)
    handed_in.cells = handed_in.cells[12:] + handed_in.cells[:12]
    result = restored(handed_in, release)
    assert_same(result.notebook, wanted)
    assert any("moved" in remark for remark in result.remarks)


@pytest.mark.parametrize("metadata", ["kept", "dropped"])
def test_merged_answers_are_taken_apart(handed_in, release, metadata: str) -> None:
    wanted = copy.deepcopy(handed_in)
    first, second = position(handed_in, "ex2"), position(handed_in, "ex3")
    middle, last = handed_in.cells[first + 1], handed_in.cells[second]
    handed_in.cells[first].source += "\n\n" + middle.source + "\n\n" + last.source
    del handed_in.cells[second], handed_in.cells[first + 1]
    if metadata == "dropped":
        drop_metadata(handed_in)
    result = restored(handed_in, release)
    assert_same(result.notebook, wanted)
    assert any("taken apart" in remark for remark in result.remarks)


def test_answer_merged_into_the_test_above_it(handed_in, release) -> None:
    wanted = copy.deepcopy(handed_in)
    test, solution = position(handed_in, "test-2c"), position(handed_in, "ex3")
    handed_in.cells[test].source += "\n\n" + handed_in.cells[solution].source
    del handed_in.cells[solution]
    assert_same(restored(handed_in, release).notebook, wanted)


def test_duplicated_cells(handed_in, release) -> None:
    wanted = copy.deepcopy(handed_in)
    for name in ("ex4", "test-4a", "derivation"):
        i = position(handed_in, name)
        handed_in.cells.insert(i, copy.deepcopy(handed_in.cells[i]))
    assert_same(restored(handed_in, release).notebook, wanted)


def test_answer_in_a_copy_beside_the_untouched_cell(handed_in, release) -> None:
    wanted = copy.deepcopy(handed_in)
    i = position(handed_in, "ex5")
    handed_in.cells.insert(i + 1, new_code_cell(handed_in.cells[i].source))
    handed_in.cells[i].source = release.cells[i].source
    assert_same(restored(handed_in, release).notebook, wanted)


def test_two_different_answers_are_refused_with_their_cells(handed_in, release) -> None:
    from grader.reading import Refused

    i = position(handed_in, "ex1")
    drop_metadata(handed_in)
    handed_in.cells.insert(
        i, new_code_cell("def find_candidates(input_ids, special_mask):\n    return input_ids > 4")
    )
    with pytest.raises(
        Refused, match=rf"ex1: the cells {i + 1} and {i + 2} define `find_candidates` differently"
    ):
        restored(handed_in, release)


def test_missing_answer_is_refused_or_accepted_on_demand(handed_in, release) -> None:
    from grader.reading import Refused

    del handed_in.cells[position(handed_in, "ex6")]
    with pytest.raises(Refused, match="ex6 is missing: no cell defines `ensure_target`"):
        restored(handed_in, release)
    result = restored(handed_in, release, accept_missing=True)
    assert "NotImplementedError" in sources(result.notebook)["ex6"]
    assert any("ex6: missing" in remark for remark in result.remarks)


def test_renamed_function_is_remarked(handed_in, release) -> None:
    i = position(handed_in, "ex6")
    handed_in.cells[i].source = handed_in.cells[i].source.replace("ensure_target", "my_function")
    result = restored(handed_in, release)
    assert any("no cell defines `ensure_target`" in remark for remark in result.remarks)


def test_deleted_given_cells_come_back(handed_in, release) -> None:
    wanted = copy.deepcopy(handed_in)
    for name in ("test-1", "imports", "ex4-about", "test-7"):
        del handed_in.cells[position(handed_in, name)]
    assert_same(restored(handed_in, release).notebook, wanted)


def test_edited_tests_are_replaced_and_remarked(handed_in, release) -> None:
    wanted = copy.deepcopy(handed_in)
    cell = handed_in.cells[position(handed_in, "test-4b")]
    cell.source = "pass"
    cell.metadata["nbgrader"]["points"] = 100
    cell.metadata["tags"] = ["skip-execution"]
    result = restored(handed_in, release)
    assert_same(result.notebook, wanted)
    assert any("test-4b" in remark and "edited" in remark for remark in result.remarks)


def test_own_cells_stay_where_they_were(handed_in, release) -> None:
    i = position(handed_in, "ex4")
    handed_in.cells.insert(i, new_code_cell("def helper(x):\n    return x"))
    handed_in.cells.insert(i, new_markdown_cell("My notes"))
    handed_in.cells.append(new_code_cell("%timeit -n 1 1 + 1"))
    cells = restored(handed_in, release).notebook.cells
    place = next(k for k, cell in enumerate(cells) if "def helper" in cell.source)
    assert cells[place - 1].source == "My notes"
    assert name_of(cells[place + 1]) == "ex4"
    assert "timeit" in cells[-1].source


def test_import_added_to_a_given_cell_is_kept(handed_in, release) -> None:
    i = position(handed_in, "imports")
    handed_in.cells[i].source += "\nimport itertools\n\ndef twice(x):\n    return 2 * x"
    result = restored(handed_in, release)
    cells = result.notebook.cells
    assert cells[i].source == release.cells[i].source
    assert "import itertools" in cells[i + 1].source and "def twice" in cells[i + 1].source


def test_redefined_helpers_are_left_out(handed_in, release) -> None:
    i = position(handed_in, "ex4")
    handed_in.cells[i].source += "\n\ndef assert_near(*arguments):\n    pass\n"
    handed_in.cells.insert(i, new_code_cell("seeded = lambda seed: torch.Generator()\nx = 1"))
    result = restored(handed_in, release)
    code = "\n".join(
        c.source for c in result.notebook.cells if c.source not in {g.source for g in release.cells}
    )
    assert "assert_near" not in code and "seeded" not in code and "x = 1" in code
    assert sum("redefines" in remark for remark in result.remarks) == 2


@pytest.mark.parametrize("how", ["own cell", "stub deleted", "code cell"])
def test_written_answer_outside_its_cell(handed_in, release, how: str) -> None:
    i = position(handed_in, "derivation")
    text = "Here is my proof: $nr + (1-r)^n$"
    if how == "own cell":
        handed_in.cells[i].source = release.cells[i].source
        handed_in.cells.insert(i + 1, new_markdown_cell(text))
    elif how == "stub deleted":
        handed_in.cells[i] = new_markdown_cell(text)
    else:
        cell = new_code_cell(text)
        cell.metadata = handed_in.cells[i].metadata
        handed_in.cells[i] = cell
    result = restored(handed_in, release)
    cell = next(
        c
        for c in result.notebook.cells
        if c.metadata.get("nbgrader", {}).get("grade_id") == "derivation"
    )
    assert text in cell.source and cell.cell_type == "markdown"


def test_photograph_of_a_derivation_is_kept(handed_in, release) -> None:
    picture = {"page.png": {"image/png": "aGVsbG8="}}
    cell = handed_in.cells[position(handed_in, "derivation")]
    cell.source, cell.attachments = "![page](attachment:page.png)", picture
    result = restored(handed_in, release)
    cell = next(
        c
        for c in result.notebook.cells
        if c.metadata.get("nbgrader", {}).get("grade_id") == "derivation"
    )
    assert cell.attachments == picture


def test_missing_derivation_is_refused(handed_in, release) -> None:
    from grader.reading import Refused

    del handed_in.cells[position(handed_in, "derivation")]
    with pytest.raises(Refused, match="written answer derivation is missing"):
        restored(handed_in, release)


def test_another_notebook_is_refused(release) -> None:
    from grader.reading import Refused

    other = nbformat.v4.new_notebook(
        cells=[new_code_cell("print('hello')"), new_markdown_cell("# Homework 3")]
    )
    with pytest.raises(Refused, match="another notebook"):
        restored(other, release)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"{not json", "no valid JSON"),
        (b'{"a": 1}', "not a notebook"),
        (b"[1, 2]", "not a notebook"),
        (b"\xff\xfe\x00\x01", "not a notebook"),
        (b'{"cells": [3], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "damaged"),
    ],
)
def test_bad_files_get_a_clear_line(tmp_path, content: bytes, reason: str) -> None:
    from grader import reading

    path = tmp_path / "anna.ipynb"
    path.write_bytes(content)
    with pytest.raises(reading.Refused, match=reason):
        reading.read_notebook(path)


def test_old_format_and_byte_order_mark_are_read(tmp_path, handed_in, release) -> None:
    from grader import reading

    old = copy.deepcopy(handed_in)
    old.nbformat_minor = 2
    for cell in old.cells:
        del cell["id"]
    path = tmp_path / "anna.ipynb"
    path.write_bytes(b"\xef\xbb\xbf" + nbformat.writes(old, version=nbformat.NO_CONVERT).encode())
    assert_same(restored(reading.read_notebook(path), release).notebook, handed_in)


def test_collecting_knows_the_usual_folders(tmp_path) -> None:
    from grader import collecting

    for name in (
        "anna.ipynb",
        "anna/masking.ipynb",
        "李雷_masking.ipynb",
        "carl/masking/masking.ipynb",
        "dora/my own name.ipynb",
        "emil/a.ipynb",
        "emil/b.ipynb",
        "fritz/notes.txt",
        "gina.pdf",
        ".ipynb_checkpoints/x.ipynb",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    found = {s.who: s for s in collecting.collect(tmp_path, "masking")[1]}
    assert set(found) == {"anna", "李雷", "carl", "dora", "emil", "fritz", "gina.pdf"}
    assert {who for who, s in found.items() if s.path} == {"李雷", "carl", "dora"}
    assert "two submissions" in found["anna"].problem
    assert "several notebooks" in found["emil"].problem
    assert "no notebook" in found["fritz"].problem
    assert "not a notebook" in found["gina.pdf"].problem


def test_empty_or_missing_folder_is_an_error(tmp_path) -> None:
    from grader import collecting
    from grader.environment import GradingError

    with pytest.raises(GradingError, match="is empty"):
        collecting.collect(tmp_path, "masking")
    with pytest.raises(GradingError, match="not a folder"):
        collecting.collect(tmp_path / "nowhere", "masking")
