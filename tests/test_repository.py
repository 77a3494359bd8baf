"""One place holds the repository's address; all that shows it agrees; setting it can be undone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
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


COURSE = "https://github.com/Me/course"
SPELLINGS = {
    COURSE: COURSE,
    f"  {COURSE}/  ": COURSE,
    f"{COURSE}.git/": COURSE,
    f"{COURSE}.GIT": COURSE,
    "https://GitHub.com/Me/course": COURSE,
    "https://www.github.com/Me/course": COURSE,
    "https://WWW.GITHUB.COM:443//Me//course//": COURSE,
    f"{COURSE}/tree/main": COURSE,
    f"{COURSE}/blob/main/README.md": COURSE,
    f"{COURSE}/issues": COURSE,
    f"{COURSE}?tab=readme-ov-file#setup": COURSE,
    f"{COURSE}#readme": COURSE,
    f"git+{COURSE}.git": COURSE,
    "https://me@github.com/Me/course": COURSE,
    "https://me:ghp_secret@github.com/Me/course.git": COURSE,
    "git@github.com:Me/course.git": COURSE,
    "ssh://git@github.com/Me/course.git": COURSE,
    "ssh://git@github.com:22/Me/course": COURSE,
    "https://github.com/Me/course.github.io": "https://github.com/Me/course.github.io",
    "https://github.com/Me/a-b_c.d": "https://github.com/Me/a-b_c.d",
    "https://gitlab.com/a/b/c/course": "https://gitlab.com/a/b/c/course",
    "https://gitlab.com/a/b/course/-/tree/main/book": "https://gitlab.com/a/b/course",
    "git@gitlab.com:a/b/course.git": "https://gitlab.com/a/b/course",
    "https://me@bitbucket.org/me/course/src/main/": "https://bitbucket.org/me/course",
    "https://codeberg.org/me/course/src/branch/main": "https://codeberg.org/me/course",
    "https://github.firm.com/me/course/tree/main": "https://github.firm.com/me/course",
    "https://git.firm.com:8443/me/course.git": "https://git.firm.com:8443/me/course",
    "https://git.firm.com/course": "https://git.firm.com/course",
}


@pytest.mark.parametrize("url", SPELLINGS)
def test_every_spelling_of_an_address_is_one(url):
    assert repository.normal(url) == SPELLINGS[url]
    assert repository.normal(SPELLINGS[url]) == SPELLINGS[url]


@pytest.mark.parametrize(
    "url", ["git@GitHub.com:me/course.git", "https://www.github.com/me/course/tree/main"]
)
def test_links_of_a_spelling_open_the_chapters(copy, url):
    repository.main(url, copy)
    assert set(shown(copy).values()) == {"https://github.com/me/course"}
    text = (copy / "README.md").read_text()
    for chapter in repository.chapters(copy):
        link = f"{repository.COLAB}/github/me/course/blob/main/notebooks/{chapter.name})"
        assert link in text
    assert "git clone https://github.com/me/course && cd course" in text


@pytest.mark.parametrize(
    ("url", "repository_button", "issues_button"),
    [
        ("https://gitlab.com/a/b/course", True, True),
        ("https://github.firm.com/me/course", True, True),
        ("https://bitbucket.org/me/course", True, False),
        ("https://git.firm.com/me/course", False, False),
    ],
)
def test_buttons_that_the_theme_has_not_are_left_out(copy, url, repository_button, issues_button):
    repository.main(url, copy)
    assert set(shown(copy).values()) == {url}
    html = yaml.safe_load((copy / "_config.yml").read_text())["html"]
    assert html["use_repository_button"] is repository_button
    assert html["use_issues_button"] is issues_button
    assert "colab.research" not in (copy / "README.md").read_text().split("<!-- repository")[1]


@pytest.mark.parametrize("url", ["https://git.firm.com/me/course", ""])
def test_the_book_is_built_without_an_address_that_the_theme_does_not_know(url, monkeypatch):
    # a script imports its neighbours
    monkeypatch.syspath_prepend(ROOT / "book" / "tools")
    build = load("build")
    # it would ask the network
    monkeypatch.setattr(build, "vendor", lambda: False)
    monkeypatch.setattr(build.yaml, "safe_load", with_address(build.yaml.safe_load, url))
    config, _ = build.settings(instructor=False)
    assert config["repository"]["url"] == ""
    monkeypatch.setattr(build.yaml, "safe_load", with_address(yaml.safe_load, COURSE))
    assert build.settings(instructor=False)[0]["repository"]["url"] == COURSE


def with_address(read, url):
    """``read`` as if the address had been set to ``url``."""

    def changed(text):
        content = read(text)
        if "repository" in content:
            content["repository"]["url"] = url
        return content

    return changed


@pytest.mark.parametrize(
    "url",
    [
        "github.com/me/course",
        "http://github.com/me/course",
        'https://x.org/a"b',
        "https://x.org",
        "https://github.com/me",
        "https://gitlab.com/course/",
        "https://gitlab.com/-/tree/main",
        "https://github.com/me/..",
        "https://github.com/me/my course",
        "https://github.com/me/.git",
        "me/course",
        "/home/me/course",
        "https://github.com/me/course\nhttps://github.com/me/other",
    ],
)
def test_what_is_no_address_is_refused(copy, url):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="URL="):
        repository.main(url, copy)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/me/course/tree/dev",
        "https://gitlab.com/a/b/course/-/blob/dev/README.md",
        "https://codeberg.org/me/course/src/branch/dev",
    ],
)
def test_another_branch_is_refused(url):
    with pytest.raises(ValueError, match="the branch 'dev', but all links lead to 'main'"):
        repository.normal(url)


def test_a_refusal_is_one_line_without_the_password():
    script = ROOT / "book" / "tools" / "repository.py"
    url = "https://me:ghp_secret@github.com/me"
    command = [sys.executable, script, url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: URL='https://...@")
    assert "secret" not in done.stderr


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
