"""The generated map is current and notices changes; tables written by hand tell what is there."""

from __future__ import annotations

import ast
import doctest
import functools
import importlib
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from book_tools import ROOT, load

import course_lib

TOOLS = str(ROOT / "book" / "tools")
sys.path.insert(0, TOOLS)
generated = load("map")
sys.path.remove(TOOLS)
papers, package = sys.modules["papers"], sys.modules["package"]

NUMBER = re.compile(r"arXiv:\s*(\d{4}\.\d{4,5})|arxiv\.org/abs/(\d{4}\.\d{4,5})")


@pytest.fixture
def copy(tmp_path) -> Path:
    """All that the map is made of, and the map."""
    shutil.copytree(
        ROOT / "course_lib",
        tmp_path / "course_lib",
        ignore=lambda folder, names: [
            n for n in names if "." in n and not n.endswith(".py") or n == "__pycache__"
        ],
    )
    names = (
        "README.md _toc.yml book/references.bib book/api.md book/papers.md book/tools/faces.json"
    )
    for name in names.split():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    generated.main(tmp_path)
    return tmp_path


def stale(root: Path, capsys) -> set[str]:
    """What the check names, having checked that it fails if it names something."""
    capsys.readouterr()
    failed = generated.main(root, check=True)
    named = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert failed == bool(named)
    return named


def test_the_map_is_current(capsys):
    assert not generated.main(check=True), capsys.readouterr().out + "(make map)"


def test_it_does_not_depend_on_the_place(copy):
    """The same bytes in another folder, whatever its file system lists first."""
    for path, text in generated.texts(ROOT)[0].items():
        assert (copy / path.relative_to(ROOT)).read_text("utf-8") == text


def test_every_file_has_a_line_in_the_tree_and_no_line_is_too_long(copy):
    text = (copy / "README.md").read_text("utf-8").partition(generated.START)[2]
    lines = text.partition(generated.END)[0].splitlines()
    shown = [line.split()[0] for line in lines if re.match(r" *[\w/]+(\.py|/) ", line)]
    files = package.read_package(ROOT)
    assert shown == [f"{f.path.parent.name}/" if f.is_face else f.path.name for f in files]
    assert max(map(len, lines)) <= generated.WIDTH


def test_a_new_file_is_noticed_and_written(copy, capsys):
    (copy / "course_lib" / "masking" / "cloze.py").write_text('"""Every fifth word is hidden."""\n')
    assert stale(copy, capsys) == {"README.md", "book/api.md"}
    assert generated.main(copy) == 0 and stale(copy, capsys) == set()
    assert "    cloze.py" in (copy / "README.md").read_text("utf-8")
    assert "   course_lib.masking.cloze\n" in (copy / "book" / "api.md").read_text("utf-8")


def test_a_file_without_a_place_is_refused(copy):
    (copy / "course_lib" / "helpers.py").write_text('"""A drawer."""\n')
    with pytest.raises(ValueError, match="helpers has no place: name it among the folders"):
        generated.main(copy)


def test_a_changed_docstring_is_noticed(copy, capsys):
    file = copy / "course_lib" / "masking" / "tokens.py"
    file.write_text('"""Another beginning."""\n' + file.read_text("utf-8").split('"""', 2)[2])
    assert "README.md" in stale(copy, capsys)


def test_a_new_source_is_noticed_and_joins_the_old_one(copy, capsys):
    file = copy / "course_lib" / "batches" / "packing.py"
    with open(file, "a", encoding="utf-8") as end:
        end.write('\ndef later():\n    """As Kudo 2018 and Nobody 1999 (arXiv:9901.00001)."""\n')
    assert stale(copy, capsys) == {"book/papers.md"}
    generated.main(copy)
    found = (copy / "book" / "papers.md").read_text("utf-8")
    kudo = re.search(r"\*\*Kudo 2018\*\*.*\n.*", found)[0]
    assert "tokenization.unigram" in kudo and "batches.packing" in kudo
    assert re.search(r"\*\*Nobody 1999\*\*\. .*9901\.00001.*\\\n.*batches\.packing", found)


