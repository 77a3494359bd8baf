"""All verdicts of the book on one page, each with its section and with what decides it.

    python book/tools/verdicts.py            # write book/verdicts.md
    python book/tools/verdicts.py --check    # only say whether it is stale

A verdict is an admonition of class ``verdict`` in a chapter. What decides it is what the code of
its section uses, from one heading to the next: records of ``benchmarks/results``, read there or
before, or else what the page itself runs. A box has at most 90 words: claim, prediction, result,
verdict, and what else could explain it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_WORDS = 90
BOX = re.compile(
    r"(?P<fence>`{3,}|:{3,})\{(?:admonition|\w+)\}[ ]*(?P<title>[^\n]*)\n"
    r":class: verdict\n(?P<text>.*?)\n(?P=fence)",
    re.DOTALL,
)
HEADING = re.compile(
    r"(?:^\((?P<label>[\w-]+)\)=\n)?^(?P<marks>#{1,6}) (?P<title>.+)$", re.MULTILINE
)
# a record, and the names it gets: ``record = read_record("x")``, ``if record := read_record("x"):``
RECORD = re.compile(
    r"(?P<names>\w+(?:, \w+)*) :?= \(?\s*"
    r"""read_record\(\s*f?["'](?P<record>[\w{}]+)["']"""
)
PAGE = """# Verdicts

What the chapters found when they put a claim to the test, and what each finding rests on. A verdict
is written only where one thing differs between two sides, where both got equal effort, and where a
line on the plot shows what is reached without the thing that is claimed. A paired interval decides.
A record is a file of numbers, with the machine and the settings of the run, and the script beside
it makes it again.

| chapter | verdict | decided by |
|---|---|---|
"""


@dataclass(frozen=True)
class Verdict:
    """One box: in which chapter and section, its title and words, and the records read there."""

    chapter: str
    section: str
    label: str
    title: str
    words: int
    records: tuple[str, ...]


def verdicts_of(path: Path) -> list[Verdict]:
    """The verdicts of a chapter in order. Raises ValueError for one before the first heading."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    found: list[Verdict] = []
    named: dict[str, str] = {}
    section, label, records, pending = "", "", [], []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            for match in RECORD.finditer(source):
                named |= dict.fromkeys(match["names"].split(", "), match["record"])
            records += [named[name] for name in re.findall(r"\w+", source) if name in named]
            continue
        marks = [*HEADING.finditer(source), *BOX.finditer(source)]
        for match in sorted(marks, key=lambda m: m.start()):
            if match.re is BOX:
                pending.append((section, label, match["title"], len(match["text"].split())))
            elif len(match["marks"]) <= 2:
                found += _closed(path, pending, records)
                section, label, records, pending = match["title"], match["label"] or "", [], []
    return found + _closed(path, pending, records)


def _closed(path: Path, pending: list[tuple], records: list[str]) -> list[Verdict]:
    """The verdicts of a section that ends: only now are all its records known."""
    if any(not section for section, *_ in pending):
        raise ValueError(f"{path.name}: a verdict stands before the first heading")
    read = tuple(dict.fromkeys(records))
    return [Verdict(path.stem, *verdict, read) for verdict in pending]


def chapters(root: Path) -> list[Path]:
    """The chapters in the book's order."""
    return sorted((root / "notebooks").glob("[0-9]*.ipynb"))


def row(verdict: Verdict, root: Path) -> str:
    """A line of the table."""
    place = f"{{ref}}`{verdict.section} <{verdict.label}>`" if verdict.label else verdict.section
    number = verdict.chapter.split("_")[0]
    names = [name for record in verdict.records for name in expanded(record, root)]
    decided = ", ".join(f"`{name}.json`" for name in names)
    title = re.sub(r"^Verdict: ", "", verdict.title).replace("|", r"\|")
    return (
        f"| [{number}](../notebooks/{verdict.chapter}.ipynb) {place} | {title} "
        f"| {decided or 'the page'} |"
    )


def expanded(record: str, root: Path) -> list[str]:
    """The records that a name in the code stands for: ``peft_{part}`` for several."""
    pattern = re.sub(r"\{\w+\}", "*", record)
    return sorted(path.stem for path in (root / "benchmarks" / "results").glob(f"{pattern}.json"))


def page(root: Path) -> str:
    """What ``book/verdicts.md`` has to hold."""
    found = [verdict for path in chapters(root) for verdict in verdicts_of(path)]
    return PAGE + "".join(row(verdict, root) + "\n" for verdict in found)


def too_long(root: Path) -> list[str]:
    """A line for each box with more words than a reader takes in."""
    return [
        f"{verdict.chapter}: {verdict.title!r} has {verdict.words} words, at most {MOST_WORDS}"
        for path in chapters(root)
        for verdict in verdicts_of(path)
        if verdict.words > MOST_WORDS
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    path, want = ROOT / "book" / "verdicts.md", page(ROOT)
    if path.exists() and path.read_text("utf-8") == want:
        return
    if check:
        sys.exit("book/verdicts.md is stale: run make map")
    path.write_text(want, "utf-8")
    print("book/verdicts.md written")


if __name__ == "__main__":
    main()
