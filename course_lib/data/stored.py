"""Rows of JSON in one file that is whole or not there.

The first line is the SHA-256 of all that follows; a file that was cut off or changed is as good as
none, and is made again. Cost: reading and hashing the file once.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     write_rows(Path(folder) / "rows", [["a", 1], {"b": 2}])
...     read_rows(Path(folder) / "rows"), read_rows(Path(folder) / "others")
([['a', 1], {'b': 2}], None)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType

from course_lib.whole_files import written_whole

from .archives import exclusively
from .errors import CacheError, writing


def write_rows(file: Path, rows: Iterable[object]) -> None:
    """Write ``rows`` as JSON lines; the file appears whole or not at all.

    Raises CacheError if it can't be written.
    """
    compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
    body = "\n".join(map(compact.encode, rows)).encode()
    with writing(file.parent), written_whole(file) as work:
        work.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def read_rows(file: Path) -> list | None:
    """What ``write_rows`` wrote, or ``None`` if it is not there or no longer what it was."""
    try:
        head, _, body = file.read_bytes().partition(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return None
    if hashlib.sha256(body).hexdigest().encode() != head:
        return None
    return [json.loads(line) for line in body.decode().split("\n")]


def recipe_of(key: str, modules: Sequence[ModuleType | Path]) -> str:
    """12 digits that change with ``key`` (the archive) and with the source of any module."""
    digest = hashlib.sha256(key.encode())
    for module in modules:
        file = module if isinstance(module, Path) else Path(str(module.__file__))
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def made_once(folder: Path, name: str, recipe: str, make: Callable[[], Iterable[object]]) -> list:
    """The rows that ``make`` gives, from the cache if it made them before by this recipe.

    Older versions go. Two processes do not make the same at the same time. Raises CacheError if the
    folder can't be written.
    """
    file = folder / f"{name}-{recipe}.jsonl"
    if (rows := read_rows(file)) is None:
        with exclusively(folder, name):
            if (rows := read_rows(file)) is None:
                write_rows(file, make())
                rows = read_rows(file)
                for old in set(folder.glob(f"{name}-{'?' * 12}.jsonl")) - {file}:
                    old.unlink(missing_ok=True)
    if rows is None:
        raise CacheError(f"{file} was changed as soon as it was written: run again")
    return rows
