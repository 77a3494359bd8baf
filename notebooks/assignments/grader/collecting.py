"""Find the submissions in a folder, in nbgrader's layout or flat as a learning platform gives them.

submitted/WHO/NAME/NAME.ipynb      nbgrader
WHO/anything.ipynb                 one folder for each student
WHO.ipynb, WHO_NAME.ipynb          flat

A folder may hold several assignments. Which one a notebook belongs to is seen from what is in it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .environment import GradingError
from .recognising import Recogniser

IGNORED = {".ipynb_checkpoints", "__MACOSX", "__pycache__"}


@dataclass(frozen=True)
class Submission:
    """Who, and the file; or why there is none (`problem`)."""

    who: str
    path: Path | None
    problem: str = ""


@dataclass
class Entry:
    """What one student handed in: notebooks, each with its assignment, or why there are none."""

    who: str
    notebooks: dict[Path, str | None] = field(default_factory=dict)
    problem: str = ""


def collect(folder: Path, assignment: str | None = None) -> tuple[str, list[Submission]]:
    """The assignment, and every student's submission to it, by name.

    Args:
        folder: what was handed in.
        assignment: recognised from the notebooks where it is not given.

    Two notebooks of one student for the same assignment are reported, not chosen from.

    Raises:
        GradingError: the folder does not exist or holds nothing; the assignment cannot be told.
    """
    if not folder.is_dir():
        raise GradingError(f"{folder} is not a folder. Give the folder that holds the submissions.")
    folder = folder / "submitted" if (folder / "submitted").is_dir() else folder
    entries = _entries(folder, Recogniser())
    assignment = assignment or _only_assignment(folder, entries)
    return assignment, [_choose(entry, assignment, folder) for entry in entries]


def _entries(folder: Path, recogniser: Recogniser) -> list[Entry]:
    ending = re.compile(rf"[\s_-]*({'|'.join(map(re.escape, recogniser.names))})$", re.IGNORECASE)
    result: dict[str, Entry] = {}
    for path in sorted(folder.iterdir()):
        if path.name in IGNORED or path.name.startswith("."):
            continue
        one = _entry(path, ending, recogniser)
        known = result.setdefault(one.who, one)
        known.notebooks.update(one.notebooks)
        known.problem = known.problem or one.problem
    if not result:
        raise GradingError(
            f"{folder} is empty. Put one notebook a student into it: WHO.ipynb or WHO/NAME.ipynb"
        )
    return list(result.values())


def _entry(path: Path, ending: re.Pattern, recogniser: Recogniser) -> Entry:
    if path.is_dir():
        return _entry_of_folder(path, recogniser)
    if path.suffix != ".ipynb":
        who = _readable(path.name)
        return Entry(who, problem="not a notebook: hand in the .ipynb file itself")
    stem = _readable(path.stem)
    who = ending.sub("", stem) or stem
    if not path.is_file():
        return Entry(who, problem=_no_file(path))
    return Entry(who, {path: recogniser.name_of_file(path)})


def _entry_of_folder(path: Path, recogniser: Recogniser) -> Entry:
    found = [
        p
        for p in sorted(path.rglob("*.ipynb"))
        if not IGNORED & set(p.parts) and not p.name.startswith(".")
    ]
    notebooks = {p: recogniser.name_of_file(p) for p in found if p.is_file()}
    problem = "" if notebooks else "no notebook (.ipynb) in this folder"
    if found and not notebooks:
        problem = f"{_readable(found[0].name)}: {_no_file(found[0])}"
    return Entry(_readable(path.name), notebooks, problem)


def _no_file(path: Path) -> str:
    if path.is_symlink():
        return "a link that leads to no file: hand in the .ipynb file itself"
    kind = "a folder" if path.is_dir() else "no plain file"
    return f"this is {kind}, not a notebook: hand in the .ipynb file itself"


def _readable(name: str) -> str:
    """A file's name as text that can be written: bytes that are no UTF-8 become U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _only_assignment(folder: Path, entries: list[Entry]) -> str:
    names = Counter(name for entry in entries for name in entry.notebooks.values() if name)
    if len(names) == 1:
        return next(iter(names))
    if not names:
        raise GradingError(
            f"in {folder} no notebook of an assignment was recognised. "
            "If there are some, name it: --assignment NAME"
        )
    counts = ", ".join(f"{name} ({number})" for name, number in names.most_common())
    raise GradingError(
        f"{folder} holds notebooks of several assignments: {counts}. "
        "Say which one to grade: --assignment NAME"
    )


def _choose(entry: Entry, assignment: str, folder: Path) -> Submission:
    """The student's notebook for this assignment: recognised as such, else an unrecognised one."""
    for wanted in (assignment, None):
        paths = [path for path, name in entry.notebooks.items() if name == wanted]
        if paths:
            return _one_of(entry.who, paths, assignment, folder)
    others = sorted({name for name in entry.notebooks.values() if name})
    if others:
        problem = f"this is the notebook of another assignment: {', '.join(others)}"
        return Submission(entry.who, None, problem)
    return Submission(entry.who, None, entry.problem)


def _one_of(who: str, paths: list[Path], assignment: str, folder: Path) -> Submission:
    if len({path.relative_to(folder).parts[0] for path in paths}) > 1:
        both = "there are two submissions under this name; which one counts? Delete the other"
        return Submission(who, None, both)
    named = [path for path in paths if path.stem == assignment]
    if len(paths) == 1 or len(named) == 1:
        return Submission(who, (paths if len(paths) == 1 else named)[0])
    own = folder / paths[0].relative_to(folder).parts[0]
    names = ", ".join(_readable(str(path.relative_to(own))) for path in paths)
    return Submission(who, None, f"several notebooks ({names}): which one counts? Leave one")
