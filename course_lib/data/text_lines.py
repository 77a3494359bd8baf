"""Lines of a text file in UTF-8, or an error that names the line and what to do.

Most text that is not UTF-8 is one of four things: UTF-16 (Windows' "Unicode"), an older encoding of
one byte a letter (latin-1, Windows-1252), no text at all, or compressed. The bytes tell which.
Nothing is guessed silently: text in a wrong encoding would be trained on as it is.

Cost: one line is held, of at most 16 MB.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     file = Path(folder) / "note.txt"
...     _ = file.write_bytes("first\\r\\nzweite Zeile: ü".encode())
...     list(numbered_lines(file))
[(1, 'first'), (2, 'zweite Zeile: ü')]
"""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import UnreadableFile, unreadable

LARGEST = 16 << 20
"""Bytes of a line, and of a document: what is longer was never one text."""
BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}
MAGIC = {
    b"%PDF-": "a PDF",
    b"PK\x03\x04": "a zip archive (.docx, .xlsx and .epub are, too)",
    b"\x1f\x8b": "compressed by gzip",
    b"PAR1\x15": "a parquet file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\xd0\xcf\x11\xe0": "an old Office file",
}


def nothing(n_bytes: int) -> None:
    """What is done with the bytes read where nobody asks."""


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn what the system says while ``path`` is read into an error that names it."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise unreadable(
            path, f"the gzip file is broken ({error})", "fetch or compress it again"
        ) from error
    except OSError as error:
        why = error.strerror or str(error).split("\n")[0]
        raise unreadable(
            path, f"cannot be read ({why})", "check that it is there and that you may read it"
        ) from error


def numbered_lines(
    path: Path, advance: Callable[[int], object] = nothing
) -> Iterator[tuple[int, str]]:
    """(number, line without its end) of a file in UTF-8; one that ends in .gz is unpacked.

    advance: is told how many bytes of the file were read since it was last told.

    Raises UnreadableFile, with file and line, for another encoding, a binary file, a line of more
    than ``LARGEST`` bytes, a broken gzip, or a file that the system does not open.
    """
    with naming(path), path.open("rb") as raw:
        packed = path.suffix.lower() == ".gz"
        stream = gzip.GzipFile(fileobj=raw) if packed else raw
        told = number = 0
        while line := stream.readline(LARGEST + 1):
            number += 1
            yield number, _checked(line, path, number)
            if number % 256 == 0:
                told, before = raw.tell(), told
                advance(told - before)
        advance(_size(raw) - told)


def _size(raw: BinaryIO) -> int:
    return raw.seek(0, 2)


def _checked(line: bytes, path: Path, number: int) -> str:
    """The line as text. Raises UnreadableFile as ``numbered_lines`` says."""
    if number == 1:
        line = line.removeprefix(b"\xef\xbb\xbf")
        for start, name in MAGIC.items():
            if line.startswith(start):
                remedy = "give it its right ending, or save its text as .txt in UTF-8"
                raise unreadable(path, f"is not text: it is {name}", remedy)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_text(line, path, number, error) from error
    if "\0" in text:
        raise _not_text(line, path, number)
    if len(line) > LARGEST:
        raise unreadable(
            f"{path}:{number}", f"the line has more than {LARGEST >> 20} MB", "break it into parts"
        )
    return text.rstrip("\r\n")


def _not_text(
    line: bytes, path: Path, number: int, error: UnicodeDecodeError | None = None
) -> UnreadableFile:
    """The error for a line that is not UTF-8, with the likeliest reason."""
    place = f"{path}:{number}"
    wide = next((name for start, name in BOMS.items() if line.startswith(start)), "")
    # in UTF-16 every second byte of a Western text is 0
    halves = line[:4096:2].count(0), line[1:4096:2].count(0)
    if number == 1 and (wide or max(halves) > 4 * min(halves) + 2):
        return unreadable(place, f"is not UTF-8 but {wide or 'UTF-16'}", _convert(wide or "UTF-16"))
    if error is None or sum(byte < 9 for byte in line) > len(line) // 50:
        return unreadable(
            place, "is a binary file: it has bytes that no text has", "take it out, or save as text"
        )
    what = (
        f"byte {error.start + 1} of the line, 0x{line[error.start]:02X}, is not UTF-8; it looks "
        "like latin-1 or Windows-1252"
    )
    return unreadable(place, what, _convert("WINDOWS-1252"))


def _convert(encoding: str) -> str:
    return f"save it as UTF-8, for instance with `iconv -f {encoding} -t UTF-8 OLD > NEW`"
