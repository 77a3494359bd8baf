"""Whatever a student hands in, it is that student's problem alone: a line with the reason."""

from __future__ import annotations

import copy
import csv
import json
import os
import re
from argparse import Namespace

import nbformat
import pytest
from assignment_judge import bare
from grader import collecting, reading, restoring
from grader.report import Row


@pytest.fixture(scope="module")
def raw(source: nbformat.NotebookNode) -> dict:
    """The source notebook as JSON: with all answers, so that it can be put into shape."""
    return json.loads(nbformat.writes(source))


def cell_of(notebook: dict, text: str) -> dict:
    return next(cell for cell in notebook["cells"] if text in "".join(cell["source"]))


def text_of(cell: dict) -> str:
    return "".join(cell["source"])


ANSWER = "def find_candidates"
# either way will do
ANYTHING = ""
DEEP = "[" * 99_999
LONG = " + ".join(["1"] * 60_000)
# each changes the notebook; None: it is graded all the same
DAMAGE = {
    "source null": (lambda n: n["cells"][1].update(source=None), "source of cell 2 is not text"),
    "source number": (lambda n: n["cells"][1].update(source=5), "source of cell 2 is not text"),
    "source of lists": (lambda n: n["cells"][1].update(source=[["a"]]), "damaged"),
    "cells number": (lambda n: n.update(cells=5), "its cells are no list"),
    "cells null": (lambda n: n.update(cells=None), "its cells are no list"),
    "cells of lists": (lambda n: n.update(cells=[[]]), "one of its cells is not a cell"),
    "worksheets number": (lambda n: (n.pop("cells"), n.update(worksheets=3)), "no list of sheets"),
    "format text": (lambda n: n.update(nbformat="four"), "damaged"),
    "format of the future": (lambda n: n.update(nbformat=99), "damaged"),
    "too many cells": (lambda n: n["cells"].extend(n["cells"] * 80), r"cells, more than 2000"),
    "grade_id list": (
        lambda n: cell_of(n, ANSWER)["metadata"].update(nbgrader={"grade_id": ["x"]}),
        None,
    ),
    "metadata list": (lambda n: cell_of(n, ANSWER).update(metadata=[1]), None),
    "outputs number": (lambda n: cell_of(n, ANSWER).update(outputs=7), None),
    "huge output": (
        lambda n: cell_of(n, ANSWER).update(
            outputs=[{"output_type": "stream", "name": "stdout", "text": "a" * 5_000_000}]
        ),
        None,
    ),
    "attachments list": (lambda n: n["cells"][0].update(attachments=[1]), None),
    "attachments deep": (lambda n: n["cells"][0].update(attachments={"a": {"b": [[[1]]]}}), None),
    "unknown kind": (
        lambda n: n["cells"].append({"cell_type": "x", "metadata": {}, "source": "a"}),
        None,
    ),
    "metadata of the whole": (lambda n: n.update(metadata=[1]), ANYTHING),
    "id number": (lambda n: n["cells"][0].update(id=[1]), ANYTHING),
    "long expression": (
        lambda n: cell_of(n, ANSWER).update(source=f"{text_of(cell_of(n, ANSWER))}\nx = {LONG}\n"),
        ANYTHING,
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_notebook_is_refused_or_mended(raw, source, tmp_path, damage) -> None:
    change, reason = DAMAGE[damage]
    odd = copy.deepcopy(raw)
    change(odd)
    path = tmp_path / "ben.ipynb"
    path.write_text(json.dumps(odd))
    _, [one] = collecting.collect(tmp_path, "masking")
    try:
        restored = restoring.restore(reading.read_notebook(one.path), source)
    except reading.Refused as why:
        assert reason is not None, f"refused: {why}"
        assert re.search(reason, str(why)) and len(str(why)) < 300
        return
    assert reason in (None, ANYTHING), "it was not refused"
    nbformat.write(restored.notebook, tmp_path / "out.ipynb")
    assert ANSWER in (tmp_path / "out.ipynb").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f'{{"cells":{DEEP}'.encode(), "nested too deeply"),
        (b'{"cells": [], "nbformat": ' + b"1" * 5000 + b"}", "damaged"),
        ('{"cells": []}'.encode("utf-16"), "not UTF-8"),
        (b"PK\x03\x04" + bytes(range(256)), "not UTF-8"),
        (b" \n", "the file is empty"),
        (b"null", "no cells"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, content, reason) -> None:
    path = tmp_path / "ben.ipynb"
    path.write_bytes(content)
    with pytest.raises(reading.Refused, match=reason):
        reading.read_notebook(path)
    assert collecting.collect(tmp_path, "masking")[1][0].path == path


def test_a_huge_file_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 2**20)
    (tmp_path / "ben.ipynb").write_text(" " * (2**20 + 1))
    with pytest.raises(reading.Refused, match="1 MiB, more than 1: clear its outputs"):
        reading.read_notebook(tmp_path / "ben.ipynb")


