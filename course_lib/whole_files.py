"""Files and folders that are whole or not there.

What is written goes under another name beside its place, and gets its own name when every byte is
on the disk. A process killed in the middle, or a disk that is full, leaves what was there before.

Cost: waiting for the disk once.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     with written_whole(Path(folder) / "note.txt") as work:
...         _ = work.write_text("all of it")
...     (Path(folder) / "note.txt").read_text(), len(list(Path(folder).iterdir()))
('all of it', 1)
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[Path]:
    """Where to write a file or make a folder in the block; after it, that is ``path``.

    When the block raises, ``path`` stays as it was, and nothing else is left. The folder above it
    is made. Raises OSError if the disk refuses.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_name(f".writing-{path.name}-{os.getpid()}")
    _remove(work)
    try:
        yield work
        for inner in (*work.rglob("*"), work):
            sync(inner)
        _move(work, path)
        sync(path.parent)
    finally:
        _remove(work)


def write_text_whole(path: str | os.PathLike, text: str) -> None:
    """Write ``text`` into a file, in UTF-8, all or nothing. Raises OSError."""
    with written_whole(path) as work:
        work.write_text(text, encoding="utf-8")


def read_json_object(path: str | os.PathLike, **kinds: type | tuple[type, ...]) -> dict:
    """The JSON object in a file, which has the keys of ``kinds``, of these types.

    Raises ValueError, with the file's name and what is wrong, for anything else that stands there
    (bytes that are no UTF-8, half an object, a list, keys that are missing), and OSError.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text_whole(Path(folder) / "info.json", '{"step": "3"}')
    ...     read_json_object(Path(folder) / "info.json", step=int)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: ...info.json is damaged: step must be int, got '3'
    """
    try:
        found = json.loads(Path(path).read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    check_object(found, str(path), **kinds)
    return found


def check_object(found: object, where: str, **kinds: type | tuple[type, ...]) -> None:
    """Raise ValueError unless ``found`` is a dictionary with these keys, of these types."""
    if not isinstance(found, dict):
        raise ValueError(  # noqa: TRY004  (what a file holds)
            f"{where} is damaged: it holds {found!r:.40}, not an object"
        )
    for name, kind in kinds.items():
        allowed = kind if isinstance(kind, tuple) else (kind,)
        if name not in found:
            raise ValueError(f"{where} is damaged: it has no {name}")
        # to Python a bool is an int, to nobody else
        if type(found[name]) not in allowed:
            names = " or ".join(k.__name__.replace("NoneType", "null") for k in allowed)
            raise ValueError(f"{where} is damaged: {name} must be {names}, got {found[name]!r:.40}")


def sync(path: Path) -> None:
    """Make the disk hold what the file system has promised (of a folder: its names)."""
    # Windows can't open a folder; its renames are durable without
    with contextlib.suppress(PermissionError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _move(work: Path, path: Path) -> None:
    if not path.is_dir():
        os.replace(work, path)
        return
    # a folder can't be replaced in one move unless it is empty
    old = path.with_name(f".old-{path.name}-{os.getpid()}")
    os.replace(path, old)
    os.replace(work, path)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