def test_marks_that_are_missing_are_named(copy):
    (copy / "README.md").write_text("nothing here")
    with pytest.raises(ValueError, match=r"README\.md lacks"):
        generated.main(copy)


def test_every_arxiv_number_of_a_docstring_is_in_the_index_once():
    page = (ROOT / "book" / "papers.md").read_text("utf-8")
    cited = set()
    for path in (ROOT / "course_lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = papers.prose(ast.get_docstring(node) or "")
                cited |= {one or other for one, other in NUMBER.findall(text)}
    assert len(cited) > 40
    assert {n: page.count(f"[arXiv:{n}]") for n in cited} == dict.fromkeys(cited, 1)


def test_the_index_is_sorted_and_has_titles_where_the_bibliography_knows_them():
    page = (ROOT / "book" / "papers.md").read_text("utf-8").partition("## ")[0]
    heads = re.findall(r"^\*\*(.+) (\d{4})\*\*", page, flags=re.MULTILINE)
    assert heads == sorted(heads, key=lambda head: (papers.sortable(head[0]), head[1]))
    assert "**Hu et al. 2022**. *LoRA: Low-Rank Adaptation of Large Language Models*. " in page
    assert not re.search(r"[{}]\\|\\[a-z'\"]", page)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Hu et al. 2021 (arXiv:2106.09685, section 4)", ["Hu et al. = arXiv:2106.09685"]),
        ("(Hu, 2021, https://arxiv.org/abs/1609.07843)", ["Hu = arXiv:1609.07843"]),
        ("Joshi et al. 2020 (SpanBERT, arXiv:1907.10529)", ["Joshi et al. = arXiv:1907.10529"]),
        ("Tjong Kim Sang and De Meulder 2003  all", ["Tjong Kim Sang and De Meulder = "]),
        ("Socher 2013 (D13-1170)", ["Socher = https://aclanthology.org/D13-1170"]),
        ("the form of CoNLL-2003, in 1911, and 2021 words", []),
        ("Source: https://pip.pypa.io/en/.", [" = https://pip.pypa.io/en/"]),
        ("Matthews 1975 (doi:10.1/0(75)9-9)", ["Matthews = "]),
        ("Matthews 1975 (doi:10.1016/0(75)9-9)", ["Matthews = doi:10.1016/0(75)9-9"]),
        ("An example:\n\n>>> f('https://a.org/b', 'Hu 2021')\n1", []),
        ("Gage 1994; Chen & Wu 1999, doi:10.1006/x.1", ["Gage = ", "Chen & Wu = doi:10.1006/x.1"]),
    ],
)
def test_sources_are_found_as_people_write_them(text, found):
    assert [f"{m.authors} = {m.address}" for m in papers.mentions(text)] == found


def test_the_examples_in_the_tools_are_right():
    for module in (generated, papers, package):
        assert doctest.testmod(module).failed == 0


def test_the_order_is_that_of_the_layout():
    """The plan in the docstring, which the map follows, and the one by which arrows are tested."""
    tree = ast.parse((ROOT / "tests" / "test_layout.py").read_text("utf-8"))
    order = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "ORDER"
    )
    assert package.order_of(course_lib.__doc__) == [n for n in order if n != "__main__"]


# -- the promise of a version ---------------------------------------------------------------------


def test_no_folder_has_lost_a_name_without_a_new_version():
    lost = generated.promises(ROOT, package.read_package(ROOT))[1]
    assert not lost, (
        f"{'; '.join(lost)}, but __version__ is still {course_lib.__version__}. Readers import "
        "them: put them back, or raise __version__, say so in book/changes.md, and make map"
    )


def test_what_is_recorded_is_what_can_be_imported():
    recorded = json.loads((ROOT / "book" / "tools" / "faces.json").read_text("utf-8"))
    assert recorded["version"] == course_lib.__version__
    for face, names in recorded["faces"].items():
        module = importlib.import_module(f"course_lib.{face}")
        assert [name for name in names if not hasattr(module, name)] == [], face