def test_halves_of_characters_are_joined_or_replaced(raw, source, tmp_path) -> None:
    assert reading.whole_characters("a \ud83d\ude00 b \ud83d") == "a 😀 b \ufffd"
    assert reading.whole_characters("plain é") == "plain é"
    odd = copy.deepcopy(raw)
    answer = cell_of(odd, ANSWER)
    text = text_of(answer)
    answer["source"] = [f"{text}\n# smile \ud83d", "\ude00, half \ud83d"]
    path = tmp_path / "ben.ipynb"
    path.write_text(json.dumps(odd))
    restored = restoring.restore(reading.read_notebook(path), source)
    nbformat.write(restored.notebook, tmp_path / "out.ipynb")
    assert "# smile 😀, half \ufffd" in (tmp_path / "out.ipynb").read_text(encoding="utf-8")


def test_folders_and_links_with_a_notebooks_name(tmp_path, source) -> None:
    folder = tmp_path / "in"
    (folder / "anna.ipynb").mkdir(parents=True)
    (folder / "ben" / "masking.ipynb").mkdir(parents=True)
    (folder / "carl.ipynb").symlink_to("nowhere.ipynb")
    (folder / "dora.ipynb").symlink_to("dora.ipynb")
    nbformat.write(bare(source), tmp_path / "elsewhere.ipynb")
    (folder / "emil.ipynb").symlink_to(tmp_path / "elsewhere.ipynb")
    os.mkfifo(folder / "fred.ipynb")
    nbformat.write(bare(source), folder / "gina.ipynb")
    (folder / "hugo").mkdir()
    (folder / "hugo" / "masking.ipynb").symlink_to("gone")
    name, found = collecting.collect(folder)
    problems = {one.who: one.problem for one in found}
    assert name == "masking"
    assert "no notebook (.ipynb) in this folder" in problems["anna.ipynb"]
    assert "masking.ipynb: this is a folder" in problems["ben"]
    assert "a link that leads to no file" in problems["carl"]
    assert "a link that leads to no file" in problems["dora"]
    assert "this is no plain file" in problems["fred"]
    assert "masking.ipynb: a link that leads to no file" in problems["hugo"]
    assert problems["emil"] == problems["gina"] == ""


def test_a_name_in_another_encoding_can_be_written(tmp_path, source) -> None:
    import grade

    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    name = os.fsdecode(b"J\xfcrgen.ipynb")
    nbformat.write(source, folder / name)
    other = folder / os.fsdecode(b"J\xfcrg")
    other.mkdir()
    for which in "ab":
        nbformat.write(source, other / os.fsdecode(b"\xfc" + which.encode() + b".ipynb"))
    _, found = collecting.collect(folder)
    assert [one.who for one in found] == ["J\ufffdrg", "J\ufffdrgen"]
    assert "several notebooks (\ufffda.ipynb, \ufffdb.ipynb)" in found[0].problem
    rows = [Row(one.who, grade.identity_of(one.who, set()), problem=one.problem) for one in found]
    rows[1].grades = {"test-1": {"points": 1.0, "max": 1.0, "manual": False}}
    out.mkdir()
    grade.publish(rows, Namespace(out=out, assignment="masking"))
    with open(out / "grades.csv", encoding="utf-8-sig", newline="") as file:
        lines = {line["student"]: line for line in csv.DictReader(file)}
    assert set(lines) == {one.who for one in found}
    # its page could not be made, and that stops nobody
    assert "no page with the cells" in lines["J\ufffdrgen"]["remarks"]
    assert len(list((out / "feedback").glob("*.html"))) == 2


def test_what_nobody_thought_of_is_one_students_problem(tmp_path, source, monkeypatch) -> None:
    import grade

    def break_down(*arguments, **options):
        raise ZeroDivisionError("of all things")

    nbformat.write(source, tmp_path / "ben.ipynb")
    monkeypatch.setattr(grade.restoring, "restore", break_down)
    _, [one] = collecting.collect(tmp_path, "masking")
    options = Namespace(accept_missing=False, assignment="masking")
    row = grade.prepare(one, [], source, tmp_path, options)
    assert row.status() == "not graded" and "ZeroDivisionError: of all things" in row.problem


def test_names_of_files_are_short_and_nobody_elses() -> None:
    import grade

    assert grade.identity_of("Ann Lee", set()) == "Ann_Lee"
    assert grade.identity_of("../", set()) == "student"
    assert grade.identity_of("a", {"a", "a_"}) == "a__"
    long = grade.identity_of("李" * 83, set())
    assert len(f"error-{long}.log".encode()) < 255 and long == "李" * 66
