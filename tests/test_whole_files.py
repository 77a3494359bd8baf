"""A file or folder appears whole, or what was there stays."""

import os
import shutil
import threading

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


def folder(path, text):
    """A folder with one file that says ``text``, as another process makes it."""
    path.mkdir(parents=True)
    (path / "inside").write_text(text)


def meddling(monkeypatch, at, meddle):
    """Another process does something right before the move with the number ``at``."""
    moves, real = [], os.replace

    def replace(source, target):
        moves.append(source)
        if len(moves) == at:
            meddle()
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_another_process_makes_or_takes_away_the_folder_in_the_meantime(
    tmp_path, monkeypatch, before, at
):
    it = tmp_path / "it"
    for meddle in (
        lambda: it.exists() or folder(it, "theirs"),
        lambda: shutil.rmtree(it, ignore_errors=True),
    ):
        shutil.rmtree(it, ignore_errors=True)
        if before:
            folder(it, "old")
        with monkeypatch.context() as context, written_whole(it) as work:
            folder(work, "ours")
            meddling(context, at, meddle)
        assert (it / "inside").read_text() == "ours"
        assert sorted(p.name for p in tmp_path.rglob("*")) == ["inside", "it"]


def test_what_another_process_made_stays_where_it_is_as_good(tmp_path):
    it, asked = tmp_path / "it", []
    with written_whole(it, keep=lambda there: not asked.append(there)) as work:
        folder(work, "ours")
        folder(it, "theirs")
    assert (it / "inside").read_text() == "theirs" and asked == [it]
    with written_whole(it, keep=lambda there: False) as work:
        folder(work, "ours")
    assert (it / "inside").read_text() == "ours" and [p.name for p in tmp_path.iterdir()] == ["it"]


def test_a_folder_comes_back_when_the_new_one_gets_no_name(tmp_path, monkeypatch):
    it, real = tmp_path / "it", os.replace
    folder(it, "old")

    def refuse(source, target):
        if ".writing" in str(source):
            raise OSError(5, "the disk is broken")
        real(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="broken"), written_whole(it) as work:
        folder(work, "new")
    assert (it / "inside").read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["it"]


def test_a_file_is_not_taken_for_a_folder_in_the_way(tmp_path):
    (tmp_path / "it").write_text("a file")
    with pytest.raises(NotADirectoryError), written_whole(tmp_path / "it") as work:
        folder(work, "new")
    assert (tmp_path / "it").read_text() == "a file"


def test_two_threads_do_not_write_into_one_anothers_folder(tmp_path):
    both = threading.Barrier(2)

    def write(text):
        with written_whole(tmp_path / "it") as work:
            folder(work, text)
            both.wait()
            texts.append((work / "inside").read_text())

    texts: list[str] = []
    threads = [threading.Thread(target=write, args=(text,)) for text in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(texts) == ["one", "two"] and [p.name for p in tmp_path.iterdir()] == ["it"]
