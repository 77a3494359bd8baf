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
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

# how often another process may be faster before something else must be wrong
_ATTEMPTS = 100


@contextlib.contextmanager
def written_whole(
    path: str | os.PathLike, keep: Callable[[Path], bool] = lambda path: False
) -> Iterator[Path]:
    """Where to write a file or make a folder in the block; after it, that is ``path``.

    keep: asked of a folder that stands at ``path`` when the block is done, perhaps by another
        process that was faster: if True, that one stays and what was written is dropped.

    When the block raises, ``path`` stays as it was, and nothing else is left. The folder above it
    is made. Several processes or threads may write to one path at once: the last one stays. Raises
    OSError if the disk refuses.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    work = _beside(path, "writing")
    _remove(work)
    try:
        yield work
        for inner in (*work.rglob("*"), work):
            sync(inner)
        _move(work, path, keep)
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


def _move(work: Path, path: Path, keep: Callable[[Path], bool]) -> None:
    """``work`` under the name ``path``, whatever other processes put there or take away meanwhile.

    A folder can't be replaced in one move unless it is empty: the one that is in the way is put
    aside until the new one is in its place.
    """
    old = _beside(path, "old")
    try:
        for attempt in range(_ATTEMPTS):
            try:
                return os.replace(work, path)
            except OSError:
                if path.is_file() or attempt + 1 == _ATTEMPTS:
                    raise
            if path.is_dir():
                if keep(path):
                    return None
                _remove(old)
                with contextlib.suppress(FileNotFoundError):
                    os.replace(path, old)
    finally:
        if old.exists() and not path.exists():
            os.replace(old, path)
        _remove(old)


def _beside(path: Path, what: str) -> Path:
    """A name beside ``path`` that no other process has, nor another thread of this one."""
    thread = threading.current_thread()
    mine = "" if thread is threading.main_thread() else f"-{thread.ident}"
    return path.with_name(f".{what}-{path.name}-{os.getpid()}{mine}")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
