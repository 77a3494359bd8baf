"""What can go wrong with data, one class a cause. Every message names the remedy.

=================  ======================================================  ==============
class              cause                                                   also a
=================  ======================================================  ==============
UnknownName        no corpus, task or archive of that name                 ``ValueError``
FetchError         not in the cache and not to be downloaded               ``OSError``
DamagedArchive     a file differs from its pinned SHA-256                  ``ValueError``
CacheError         the cache folder is read-only, full or in the way       ``OSError``
UnreadableFile     a file of yours is not what its name or an option says  ``ValueError``
MissingExtra       an optional package is not installed                    ``ImportError``
=================  ======================================================  ==============

>>> unknown("corpus", "wikpedia", ["wikipedia", "films"])
UnknownName("unknown corpus 'wikpedia'; did you mean 'wikipedia'? Known: films, wikipedia")
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class DataError(Exception):
    """The parent of all errors of :mod:`course_lib.data`."""


class UnknownName(DataError, ValueError):
    """No corpus, task or archive has this name."""


class FetchError(DataError, OSError):
    """The data is not in the cache and could not be downloaded."""


class DamagedArchive(DataError, ValueError):
    """A downloaded file is not the pinned one."""


class CacheError(DataError, OSError):
    """The cache folder cannot be written."""


class UnreadableFile(DataError, ValueError):
    """A file or folder of your own cannot be read as the text or the labels that were asked for."""


class MissingExtra(DataError, ImportError):
    """An optional package is missing."""


def unknown(kind: str, name: object, known: Iterable[str]) -> UnknownName:
    """An :class:`UnknownName` that lists the near names first and then all ``known`` ones."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=3)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    return UnknownName(f"unknown {kind} {name!r}{hint} Known: {', '.join(names)}")


def unreadable(place: object, what: str, remedy: str) -> UnreadableFile:
    """An :class:`UnreadableFile` of one line.

    >>> unreadable("notes.txt:3", "is not UTF-8", "convert it")
    UnreadableFile('notes.txt:3: is not UTF-8. Remedy: convert it.')
    """
    return UnreadableFile(f"{place}: {' '.join(what.split())}. Remedy: {remedy}.")


FULL = {errno.ENOSPC, errno.EDQUOT}
UNWRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST}


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn the system's errors while writing under ``folder`` into a :class:`CacheError`."""
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        if error.errno not in FULL | UNWRITABLE:
            raise
        raise cache_error(folder, str(error.strerror), full=error.errno in FULL) from error


def cache_error(folder: Path, reason: str, *, full: bool) -> CacheError:
    """The error for a cache ``folder`` that is ``full`` or cannot be written."""
    remedy = "free some space (about 150 MB is needed)" if full else "make it writable"
    what = "the disk is full" if full else "the cache cannot be written"
    return CacheError(
        f"{what}: {folder} ({reason}). Nothing was left half-written. "
        f"Remedy: {remedy}, or set COURSE_LIB_CACHE to another folder and run again."
    )
