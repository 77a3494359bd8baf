"""Documents and rows of each kind of file, and planted faults with file and line."""

from __future__ import annotations

import gzip
import json
import re
import sys

import pytest

from course_lib.data import MissingExtra, UnreadableFile, readers
from course_lib.data.own_files import OwnFile, kind_of
from course_lib.data.readers import documents, rows


def written(path, content: str | bytes):
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return OwnFile(path, kind_of(path), False, None)


def texts(file, text="text") -> list[str]:
    return [one for _, one in documents(file, text)]


def test_blank_lines_part_a_text_and_a_whole_file_is_one(tmp_path):
    file = written(tmp_path / "a.txt", "\n\none\ntwo\n \n\n  three \n\n\n")
    assert list(documents(file)) == [
        (f"{tmp_path}/a.txt:3", "one\ntwo"),
        (f"{tmp_path}/a.txt:7", "  three "),
    ]
    assert texts(file._replace(whole=True)) == ["one\ntwo\n \n\n  three"]
    assert texts(written(tmp_path / "b.md", " \n\n")) == []


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_json_lines(tmp_path, name):
    lines = [{"text": "eins\nü"}, {"text": ""}, {"text": None}, {"id": 1, "text": "zwei"}]
    file = written(tmp_path / name, "\n\n".join(map(json.dumps, lines)))
    assert list(documents(file)) == [
        (f"{tmp_path / name}:1", "eins\nü"),
        (f"{tmp_path / name}:7", "zwei"),
    ]
    assert texts(written(tmp_path / name, '{"body": "x"}'), "body") == ["x"]


def test_csv_with_quotes_commas_and_lines(tmp_path):
    file = written(tmp_path / "a.csv", '\ufeffid,text\n1,"a, ""b""\nc"\n\n2,d\n3,\n')
    assert list(documents(file)) == [
        (f"{tmp_path}/a.csv:2", 'a, "b"\nc'),
        (f"{tmp_path}/a.csv:5", "d"),
    ]
    assert texts(file, "id") == ["1", "2", "3"]


def test_parquet(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(
        pa.table({"text": ["a", None, "b"] * 300, "n": range(900)}), tmp_path / "a.parquet"
    )
    file = OwnFile(tmp_path / "a.parquet", ".parquet", False, None)
    told = []
    found = list(documents(file, "text", told.append))
    assert [text for _, text in found] == ["a", "b"] * 300
    assert found[-1][0].endswith("a.parquet, row 900") and sum(told) == file.path.stat().st_size
    with pytest.raises(UnreadableFile, match=r"row 1: 'n' is not a text but a number: '0'"):
        list(documents(file, "n"))
    with pytest.raises(
        UnreadableFile, match=r"no column 'txt' \(did you mean 'text'\?\); there is"
    ):
        list(documents(file, "txt"))
    file.path.write_bytes(file.path.read_bytes()[:-30])
    with pytest.raises(UnreadableFile, match="is no parquet file or broken"):
        list(documents(file))


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match="python -m pip install pyarrow"):
        texts(written(tmp_path / "a.parquet", b""))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", '{"text": "x"}\n{"txt": "y"}', r":2: no field 'text' \(did you mean 'txt'\?\)"),
        ("a.jsonl", '{"text": "x"}\n\n{"text": "y"', r":3: the line is not JSON \(Expecting"),
        ("a.jsonl", "[" * 100_000, r":1: the line is not JSON \(nested too deeply"),
        ("a.jsonl", '[{"text": "x"}]', r":1: the line is a list and not an object"),
        ("a.jsonl", '{"text": ["x"]}', r":1: 'text' is not a text but a list"),
        ("a.jsonl", '{"text": 5}', r":1: 'text' is not a text but a number: '5'"),
        ("a.jsonl", '{"text": "ok"}\n{"text": "\\ud800"}', r":2: .*half of a surrogate pair"),
        ("a.jsonl", '{"text": "ok"}\n{"text": "\xfc"}'.encode("latin-1"), r":2: byte 11 .*latin-1"),
        ("a.csv", "id;text\n1;x\n", r":1: no column 'text'.*separate the columns by commas"),
        ("a.csv", "id,body\n1,x\n", r":1: no column 'text'; there is 'id', 'body'"),
        ("a.csv", "id,text\n1,x\n2,y,z\n", r":3: 3 fields, but the first line names 2"),
        ("a.csv", 'id,text\n1,x\n2,"y\n3,z\n', r":3: is not CSV: unexpected end of data"),
        ("a.csv", 'id,text\n1,"x"y\n', r":2: is not CSV: ',' expected after '\"'"),
        ("a.csv", b"id,text\n1,x\0y\n", r":2: is a binary file"),
    ],
)
def test_planted_faults(tmp_path, name, content, said):
    file = written(tmp_path / name, content)
    with pytest.raises(UnreadableFile) as caught:
        texts(file)
    message = str(caught.value)
    assert re.search(re.escape(str(file.path)) + said, message), message
    assert "\n" not in message and "Remedy: " in message


def test_one_document_is_never_as_large_as_a_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "LARGEST", 1 << 20)
    file = written(tmp_path / "a.txt", "head\n\n" + "a line of text\n" * 100_000)
    with pytest.raises(UnreadableFile, match=r"a\.txt:3: the document that begins here has more"):
        texts(file)


def test_rows_have_all_fields_and_text_has_none(tmp_path):
    file = written(tmp_path / "a.csv", "text,label,more\nx,1,\n")
    assert [row.values for row in rows(file, ["label", "text"])] == [{"label": "1", "text": "x"}]
    with pytest.raises(UnreadableFile, match="has no fields"):
        rows(written(tmp_path / "a.txt", "x"), ["text"])
