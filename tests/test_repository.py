"""One place holds the repository's address; all that shows it agrees; setting it can be undone."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from book_tools import load

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")
import yaml

ROOT = Path(__file__).resolve().parents[1]
URL = "https://github.com/someone/a-course"


repository = load("repository")


def shown(root: Path) -> dict[str, str]:
    """The address as each file has it."""
    tools = tomllib.loads((root / "pyproject.toml").read_text())["tool"]
    found = {"pyproject.toml": tools["course"]["repository"]}
    found["_config.yml"] = yaml.safe_load((root / "_config.yml").read_text())["repository"]["url"]
    setup = (root / "notebooks" / "_setup_cell.py").read_text()
    found["_setup_cell.py"] = re.search(r'COURSE_REPOSITORY = "(.*?)"', setup)[1]
    clone = re.search(r"git clone (\S+)", (root / "README.md").read_text())
    found["README.md"] = clone[1] if clone else ""
    for path in repository.chapters(root):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells]
        source = sources[0]
        found[path.name] = re.search(r'COURSE_REPOSITORY = "(.*?)"', "".join(sources) or source)[1]
    return found


@pytest.fixture
def copy(tmp_path) -> Path:
    """The files that hold the address, copied."""
    (tmp_path / "notebooks").mkdir()
    for path in repository.edits(ROOT, ""):
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    return tmp_path


def test_all_files_agree():
    assert len(set(shown(ROOT).values())) == 1, shown(ROOT)


def test_the_tree_is_what_the_script_writes():
    address = shown(ROOT)["pyproject.toml"]
    wrong = [
        p.name
        for p, text in repository.edits(ROOT, address).items()
        if p.read_text(encoding="utf-8") != text
    ]
    assert wrong == []


def test_setting_reaches_every_file_and_unsetting_restores_every_byte(copy):
    repository.main("", copy)
    before = {path: path.read_bytes() for path in sorted(copy.rglob("*")) if path.is_file()}
    repository.main(URL + ".git", copy)
    assert set(shown(copy).values()) == {URL}
    config = yaml.safe_load((copy / "_config.yml").read_text())
    assert config["html"]["use_repository_button"]
    assert config["launch_buttons"]["colab_url"] == repository.COLAB
    for path in copy.glob("notebooks/*.ipynb"):
        json.loads(path.read_text(encoding="utf-8"))
    repository.main("", copy)
    assert {path: path.read_bytes() for path in before} == before


def test_unset_there_are_no_dead_buttons(copy):
    repository.main("", copy)
    config = yaml.safe_load((copy / "_config.yml").read_text())
    assert not config["html"]["use_repository_button"] and not config["html"]["use_issues_button"]
    assert config["launch_buttons"]["colab_url"] == ""


def test_a_host_that_colab_cannot_open_gets_no_launch_button(copy):
    repository.main("https://gitlab.com/someone/course", copy)
    config = yaml.safe_load((copy / "_config.yml").read_text())
    assert config["launch_buttons"]["colab_url"] == "" and config["html"]["use_repository_button"]
    assert "colab.research" not in (copy / "README.md").read_text().split("<!-- repository")[1]


@pytest.mark.parametrize(
    "url",
    ["github.com/me/course", "http://github.com/me/course", 'https://x.org/a"b', "https://x.org"],
)
def test_what_is_no_address_is_refused(copy, url):
    with pytest.raises(ValueError, match="URL="):
        repository.main(url, copy)


def test_a_file_that_lost_its_place_is_named(copy):
    (copy / "README.md").write_text("nothing here")
    with pytest.raises(ValueError, match=r"README\.md"):
        repository.main(URL, copy)


def test_every_module_is_in_the_api_reference():
    text = (ROOT / "book" / "api.md").read_text("utf-8")
    listed = re.findall(r"^   (course_lib\S+)$", text, flags=re.MULTILINE)
    files = (p.relative_to(ROOT).with_suffix("") for p in (ROOT / "course_lib").glob("**/*.py"))
    there = {".".join(p.parts).removesuffix(".__init__") for p in files if p.name != "__main__"}
    assert sorted(listed) == sorted(there - {"course_lib"})


def test_every_chapter_is_in_the_table_of_contents_and_on_the_landing_page():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    landing = (ROOT / "book" / "index.md").read_text()
    for path in repository.chapters(ROOT):
        assert f"notebooks/{path.stem}" in files, f"{path.name} is not in _toc.yml"
        row = re.search(rf"^\|.*\(\.\./notebooks/{path.name}\).*\|$", landing, flags=re.MULTILINE)
        assert row and "**ready**" in row[0], f"{path.name} is not marked ready in book/index.md"


def test_pins_are_exact_and_torch_comes_first():
    lines = [
        line
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert lines[0] == "torch==2.13.0"
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.!+]+", line)] == []
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    loose = [re.match(r"[\w.-]+", line)[0].lower() for line in project["dependencies"]]
    assert set(loose) <= pinned
    exact = [line for line in project["dependencies"] if "==" in line]
    assert not exact, "a pin would replace what Colab has"