def test_a_lost_name_is_reported_until_the_version_is_raised(copy, capsys):
    face = copy / "course_lib" / "masking" / "__init__.py"
    face.write_text(face.read_text("utf-8").replace('    "span_law",\n', ""), "utf-8")
    for check in (True, False, True):
        assert generated.main(copy, check=check) == 1
        assert "course_lib.masking has lost span_law: put it back" in capsys.readouterr().out
    top = copy / "course_lib" / "__init__.py"
    top.write_text(re.sub('__version__ = ".*"', '__version__ = "2099.01"', top.read_text("utf-8")))
    assert generated.main(copy) == 0 and generated.main(copy, check=True) == 0
    assert "span_law" not in (copy / "book" / "tools" / "faces.json").read_text("utf-8")


def test_the_version_is_told_alike():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == course_lib.__version__
    changes = (ROOT / "book" / "changes.md").read_text("utf-8")
    assert re.search(r"^## (\S+)", changes, flags=re.MULTILINE)[1] == course_lib.__version__
    assert f"this is {course_lib.__version__})" in (ROOT / "book" / "how_to_use.md").read_text(
        "utf-8"
    )


def test_the_new_paths_lead_somewhere_and_the_old_ones_are_gone():
    rows = re.findall(
        r"^\| `([\w.]+)` \| `([\w.]+)` \| (.+) \|$",
        (ROOT / "book" / "changes.md").read_text("utf-8"),
        flags=re.MULTILINE,
    )
    assert len(rows) > 40
    for old, new, names in rows:
        module = importlib.import_module(f"course_lib.{new}")
        for name in re.findall(r"`([\w.]+)`", names):
            assert functools.reduce(getattr, name.split("."), module), (new, name)
            try:
                before = importlib.import_module(f"course_lib.{old}")
            except ModuleNotFoundError:
                continue
            assert not hasattr(before, name), f"{old} still has {name}"


# -- benchmarks and their records -----------------------------------------------------------------

BENCHMARKS = ROOT / "benchmarks"


def rows_of_benchmarks() -> list[list[str]]:
    """The cells of the tables in benchmarks/README.md, whose first one links to a script."""
    lines = (BENCHMARKS / "README.md").read_text("utf-8").splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| [")]


def links(cell: str) -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", cell)


def test_every_script_and_every_record_is_in_the_table_of_benchmarks():
    linked = [link for row in rows_of_benchmarks() for cell in row for link in links(cell)]
    assert {p.name for p in BENCHMARKS.glob("*.py")} == {n for n in linked if n.endswith(".py")}
    records = [n for n in linked if n.endswith(".json")]
    assert {f"results/{p.name}" for p in BENCHMARKS.glob("results/*.json")} == set(records)
    assert len(records) == len(set(records))
    assert [n for n in linked if not (BENCHMARKS / n).exists()] == []


def records_read(notebook: Path) -> set[str]:
    """The records that the code of a chapter reads."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    read = set(re.findall(r'read_record\("(\w+)"', code))
    # one call for several: read_record(f"peft_{part}", ...) for part in ("costs", "quality")
    for start, name, listed in re.findall(
        r'read_record\(f"(\w*)\{(\w+)\}".*?for \2 in \(([^)]*)\)', code.replace("\n", " ")
    ):
        read |= {start + part for part in re.findall(r'"(\w+)"', listed)} if name else set()
    return read


def test_each_chapter_in_the_table_reads_the_record_and_none_is_left_out():
    told: dict[str, set[str]] = {path.name: set() for path in ROOT.glob("notebooks/[0-9]*.ipynb")}
    for row in rows_of_benchmarks():
        if len(row) > 3:
            for link in links(row[3]):
                told[Path(link).name] |= {Path(record).stem for record in links(row[2])}
    assert told == {path.name: records_read(path) for path in ROOT.glob("notebooks/[0-9]*.ipynb")}
