"""Write the repository's address everywhere it is used, or take it out again.

    python book/tools/repository.py https://github.com/me/course
    python book/tools/repository.py ""    # unset

It is kept in ``[tool.course]`` of pyproject.toml and written from there into _config.yml, README.md
and the set-up cell of each chapter. Without one there are no launch buttons, and Colab's cell says
what to do. Setting and unsetting gives back the same bytes.

What stands in the browser's bar and what ``git remote -v`` prints are taken too, and written as
``https://HOST/OWNER/NAME``. Colab opens github.com only; buttons that the book's theme has not for
a host are left out.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLAB = "https://colab.research.google.com"
UNSET = "<!-- repository: unset -->"
BRANCH = "main"
SSH = re.compile(r"(?:ssh://)?(?:[\w.-]+@)(?P<host>[\w.-]+)(?::\d+/|[:/])(?P<path>\S+)")
HTTPS = re.compile(r"(?:git\+)?https://(?:[^/@]*@)?(?P<host>[\w.-]+(?::\d+)?)/(?P<path>\S+)")
# hosts where a repository is owner/name, so that what follows is one of its pages
PLAIN = ("github.com", "bitbucket.org", "codeberg.org")
PAGES = ("tree", "blob", "src", "issues", "pull", "pulls", "commit", "commits", "releases", "wiki")


def normal(url: str) -> str:
    """The address as it is written everywhere, https://host/owner/name; empty if it is.

    >>> normal("git@GitHub.com:me/course.git"), normal("https://www.github.com/me/course/tree/main")
    ('https://github.com/me/course', 'https://github.com/me/course')

    Raises ValueError if it is no address of a repository, or of another branch.
    """
    url = url.strip()
    if not url:
        return ""
    shown = re.sub(r"://[^/]*@", "://...@", url)
    match = SSH.fullmatch(url) or HTTPS.fullmatch(url)
    if not match:
        raise ValueError(f"URL={shown!r} is not like https://github.com/me/course")
    host = match["host"].lower().removesuffix(":443").removeprefix("www.")
    # a web address may end in a query or a place within the page; ssh has neither
    path = re.split(r"[?#]", match["path"])[0]
    parts = _repository_of(host, [part for part in path.split("/") if part], shown)
    if not all(re.fullmatch(r"[\w.~-]+", part) and part.strip(".") for part in parts):
        raise ValueError(f"URL={shown!r} is not like https://github.com/me/course")
    return "/".join([f"https://{host}", *parts])


def _repository_of(host: str, parts: list[str], shown: str) -> list[str]:
    """Owner (or groups) and name, of the parts of a path that may lead further in."""
    n = len(parts)
    if "-" in parts:
        # GitLab's mark between a repository, below any number of groups, and its pages
        n = parts.index("-")
    elif host in PLAIN or parts[2:3] and parts[2] in PAGES:
        n = 2
    own, page = parts[:n], [part for part in parts[n:] if part != "-"]
    if len(own) < (2 if provider(f"https://{host}") else 1):
        raise ValueError(
            f"URL={shown!r} names no repository: it must be like https://{host}/me/course"
        )
    branch = [part for part in page[1:] if part != "branch"][:1]
    if page[:1] and page[0] in ("tree", "blob", "src") and branch not in ([], [BRANCH]):
        raise ValueError(
            f"URL={shown!r} leads to the branch {branch[0]!r}, but all links lead to {BRANCH!r}: "
            "give the repository's own address"
        )
    return [*own[:-1], re.sub(r"\.git$", "", own[-1], flags=re.IGNORECASE)]


def provider(url: str) -> str:
    """Whose pages the book's theme takes this host's for; empty for one that it does not know."""
    host = url.removeprefix("https://").split("/")[0]
    return next((name for name in ("github", "gitlab", "bitbucket") if name in host), "")


def readme_block(root: Path, url: str) -> str:
    """What README.md says between its markers: how to clone, links that open chapters in Colab."""
    if not url:
        return UNSET
    lines = [
        "<!-- repository: set -->",
        "",
        f"```bash\ngit clone {url} && cd {url.rsplit('/', 1)[1]}\n```",
    ]
    if url.startswith("https://github.com/"):
        path = url.removeprefix("https://github.com/")
        lines += ["", "Open a chapter in Colab:", ""]
        for notebook in chapters(root):
            link = f"{COLAB}/github/{path}/blob/main/notebooks/{notebook.name}"
            lines.append(f"- [{notebook.stem.replace('_', ' ')}]({link})")
    return "\n".join([*lines, ""])


def chapters(root: Path) -> list[Path]:
    """The chapters' notebooks, in order."""
    return sorted((root / "notebooks").glob("[0-9]*.ipynb"))


def edits(root: Path, url: str) -> dict[Path, str]:
    """The text of every file that holds the address, as it must be for ``url``."""
    button = str(bool(provider(url))).lower()
    # the theme opens issues there only
    issues = str(provider(url) in ("github", "gitlab")).lower()
    colab = COLAB if url.startswith("https://github.com/") else ""
    rules = {
        "pyproject.toml": [(r'(?m)^(repository = )"[^"]*"', rf'\g<1>"{url}"')],
        "_config.yml": [
            (r'(?m)^(  url: )"[^"]*"', rf'\g<1>"{url}"'),
            (r'(?m)^(  colab_url: )"[^"]*"', rf'\g<1>"{colab}"'),
            (r"(?m)^(  use_repository_button: )\w+", rf"\g<1>{button}"),
            (r"(?m)^(  use_issues_button: )\w+", rf"\g<1>{issues}"),
        ],
        "notebooks/_setup_cell.py": [(r'(?m)^(COURSE_REPOSITORY = )"[^"]*"', rf'\g<1>"{url}"')],
        "README.md": [
            (
                r"(?s)<!-- repository: (?:un)?set -->.*?(?=<!-- /repository -->)",
                readme_block(root, url).replace("\\", r"\\"),
            )
        ],
    }
    texts = {}
    for name, patterns in rules.items():
        texts[root / name] = (root / name).read_text(encoding="utf-8")
        for pattern, new in patterns:
            texts[root / name], found = re.subn(pattern, new, texts[root / name])
            if not found:
                raise ValueError(f"{name} has no line like {pattern}: restore it")
    for path in chapters(root):
        text = path.read_text(encoding="utf-8")
        texts[path] = re.sub(r'(COURSE_REPOSITORY = )\\"[^"\\]*\\"', rf'\g<1>\\"{url}\\"', text)
    return texts


def main(url: str, root: Path = ROOT) -> None:
    """Write ``url`` into every file that holds it."""
    for path, text in edits(root, normal(url)).items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"changed {path.relative_to(root)}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        main(sys.argv[1])
    except ValueError as error:
        sys.exit(f"error: {error}")
