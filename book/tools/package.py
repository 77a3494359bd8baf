"""The package as its source tells it: files, docstrings, order, chapters, and faces.

Nothing is imported; the files are read with ``ast``.

The docstring of ``course_lib/__init__.py`` is the plan. It names the folders in their order and
then, in a table, where each chapter lives:

    ``batch`` ``hardware``              the ground
    ``data`` ``tokenization``           text in
    ...
    03 tokenization                     ``tokenization``
    05 objectives                       ``objectives``, ``evaluation.ngrams``
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

PACKAGE = "course_lib"
NUMBER = r"\d\d[a-z]?"
# in the docstring of the package: a folder or file, and the start of a line about a chapter
NAMED = re.compile(r"``([a-z_][\w.]*)``")
CHAPTER = re.compile(rf"({NUMBER}) \w")
# in any docstring
TELLS = re.compile(rf"chapters? ({NUMBER}(?:(?:, | and ){NUMBER})*)")


@dataclass(frozen=True)
class File:
    """A file of the package.

    name: how it is imported, without the package's name in front. A folder's ``__init__`` has the
        name of the folder.
    docstrings: all of them, its own first.
    """

    name: str
    path: Path
    docstrings: tuple[str, ...]

    @property
    def folder(self) -> str:
        """The first part of the name: what has a place in the order of the package."""
        return self.name.split(".")[0]

    @property
    def is_face(self) -> bool:
        """Whether it stands for a folder."""
        return self.path.name == "__init__.py"

    @property
    def is_read(self) -> bool:
        """Whether it has a page of its own, as neither the package has nor what is a command."""
        return bool(self.name) and self.path.name != "__main__.py"

    @property
    def around(self) -> list[str]:
        """The folders that it is in, from the outermost, and itself."""
        parts = self.name.split(".")
        return [".".join(parts[:i]) for i in range(1, len(parts) + 1)]


def docstrings_of(tree: ast.Module) -> Iterator[str]:
    """The docstrings of a file, its own first; an empty one where there is none."""
    yield ast.get_docstring(tree) or ""
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield ast.get_docstring(node) or ""


def order_of(docstring: str) -> list[str]:
    """The folders and files of the package in order: those named before the first chapter.

    >>> order_of("``batch`` ``data``  the ground\\n\\n03 tokens  ``tokens``")
    ['batch', 'data']
    """
    before = re.split(rf"(?m)^(?={CHAPTER.pattern})", docstring)[0]
    return [name for name in dict.fromkeys(NAMED.findall(before)) if "." not in name]


def read_package(root: Path) -> list[File]:
    """All files of the package below ``root``, in order.

    Raises ValueError for one that has no place in it.
    """
    files = []
    for path in (root / PACKAGE).rglob("*.py"):
        parts = path.relative_to(root / PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        files.append(File(name, path, tuple(docstrings_of(tree))))
    plan = next(file for file in files if not file.name).docstrings[0]
    order = ["", *order_of(plan), "__main__"]
    for file in files:
        if file.folder not in order:
            raise ValueError(
                f"{PACKAGE}/{file.folder} has no place: name it among the folders in the docstring "
                f"of {PACKAGE}/__init__.py"
            )

    def place(file: File) -> tuple[int, list[str]]:
        """Folder by folder; inside by name, what is run as a command at the end."""
        return order.index(file.folder), file.name.replace("__main__", "~").split(".")

    return sorted(files, key=place)


def chapter_table(plan: str) -> dict[str, set[str]]:
    """For each chapter the folders and files in which it lives.

    >>> chapter_table("03 tokens  ``a``,\\n           ``b.c`` [d]\\n")["03"] == {"a", "b.c"}
    True
    """
    table: dict[str, set[str]] = {}
    row: set[str] = set()
    for line in plan.splitlines():
        if match := CHAPTER.match(line):
            row = table[match[1]] = set()
        elif not line.startswith(" "):
            row = set()
        row.update(NAMED.findall(line))
    return table


def chapters_that_tell(files: list[File]) -> dict[str, set[str]]:
    """For each file, by name, the chapters that tell of it.

    Its docstrings name them, or that of a folder around it does, or the package's table gives them
    the file or such a folder.
    """
    table = chapter_table(files[0].docstrings[0])
    own = {file.name: file.docstrings[0] for file in files}
    found = {}
    for file in files:
        texts = [*file.docstrings, *(own[name] for name in file.around if name in own)]
        lists = [numbers for text in texts for numbers in TELLS.findall(" ".join(text.split()))]
        told = {number for numbers in lists for number in re.findall(NUMBER, numbers)}
        found[file.name] = told | {n for n, names in table.items() if names & set(file.around)}
    return found


def pages_of_chapters(root: Path) -> dict[str, str]:
    """The page of each chapter that can be read, by its number, in the order of ``_toc.yml``."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    pages = [page["file"] for part in toc["parts"] for page in part["chapters"]]
    return {m[1]: page for page in pages if (m := re.match(rf"notebooks/({NUMBER})_", page))}


def constant(path: Path, name: str) -> object:
    """The value of ``name`` in a file; None if it is not set there to something literal."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return ast.literal_eval(node.value)
    return None


def faces_of(files: list[File]) -> dict[str, list[str]]:
    """The names that each folder offers: ``__all__`` of its face."""
    faces = {file.name: file.path for file in files if file.name and file.is_face}
    return {name: sorted(constant(path, "__all__") or ()) for name, path in sorted(faces.items())}
