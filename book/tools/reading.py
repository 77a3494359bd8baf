"""How a chapter reads, counted: what stands between a reader and the idea.

    python book/tools/reading.py            # a table of all chapters
    python book/tools/reading.py --check    # ends with 1 where a chapter got worse
    python book/tools/reading.py --lower    # keep what has become better, in tests/reading.json

=============  ====================================================================================
wide           lines of code over 80 columns: the page's column cuts them
long           visible cells of more than 20 lines
dense          lines by which the median visible cell exceeds 9
untitled       folded cells that don't say what they hold (``code_prompt_show``)
captions       figures whose alt or caption stands in the code (a ``%%figure`` cell holds them)
asserts        visible cells with an ``assert``: checks are folded
words          words of prose beyond 4 500
pictures       pictures that are missing to six
widgets        widgets that are missing to two
=============  ====================================================================================

All are 0 in a chapter that reads well. ``tests/reading.json`` holds, for the chapters that do not
yet, how far they are off; no number there may rise, and a chapter that is not in it has all at 0.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = ROOT / "tests" / "reading.json"
COLUMNS, LINES, MEDIAN, WORDS, PICTURES, WIDGETS = 80, 20, 9, 4500, 6, 2
FOLDED, GONE = {"hide-input", "hide-cell"}, {"remove-input", "remove-cell"}
PICTURE = re.compile(r"viz\.show\(|```\{(?:mermaid|figure)\}|!\[[^\]]*\]\(|<svg")
WIDGET = re.compile(r"viz\.(?:slider|dropdown)\(")
TEXT_IN_CODE = re.compile(r"\b(?:alt|caption)s?\s*=\s*f?[\"']")
# what a reader does not read as prose: mathematics, directives' marks, addresses, code
NOT_PROSE = re.compile(
    r"```\{(?:math|mermaid)\}.*?```|\$\$.*?\$\$|\$[^$]*\$|```\w*\n.*?```|\]\([^)]*\)", re.DOTALL
)


def count(path: Path) -> dict[str, int]:
    """The nine numbers of a chapter."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = [(_source(c), _tags(c), c) for c in cells if c["cell_type"] == "code"][1:]
    prose = [_source(c) for c in cells if c["cell_type"] == "markdown"]
    visible = [text for text, tags, _ in code if not tags & (FOLDED | GONE)]
    lines = [sum(bool(line.strip()) for line in text.splitlines()) for text in visible]
    everything = "\n".join([text for text, *_ in code] + prose)
    words = sum(len(NOT_PROSE.sub(" ", text).split()) for text in prose)
    return {
        "wide": sum(len(line) > COLUMNS for text, *_ in code for line in text.splitlines()),
        "long": sum(n > LINES for n in lines),
        "dense": max(0, int(statistics.median(lines or [0])) - MEDIAN),
        "untitled": sum(not _title(cell) for _, tags, cell in code if tags & FOLDED),
        "captions": sum(len(TEXT_IN_CODE.findall(text)) for text, *_ in code),
        "asserts": sum(bool(re.search(r"^\s*assert ", text, re.MULTILINE)) for text in visible),
        "words": max(0, words - WORDS),
        "pictures": max(0, PICTURES - len(PICTURE.findall(everything))),
        "widgets": max(0, WIDGETS - len(WIDGET.findall(everything))),
    }


def worse(root: Path, allowed: dict[str, dict[str, int]]) -> Iterator[str]:
    """A line for each number that is higher than it may be."""
    for path in chapters(root):
        may = allowed.get(path.stem, {})
        for name, value in count(path).items():
            if value > may.get(name, 0):
                yield f"{path.stem}: {name} is {value}, at most {may.get(name, 0)} (see reading.py)"


def lowered(root: Path, allowed: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """What may be from now on: the smaller of what was allowed and what is, without zeros."""
    kept = {}
    for path in chapters(root):
        found, may = count(path), allowed.get(path.stem, {})
        least = {name: min(value, may.get(name, 0)) for name, value in found.items()}
        if left := {name: value for name, value in least.items() if value}:
            kept[path.stem] = left
    return kept


def chapters(root: Path) -> list[Path]:
    """The chapters in the book's order."""
    return sorted((root / "notebooks").glob("[0-9]*.ipynb"))


def _source(cell: dict) -> str:
    return "".join(cell["source"])


def _tags(cell: dict) -> set[str]:
    return set(cell["metadata"].get("tags", []))


def _title(cell: dict) -> str:
    return cell["metadata"].get("mystnb", {}).get("code_prompt_show", "")


def table(root: Path) -> list[str]:
    """All numbers, a chapter a line."""
    found = {path.stem: count(path) for path in chapters(root)}
    names = list(next(iter(found.values()), {}))
    head = f"{'':22}" + "".join(f"{name:>10}" for name in names)
    return [head, *(f"{c:22}" + "".join(f"{n[k]:>10}" for k in names) for c, n in found.items())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="say what got worse, write nothing")
    parser.add_argument("--lower", action="store_true", help="keep what has become better")
    args = parser.parse_args()
    allowed = json.loads(ALLOWED.read_text("utf-8"))
    if args.lower:
        ALLOWED.write_text(json.dumps(lowered(ROOT, allowed), indent=1) + "\n", "utf-8")
    elif not args.check:
        print("\n".join(table(ROOT)))
    if wrong := list(worse(ROOT, allowed)):
        print("\n".join(wrong))
        sys.exit(1)


if __name__ == "__main__":
    main()
