"""Fetching: what arrives; each thing that goes wrong is named and leaves nothing half-written."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from course_lib.data import (
    ARCHIVES,
    CacheError,
    DamagedArchive,
    FetchError,
    UnknownName,
    archives,
    fetch,
)
from course_lib.data.archives import is_whole


def entries(cache: Path) -> list[str]:
    """What lies in the archives' folder, locks aside."""
    root = cache / "archives"
    names = [p.name for p in root.iterdir()] if root.is_dir() else []
    return sorted(name for name in names if not name.startswith(".lock-"))


def test_unpacks_the_wanted_members_and_nothing_else(tiny, cache):
    folder = fetch("tiny", cache=cache, progress=False)
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert files == ["MANIFEST", "tiny/data/a.txt", "tiny/data/b.txt"]
    assert (folder / "tiny/data/a.txt").read_text() == "alpha"
    assert entries(cache) == [tiny.archive.folder]


def test_fetches_once(tiny, cache):
    assert fetch("tiny", cache=cache, progress=False) == fetch("tiny", cache=cache, progress=False)
    assert tiny.calls() == 1


def test_licence_and_bar_are_shown_when_fetched_and_only_then(tiny, cache, capsys):
    fetch("tiny", cache=cache)
    assert capsys.readouterr().err.count("Licence: public domain") == 1
    fetch("tiny", cache=cache)
    assert capsys.readouterr() == ("", "")


def test_without_progress_nothing_is_printed(tiny, cache, capfd):
    fetch("tiny", cache=cache, progress=False)
    assert capfd.readouterr() == ("", "")


def test_environment_chooses_the_cache(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_LIB_CACHE", str(tmp_path / "elsewhere"))
    assert fetch("tiny", progress=False).is_relative_to(tmp_path / "elsewhere")
    monkeypatch.delenv("COURSE_LIB_CACHE")
    assert archives.cache_dir().name == "course_lib"


def test_unknown_name_lists_near_ones(cache):
    with pytest.raises(
        UnknownName, match=r"unknown archive 'gensin'; did you mean 'gensim'\? Known: .*botocore"
    ):
        fetch("gensin", cache=cache)


def test_no_network_and_nothing_cached(tiny, cache):
    (tiny.folder / "stderr").write_text(
        "WARNING: Retrying\nERROR: no route to https://me:secret@index.example/simple"
    )
    with pytest.raises(
        FetchError,
        match=r"could not download tiny==1\.0.*no route.*Remedy: connect.*PIP_FIND_LINKS",
    ) as e:
        fetch("tiny", cache=cache, progress=False)
    assert "secret" not in str(e.value) and "index.example" not in str(e.value)
    assert isinstance(e.value, OSError) and entries(cache) == []
    (tiny.folder / "stderr").unlink()
    assert is_whole(fetch("tiny", cache=cache, progress=False))


def test_cached_archive_needs_no_network(tiny, cache):
    folder = fetch("tiny", cache=cache, progress=False)
    (tiny.folder / "stderr").write_text("ERROR: no network")
    assert fetch("tiny", cache=cache, progress=False) == folder


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-7], lambda b: b[:50] + bytes([b[50] ^ 1]) + b[51:], lambda b: b""]
)
def test_damaged_archive_is_refused_and_removed(tiny, cache, damage):
    good = tiny.wheel.read_bytes()
    tiny.wheel.write_bytes(damage(good))
    with pytest.raises(
        DamagedArchive, match=rf"expected SHA-256 {tiny.archive.sha256}.*got .*was removed.*Remedy"
    ):
        fetch("tiny", cache=cache, progress=False)
    assert entries(cache) == []
    tiny.wheel.write_bytes(good)
    assert is_whole(fetch("tiny", cache=cache, progress=False))


