"""Write the repository's address everywhere it is used, or take it out again.

    python book/tools/repository.py https://github.com/me/course
    python book/tools/repository.py ""    # unset

It is kept in ``[tool.course]`` of pyproject.toml and written from there into _config.yml, README.md
and the set-up cell of each chapter. Without one there are no launch buttons, and Colab's cell says
what to do. Setting and unsetting gives back the same bytes.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLAB = "https://colab.research.google.com"
UNSET = "<!-- repository: unset -->"


def normal(url: str) -> str:
    """``url`` without a slash or ``.git`` at its end.

    Raises ValueError if it is neither an https address nor empty.
    """
    url = url.strip().rstrip("/").removesuffix(".git")
    if url and not re.fullmatch(r"https://[\w.-]+(/[\w.~-]+)+", url):
        raise ValueError(f"URL={url!r} is not like https://github.com/me/course")
    return url


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
    shown = "true" if url else "false"
    colab = COLAB if url.startswith("https://github.com/") else ""
    rules = {
        "pyproject.toml": [(r'(?m)^(repository = )"[^"]*"', rf'\g<1>"{url}"')],
        "_config.yml": [
            (r'(?m)^(  url: )"[^"]*"', rf'\g<1>"{url}"'),
            (r'(?m)^(  colab_url: )"[^"]*"', rf'\g<1>"{colab}"'),
            (r"(?m)^(  use_(?:repository|issues)_button: )\w+", rf"\g<1>{shown}"),
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
    main(sys.argv[1])
