"""The chapters are in order, and each kind of disorder is found."""

from __future__ import annotations

import copy
import inspect
import runpy
from pathlib import Path

import nbformat
import pytest
from book_tools import load

from course_lib.evaluation import perplexity

notebooks = load("notebooks")
listings = load("listings")
SETUP = "# set-up\nimport sys"
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


@pytest.mark.parametrize("path", notebooks.chapters(), ids=lambda path: path.stem)
def test_chapter_is_in_order(path):
    assert list(notebooks.problems(path)) == []


@pytest.mark.parametrize("path", notebooks.chapters(), ids=lambda path: path.stem)
def test_a_listing_is_the_source_as_it_is_now(path):
    """Run the chapter again (make notebooks) when this fails; look at the prose around it, too."""
    assert not [thing for _, thing, _ in listings.stale(path)]


def test_a_stale_listing_is_found(good, tmp_path):
    source = "import inspect\nfrom course_lib.evaluation import perplexity\n"
    source += "print(inspect.getsource(perplexity))"
    now = inspect.getsource(perplexity)
    for text, wrong in ((now, []), (now.replace("700", "600"), ["perplexity"])):
        output = nbformat.v4.new_output("stream", text=text)
        good.cells.append(nbformat.v4.new_code_cell(source, execution_count=5, outputs=[output]))
        nbformat.write(good, tmp_path / "99_a.ipynb")
        assert [thing for _, thing, _ in listings.stale(tmp_path / "99_a.ipynb")] == wrong
        del good.cells[-1]


@pytest.fixture
def good() -> nbformat.NotebookNode:
    """A notebook in order: a set-up cell, a printed line, a box with a slider, a meant error."""
    widget = nbformat.v4.new_output(
        "display_data", {notebooks.VIEW: {"model_id": "box"}, "text/plain": "VBox()"}
    )
    printed = nbformat.v4.new_output("stream", text="hello")
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="the point", traceback=[])
    cells = [
        nbformat.v4.new_markdown_cell("# 99 A chapter"),
        nbformat.v4.new_code_cell(SETUP, execution_count=1),
        nbformat.v4.new_code_cell("print('hello')", execution_count=2, outputs=[printed]),
        nbformat.v4.new_code_cell("box", execution_count=3, outputs=[widget]),
        nbformat.v4.new_code_cell("raise ValueError", execution_count=4, outputs=[error]),
    ]
    cells[4].metadata["tags"] = ["raises-exception"]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = KERNEL
    state = {
        "box": {"model_name": "VBoxModel", "state": {"children": ["IPY_MODEL_slider"]}},
        "slider": {"model_name": "IntSliderModel", "state": {}},
    }
    stored = {"state": state, "version_major": 2, "version_minor": 0}
    notebook.metadata["widgets"] = {notebooks.STATE: stored}
    return notebook


def found(notebook: nbformat.NotebookNode, folder: Path) -> str:
    """The problems of ``notebook``, as one text."""
    nbformat.write(notebook, folder / "99_a.ipynb")
    return "; ".join(notebooks.problems(folder / "99_a.ipynb", SETUP))


def test_a_good_notebook_has_no_problems(good, tmp_path):
    assert found(good, tmp_path) == ""


def unrun(nb):
    for cell in nb.cells[1:]:
        cell.outputs, cell.execution_count = [], None


FAULTS = {
    "outputs stripped": (unrun, "no outputs"),
    "one cell run twice": (lambda nb: nb.cells[2].update(execution_count=9), "top to bottom"),
    "a cell not run": (lambda nb: nb.cells[3].update(execution_count=None), "top to bottom"),
    "an error that is not meant": (lambda nb: nb.cells[4].metadata.clear(), "ends in ValueError"),
    "no widget state": (lambda nb: nb.metadata.pop("widgets"), "lacks the state of 1"),
    "state key dropped, as Colab does": (
        lambda nb: nb.metadata.widgets[notebooks.STATE].pop("state"),
        "lacks the state",
    ),
    "a part of a widget missing": (
        lambda nb: nb.metadata.widgets[notebooks.STATE]["state"].pop("slider"),
        "lacks the state of 1",
    ),
    "too large": (
        lambda nb: nb.cells[2].outputs[0].update(text="x" * (notebooks.MAX_BYTES + 1)),
        "bytes long",
    ),
    "set-up cell changed": (lambda nb: nb.cells[1].update(source=SETUP + "\nx = 1"), "set-up cell"),
    "another kernel": (lambda nb: nb.metadata.kernelspec.update(name="my-env"), "kernel 'my-env'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found(good, tmp_path, fault):
    spoil, word = FAULTS[fault]
    broken = copy.deepcopy(good)
    spoil(broken)
    said = found(broken, tmp_path)
    assert word in said and ";" not in said, said


def test_running_a_notebook_stores_outputs_and_widget_state(tmp_path):
    cells = [
        nbformat.v4.new_code_cell(SETUP),
        nbformat.v4.new_code_cell(
            "from course_lib import viz\n"
            "viz.slider(['<p>a</p>', '<p>b</p>'], labels='ab', description='x')"
        ),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = KERNEL
    path = tmp_path / "98_b.ipynb"
    nbformat.write(notebook, path)
    assert "no outputs" in "; ".join(notebooks.problems(path, SETUP))
    notebooks.run(path)
    assert list(notebooks.problems(path, SETUP)) == []
    models = nbformat.read(path, as_version=4).metadata.widgets[notebooks.STATE]["state"].values()
    names = {model["model_name"] for model in models}
    assert {"StackModel", "SelectionSliderModel", "LinkModel", "HTMLModel"} <= names


def test_the_setup_cell_is_silent_outside_of_colab(capsys):
    runpy.run_path(str(notebooks.SETUP))
    assert capsys.readouterr() == ("", "")
