"""Which files a path means."""

from __future__ import annotations

import os

import pytest

from course_lib.data import UnreadableFile, own_files
from course_lib.data.own_files import kind_of, looks_like_path


def make(folder, *names: str):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def names(found) -> list[str]:
    return [file.path.name for file in found]


def test_a_folder_is_read_to_its_depths_without_hidden_and_other_files(tmp_path):
    make(
        tmp_path, "b.md", "deep/er/a.TXT", ".git/c.txt", ".d.txt", "e.png", "f.jsonl.gz", "g.txt.gz"
    )
    found = own_files.own_files(tmp_path)
    assert names(found) == ["b.md", "a.TXT", "f.jsonl.gz", "g.txt.gz"]
    assert [f.whole for f in found] == [True, True, False, True]
    assert [f.kind for f in found] == [".md", ".txt", ".jsonl", ".txt"]


def test_a_file_alone_is_split_at_blank_lines_and_so_is_a_huge_one(tmp_path, monkeypatch):
    make(tmp_path, "a.txt", "bbbbbbbbbbbbbbbb.txt")
    assert not own_files.own_files(tmp_path / "a.txt")[0].whole
    monkeypatch.setattr(own_files, "LARGEST", 10)
    assert [f.whole for f in own_files.own_files(tmp_path)] == [True, False]


def test_a_pattern_and_the_home(tmp_path, monkeypatch):
    make(tmp_path, "x/a.txt", "x/b.md", "y/c.txt", "x/d.png")
    assert names(own_files.own_files(f"{tmp_path}/*/*.txt")) == ["a.txt", "c.txt"]
    assert names(own_files.own_files(f"{tmp_path}/**/*")) == ["a.txt", "b.md", "c.txt"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert names(own_files.own_files("~/y")) == ["c.txt"]
    monkeypatch.chdir(tmp_path)
    assert names(own_files.own_files("x")) == ["a.txt", "b.md"]


def test_published_splits_need_all_three_names_and_no_other(tmp_path):
    make(tmp_path, "test.csv", "train-00000-of-00002.csv", "train-00001-of-00002.csv")
    assert {f.split for f in own_files.own_files(tmp_path)} == {None}
    make(tmp_path, "validation.csv")
    splits = [f.split for f in own_files.own_files(tmp_path)]
    assert splits == ["test", "train", "train", "validation"]
    make(tmp_path, "more.csv")
    assert {f.split for f in own_files.own_files(tmp_path)} == {None}


def test_where_there_is_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    make(tmp_path, "other/a.pdf", "other/b.docx")
    for name, said in (
        (tmp_path / "empty", "the folder is empty"),
        (tmp_path / "other", r"no file ends in \.txt.*; there is \.docx, \.pdf"),
        (tmp_path / "other/a.pdf", r"no file ends in .*there is \.pdf"),
        (tmp_path / "absent", r"no such file or folder \(looked in "),
        (tmp_path / "*.txt", "no file fits the pattern"),
    ):
        with pytest.raises(UnreadableFile, match=said) as caught:
            own_files.own_files(name)
        assert str(name) in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    make(tmp_path, "a.txt")

    def walk(folder, onerror):
        onerror(PermissionError(13, "Permission denied"))
        return []

    monkeypatch.setattr(os, "walk", walk)
    with pytest.raises(UnreadableFile, match=r"cannot be read \(Permission denied\)"):
        own_files.own_files(tmp_path)


def test_what_can_only_be_a_path():
    assert all(map(looks_like_path, ["./a", "/a/b", "~/a", "notes.txt", "a\\b", "a/b.jsonl.gz"]))
    assert not any(map(looks_like_path, ["english", "owner/name", "wikitext-2", "v1.0"]))
    assert kind_of(own_files.Path("a.parquet.gz")) == kind_of(own_files.Path("txt")) == ""
