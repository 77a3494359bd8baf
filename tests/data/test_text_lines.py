"""Lines of text, and every way in which a file is not that."""

from __future__ import annotations

import gzip
import re

import pytest

from course_lib.data import UnreadableFile, text_lines
from course_lib.data.text_lines import numbered_lines


def error_of(path) -> str:
    with pytest.raises(UnreadableFile) as caught:
        list(numbered_lines(path))
    text = str(caught.value)
    assert "\n" not in text and str(path) in text and "Remedy: " in text
    return text


def test_ends_of_lines_and_the_mark_of_utf8(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone\r\n\r\n zwei ü \nlast".encode())
    assert list(numbered_lines(path)) == [(1, "one"), (2, ""), (3, " zwei ü "), (4, "last")]
    path.write_bytes(b"")
    assert list(numbered_lines(path)) == []


def test_gzip_reads_the_same_and_all_bytes_are_told(tmp_path):
    text = "".join(f"line {i}\n" for i in range(2000)).encode()
    plain, packed = tmp_path / "a.txt", tmp_path / "a.txt.gz"
    plain.write_bytes(text)
    packed.write_bytes(gzip.compress(text))
    for path in (plain, packed):
        told = []
        assert len(list(numbered_lines(path, told.append))) == 2000
        assert sum(told) == path.stat().st_size
    assert list(numbered_lines(plain)) == list(numbered_lines(packed))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Grüße\n".encode("utf-16"), r"a\.txt:1: is not UTF-8 but UTF-16.*iconv -f UTF-16"),
        ("plain words\n".encode("utf-16-le"), r"a\.txt:1: is not UTF-8 but UTF-16"),
        ("plain words\n".encode("utf-16-be"), r"a\.txt:1: is not UTF-8 but UTF-16"),
        (
            "ok\nok\nGrüße\n".encode("latin-1"),
            r"a\.txt:3: byte 3 of the line, 0xFC, is not UTF-8; it looks like latin-1 .*iconv",
        ),
        (b"ok\n" + bytes(range(256)), r"a\.txt:2: is a binary file"),
        (b"ok\nan\0other\n", r"a\.txt:2: is a binary file"),
        (b"%PDF-1.4\n\xff", r"is not text: it is a PDF"),
        (b"PK\x03\x04\xff\xfe", r"is not text: it is a zip archive \(\.docx"),
        (gzip.compress(b"x", mtime=0), r"is not text: it is compressed by gzip"),
    ],
)
def test_what_is_no_text_in_utf8(tmp_path, content, said):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    assert re.search(said, error_of(path))


@pytest.mark.parametrize(
    "harm", [lambda b: b[:-9], lambda b: b"no gzip", lambda b: b[:20] + b"#" * 9 + b[29:]]
)
def test_a_broken_gzip(tmp_path, harm):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(harm(gzip.compress(b"".join(b"%d\n" % (i * i) for i in range(999)))))
    assert "the gzip file is broken" in error_of(path)


def test_what_the_system_does_not_open(tmp_path, monkeypatch):
    assert "cannot be read (No such file" in error_of(tmp_path / "absent.txt")
    assert "cannot be read (Is a directory" in error_of(tmp_path)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    # the tests may run as root, who may read everything
    monkeypatch.setattr(type(tmp_path), "open", refuse)
    assert "cannot be read (Permission denied)" in error_of(tmp_path / "mine.txt")


def test_a_line_without_end_is_never_held(tmp_path, monkeypatch):
    monkeypatch.setattr(text_lines, "LARGEST", 1 << 20)
    path = tmp_path / "a.txt"
    path.write_bytes(b"first\n" + b"x" * (3 << 20))
    assert "a.txt:2: the line has more than 1 MB" in error_of(path)
