"""A file or folder appears whole, or what was there stays."""

import os

import pytest

from course_lib import whole_files
from course_lib.whole_files import read_json_object, write_text_whole, written_whole


def test_a_file_and_a_folder_get_their_names_at_the_end(tmp_path):
    with written_whole(tmp_path / "deep" / "file") as work:
        work.write_text("a")
        assert not (tmp_path / "deep" / "file").exists()
    with written_whole(tmp_path / "folder") as work:
        work.mkdir()
        (work / "inside").write_text("b")
    assert (tmp_path / "deep" / "file").read_text() == "a"
    assert (tmp_path / "folder" / "inside").read_text() == "b"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["deep", "file", "folder", "inside"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_fails_leaves_what_was_there(tmp_path, kind):
    target = tmp_path / "it"
    if kind == "file":
        target.write_text("old")
    else:
        target.mkdir()
        (target / "inside").write_text("old")
    with pytest.raises(OSError, match="full"), written_whole(target) as work:
        if kind == "folder":
            work.mkdir()
            work = work / "inside"
        work.write_text("new")
        raise OSError("the disk is full")
    assert (target if kind == "file" else target / "inside").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_replaces_an_older_one(tmp_path):
    for text in ("old", "new"):
        with written_whole(tmp_path / "it") as work:
            work.mkdir()
            (work / text).write_text(text)
    assert [p.name for p in tmp_path.rglob("*")] == ["it", "new"]


def test_the_name_comes_after_the_bytes(tmp_path, monkeypatch):
    """At the rename everything was synced; before it the final name does not exist."""
    synced, real = [], os.replace

    def watch(source, target):
        assert not os.path.exists(target)
        assert {source, *source.rglob("*")} <= set(synced)
        real(source, target)

    monkeypatch.setattr(whole_files, "sync", synced.append)
    monkeypatch.setattr(os, "replace", watch)
    write_text_whole(tmp_path / "file", "text")
    with written_whole(tmp_path / "folder") as work:
        (work / "deep").mkdir(parents=True)
        (work / "deep" / "file").write_text("text")


def test_what_a_killed_process_of_this_number_left_is_no_obstacle(tmp_path):
    (tmp_path / f".writing-it-{os.getpid()}").mkdir()
    write_text_whole(tmp_path / "it", "text")
    assert [p.name for p in tmp_path.iterdir()] == ["it"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe", "decode"),
        (b"[]", "not an object"),
        (b"null", "not an object"),
        (b"[" * 100_000, "recursion"),
        (b"{}", "it has no step"),
        (b'{"step": true}', "step must be int, got True"),
        (b'{"step": 1, "best": "x"}', "best must be float or null, got 'x'"),
    ],
)
def test_an_object_or_a_clear_error(tmp_path, content, says):
    file = tmp_path / "info.json"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"info.json is damaged: .*{says}"):
        read_json_object(file, step=int, best=(float, type(None)))
    file.write_text('{"step": 1, "best": null, "more": []}')
    assert read_json_object(file, step=int, best=(float, type(None)))["more"] == []
