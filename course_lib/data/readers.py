"""Rows and documents of a file, one after the other: text, JSON lines, CSV, parquet.

Each kind is a generator that holds one document (parquet: 256 rows of a row group), so that the
size of a file does not matter. What is wrong is said with file and line (parquet: row) at the
moment it is read.

Cost: reading; JSON about 100 MB/s.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder) / "a.jsonl"
...     _ = path.write_text('{"text": "one"}\\n{"text": "two"}\\n')
...     [text for place, text in documents(OwnFile(path, ".jsonl", False, None))]
['one', 'two']
"""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .errors import MissingExtra, UnreadableFile, unreadable
from .own_files import TEXT, OwnFile
from .text_lines import LARGEST, naming, nothing, numbered_lines

Advance = Callable[[int], object]
_EMPTY = (None, "")


class FileRow(NamedTuple):
    """place: file and line, as an error names it.  values: of the fields that were asked for."""

    place: str
    values: dict[str, Any]


def documents(
    file: OwnFile, text: str = "text", advance: Advance = nothing
) -> Iterator[tuple[str, str]]:
    """(place, text) of each document; an empty one is passed over.

    text: the field or column; of no meaning for .txt and .md.
    advance: as in ``numbered_lines``.

    Raises UnreadableFile, with file and line, for what can't be read, and MissingExtra.
    """
    if file.kind in TEXT:
        found = _blocks(file, advance)
    else:
        found = ((row.place, text_of(row, text)) for row in rows(file, [text], advance))
    return ((place, one) for place, one in found if one.strip())


def rows(file: OwnFile, fields: Sequence[str], advance: Advance = nothing) -> Iterator[FileRow]:
    """The rows of a .jsonl, .csv or .parquet file, each with all of ``fields``.

    Raises UnreadableFile, with file and line, and MissingExtra for parquet without ``pyarrow``.
    """
    if file.kind in TEXT:
        raise unreadable(file.path, "has no fields", "give rows as .csv, .jsonl or .parquet")
    read = {".jsonl": _json_rows, ".csv": _csv_rows, ".parquet": _parquet_rows}[file.kind]
    return read(file.path, fields, advance)


def text_of(row: FileRow, field: str) -> str:
    """The text in ``field``, ``""`` for none. Raises UnreadableFile if it is no text."""
    value = row.values[field]
    if value in _EMPTY:
        return ""
    if not isinstance(value, str):
        what = f"{field!r} is not a text but {_type(value)}: {str(value)[:40]!r}"
        raise unreadable(row.place, what, "name the field that holds text by text=")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        what = f"{field!r} has half of a surrogate pair, which is no character"
        raise unreadable(row.place, what, "write the text again in UTF-8")
    return value


def _type(value: object) -> str:
    return {dict: "an object", list: "a list", bool: "true or false"}.get(type(value), "a number")


def _blocks(file: OwnFile, advance: Advance) -> Iterator[tuple[str, str]]:
    """The whole file, or what stands between blank lines."""
    block: list[str] = []
    first, size = 1, 0
    for number, line in numbered_lines(file.path, advance):
        if line.strip() or file.whole and block:
            first = first if block else number
            block.append(line)
            size += len(line)
        elif block:
            yield f"{file.path}:{first}", "\n".join(block)
            block, size = [], 0
        if size > LARGEST:
            raise unreadable(
                f"{file.path}:{first}",
                f"the document that begins here has more than {LARGEST >> 20} million letters",
                "put a blank line between documents, and unpack a .gz that holds many; or use "
                ".jsonl",
            )
    if block:
        yield f"{file.path}:{first}", "\n".join(block).rstrip()


def _json_rows(path: Path, fields: Sequence[str], advance: Advance) -> Iterator[FileRow]:
    for number, line in numbered_lines(path, advance):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            why = getattr(error, "msg", "nested too deeply")
            what = f"the line is not JSON ({why} at column {getattr(error, 'colno', 1)})"
            raise unreadable(place, what, "one object a line, as json.dumps writes it") from error
        if not isinstance(values, dict):
            what = f"the line is {_type(values)} and not an object with fields"
            raise unreadable(place, what, 'write {"text": ...} on each line')
        for field in fields:
            if field not in values:
                raise _missing(place, "field", field, list(values))
        yield FileRow(place, {field: values[field] for field in fields})


def _csv_rows(path: Path, fields: Sequence[str], advance: Advance) -> Iterator[FileRow]:
    csv.field_size_limit(max(LARGEST, csv.field_size_limit()))
    reader = csv.reader((line + "\n" for _, line in numbered_lines(path, advance)), strict=True)
    header: list[str] = []
    try:
        # a quoted field may go over several lines: the row begins after the last one's end
        begins = 1
        for row in reader:
            place, begins = f"{path}:{begins}", reader.line_num + 1
            if not row:
                continue
            if not header:
                header = row
                for field in fields:
                    if field not in header:
                        raise _missing(place, "column", field, header)
            elif len(row) != len(header):
                what = f"{len(row)} fields, but the first line names {len(header)} columns"
                raise unreadable(place, what, 'put a text with commas into "quotes"')
            else:
                yield FileRow(place, {field: row[header.index(field)] for field in fields})
    except csv.Error as error:
        what = f"is not CSV: {error} (in the row that begins here)"
        raise unreadable(f"{path}:{begins}", what, 'write a " inside of quotes twice') from error


def _parquet_rows(path: Path, fields: Sequence[str], advance: Advance) -> Iterator[FileRow]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingExtra(
            f"{path}: .parquet is read by the package `pyarrow`, which is not installed. "
            "Remedy: `python -m pip install pyarrow`, or save the text as .jsonl."
        ) from error
    try:
        with naming(path), path.open("rb") as raw:
            table = parquet.ParquetFile(raw)
            for field in fields:
                if field not in table.schema_arrow.names:
                    raise _missing(path, "column", field, table.schema_arrow.names)
            number = 0
            for batch in table.iter_batches(256, columns=list(fields)):
                for values in batch.to_pylist():
                    number += 1
                    yield FileRow(f"{path}, row {number}", values)
            advance(path.stat().st_size)
    except ArrowException as error:
        first = str(error).split("\n")[0]
        raise unreadable(
            path, f"is no parquet file or broken ({first})", "write it again"
        ) from error


def _missing(place: object, kind: str, field: str, there: list[str]) -> UnreadableFile:
    near = difflib.get_close_matches(field, there, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    what = f"no {kind} {field!r}{hint}; there is {', '.join(map(repr, there[:8])) or 'none'}"
    if len(there) == 1 and any(mark in there[0] for mark in ";\t|"):
        return unreadable(place, what, "separate the columns by commas")
    return unreadable(place, what, f"name the {kind} that is meant, for text by text=")