def test_a_file_where_the_cache_should_be(tiny, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CacheError, match=r"cannot be written: .*file.*COURSE_LIB_CACHE"):
        fetch("tiny", cache=tmp_path / "file", progress=False)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_read_only_cache(tiny, cache, monkeypatch, code):
    def refuse(**_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(archives.tempfile, "mkdtemp", refuse)
    with pytest.raises(CacheError, match="make it writable, or set COURSE_LIB_CACHE"):
        fetch("tiny", cache=cache, progress=False)


def test_disk_full_while_unpacking(tiny, cache, monkeypatch):
    write = archives._write

    def fill_up(path, data):
        if path.name == "b.txt":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    monkeypatch.setattr(archives, "_write", fill_up)
    with pytest.raises(
        CacheError, match=r"disk is full.*Nothing was left half-written.*free some space"
    ):
        fetch("tiny", cache=cache, progress=False)
    assert entries(cache) == []
    monkeypatch.setattr(archives, "_write", write)
    assert is_whole(fetch("tiny", cache=cache, progress=False))


def test_disk_full_while_pip_downloads(tiny, cache):
    (tiny.folder / "stderr").write_text(
        "ERROR: Could not install: [Errno 28] No space left on device"
    )
    with pytest.raises(CacheError, match="disk is full"):
        fetch("tiny", cache=cache, progress=False)
    assert entries(cache) == []


def test_other_errors_of_the_system_are_not_disguised(tiny, cache, monkeypatch):
    def fail(path, data):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(archives, "_write", fail)
    with pytest.raises(OSError, match="Input/output error") as caught:
        fetch("tiny", cache=cache, progress=False)
    assert not isinstance(caught.value, CacheError) and entries(cache) == []


@pytest.mark.parametrize("harm", [Path.unlink, lambda p: p.write_text("")])
def test_a_member_lost_later_is_fetched_again(tiny, cache, harm):
    folder = fetch("tiny", cache=cache, progress=False)
    harm(folder / "tiny/data/b.txt")
    assert not is_whole(folder)
    assert is_whole(fetch("tiny", cache=cache, progress=False)) and tiny.calls() == 2
    assert entries(cache) == [tiny.archive.folder]


def test_file_systems_without_locks_work_too(tiny, cache, monkeypatch):
    def no_lock(self):
        raise NotImplementedError("no flock here")

    monkeypatch.setattr(archives.FileLock, "acquire", no_lock)
    assert is_whole(fetch("tiny", cache=cache, progress=False))


def test_loser_of_a_race_takes_the_winners_folder(tiny, cache, monkeypatch):
    unpack = archives.unpack

    def slow_unpack(file, archive, content, progress):
        unpack(file, archive, content, progress)
        target = cache / "archives" / archive.folder
        if not target.exists():
            unpack(file, archive, target, progress)  # another process was faster
            (target / "winner").touch()

    monkeypatch.setattr(archives, "unpack", slow_unpack)
    folder = fetch("tiny", cache=cache, progress=False)
    assert is_whole(folder) and (folder / "winner").exists()
    assert entries(cache) == [tiny.archive.folder]


def test_a_folder_that_appears_at_the_last_moment(tiny, cache, monkeypatch):
    def too_late(content, target):
        archives.unpack(tiny.wheel, tiny.archive, target, progress=False)
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr(archives.os, "replace", too_late)
    assert is_whole(fetch("tiny", cache=cache, progress=False))


def test_something_in_the_way_of_the_final_name(tiny, cache):
    (cache / "archives").mkdir(parents=True)
    (cache / "archives" / tiny.archive.folder).write_text("a file")
    with pytest.raises(CacheError, match=r"cannot name .*remove what is there"):
        fetch("tiny", cache=cache, progress=False)


def test_members_outside_of_the_folder_are_refused(tiny, cache):
    with zipfile.ZipFile(tiny.wheel, "w") as bundle:
        bundle.writestr("tiny/data/../../../../escaped.txt", "x")
    with pytest.raises(DamagedArchive, match="outside of its folder"):
        archives.unpack(tiny.wheel, tiny.archive, cache / "content", progress=False)
    assert not list(cache.rglob("escaped.txt"))


def test_a_pattern_without_a_member_is_an_error(tiny, cache):
    archive = replace(tiny.archive, members=("tiny/data/*.txt", "tiny/none/*"))
    with pytest.raises(DamagedArchive, match=r"no member 'tiny/none/\*'"):
        archives.unpack(tiny.wheel, archive, cache / "content", progress=False)


def test_unpacks_a_source_archive(tiny, tmp_path):
    file = tmp_path / "tiny-1.0.tar.gz"
    with tarfile.open(file, "w:gz") as bundle:
        info = tarfile.TarInfo("tiny/data/a.txt")
        info.size = 5
        bundle.addfile(info, io.BytesIO(b"alpha"))
    archives.unpack(file, tiny.archive, tmp_path / "content", progress=False)
    assert (tmp_path / "content/tiny/data/a.txt").read_bytes() == b"alpha"


def test_archive_checks_its_fields(tiny):
    with pytest.raises(ValueError, match="sha256 of tiny must be 64 hexadecimal digits"):
        replace(tiny.archive, sha256="abc")
    with pytest.raises(ValueError, match="members of tiny"):
        replace(tiny.archive, members=())


def test_folder_name_changes_with_file_and_members(tiny):
    names = {
        tiny.archive.folder,
        replace(tiny.archive, sha256="0" * 64).folder,
        replace(tiny.archive, members=("a",)).folder,
    }
    assert len(names) == 3


def run_elsewhere(tiny, cache, before: str = "") -> subprocess.Popen:
    """``fetch("tiny")`` in a process of its own, after the statements ``before``."""
    code = f"""
import sys
from pathlib import Path
from course_lib.data import archives, pip
archives.ARCHIVES["tiny"] = archives.{tiny.archive!r}
pip.find_pip = lambda requirement="": [sys.executable, {str(tiny.script)!r}]
{textwrap.dedent(before)}
print(archives.fetch("tiny", cache=Path({str(cache)!r}), progress=False))
"""
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_killed_while_unpacking_leaves_nothing_that_counts(tiny, cache):
    stop_at_b = """
    import time
    write = archives._write
    def hang(path, data):
        if path.name == "b.txt":
            path.write_bytes(data[:10])
            (Path(path).parents[5] / "reached").touch()
            time.sleep(60)
        write(path, data)
    archives._write = hang
    """
    process = run_elsewhere(tiny, cache, stop_at_b)
    deadline = time.monotonic() + 60
    while not list(cache.rglob("reached")) and process.poll() is None:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    left = [name for name in entries(cache) if name.startswith(".partial-")]
    assert len(left) == 1, "the plant must have been killed in the middle"
    assert not (cache / "archives" / tiny.archive.folder).exists()
    assert is_whole(fetch("tiny", cache=cache, progress=False))
    assert [name for name in entries(cache) if name != "reached"] == [tiny.archive.folder]


def test_two_processes_at_once_download_once(tiny, cache):
    (tiny.folder / "sleep").write_text("0.5")
    processes = [run_elsewhere(tiny, cache) for _ in range(2)]
    results = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert results[0][0] == results[1][0]
    assert tiny.calls() == 1 and entries(cache) == [tiny.archive.folder]


def test_what_another_process_is_doing_is_not_swept_up(tiny, cache):
    """The sweep takes only leftovers of the archive whose lock is held."""
    other = cache / "archives" / ".partial-other-1.0-abc"
    own = cache / "archives" / f".partial-{tiny.archive.folder}-abc"
    other.mkdir(parents=True)
    own.mkdir()
    fetch("tiny", cache=cache, progress=False)
    assert other.exists() and not own.exists()


@pytest.mark.parametrize("name", sorted(ARCHIVES))
def test_pinned_archives_arrive(name):
    try:
        folder = fetch(name, progress=False)
    except FetchError as error:
        pytest.skip(f"no download here: {error}")
    assert is_whole(folder) and ARCHIVES[name].licence
