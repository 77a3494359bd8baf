"""Corpora: splits that hold still, the cache, and what the real ones are like."""

from __future__ import annotations

import errno
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from course_lib.data import CacheError, Document, Link, UnknownName, corpora, load_corpus, split_of
from course_lib.data.corpora import Parts, build, parts_of, rows_of
from course_lib.data.records import SPLITS, normalise
from course_lib.data.repeats import PASSAGE
from course_lib.data.stored import read_rows, write_rows


def numbered(count: int, start: int = 0) -> list[tuple[str, Document]]:
    return [
        (f"key {i}", Document.of(f"text number {i}", "made", str(i)))
        for i in range(start, start + count)
    ]


def where(parts: Parts) -> dict[str, str]:
    return {document.title: split for split in SPLITS for document in parts.splits[split]}


def test_adding_documents_moves_no_other():
    before = where(build(numbered(500)))
    for added in (numbered(1, 500), numbered(300, 500)):
        after = where(build([*added, *numbered(500)]))
        assert {title: after[title] for title in before} == before
        assert len(after) == len(before) + len(added)


def test_order_does_not_matter_for_the_split():
    assert where(build(numbered(300)[::-1])) == where(build(numbered(300)))


def test_split_is_of_the_key():
    assert where(build(numbered(50))) == {str(i): split_of(f"key {i}") for i in range(50)}


def test_saved_parts_come_back_equal(tmp_path):
    text = 'É\u2028 \x85 tab\t\x1c "quoted" \\n \U0001f600\nline'
    document = Document.of(text, "s", "t", [Link(0, 1, "É|x")])
    parts = Parts({"train": (document,), "validation": (), "test": ()}, "Dropped: 0")
    write_rows(tmp_path / "x.jsonl", rows_of(parts))
    assert parts_of(read_rows(tmp_path / "x.jsonl")) == parts
    assert [p.name for p in tmp_path.iterdir()] == ["x.jsonl"]


@pytest.mark.parametrize(
    "harm", [lambda b: b[:-3], lambda b: b.replace(b"line", b"lane"), lambda b: b""]
)
def test_a_damaged_cache_file_is_not_believed(tmp_path, harm):
    file = tmp_path / "x.jsonl"
    document = Document.of("line", "s")
    write_rows(file, rows_of(Parts({"train": (document,), "validation": (), "test": ()}, "")))
    file.write_bytes(harm(file.read_bytes()))
    assert read_rows(file) is None and read_rows(tmp_path / "absent") is None


@pytest.fixture
def made(tiny, monkeypatch):
    """A corpus ``made`` from the tiny archive; ``calls`` counts how often it is read."""
    calls = []

    def read(folder: Path, progress: bool):
        calls.append(folder)
        return ((key, document) for key, document in numbered(40))

    monkeypatch.setitem(corpora.PARTS, "made", ("tiny", read))
    return calls


def test_built_once_then_read_from_the_cache(made, cache):
    first, second = (load_corpus("made", cache=cache, progress=False) for _ in range(2))
    assert first == second and first.fingerprint == second.fingerprint and len(made) == 1
    assert first.licence == "public domain" and first.notes.startswith("Dropped: ")


def test_a_damaged_cache_is_built_again(made, cache):
    first = load_corpus("made", cache=cache, progress=False)
    (file,) = (cache / "corpora").glob("*.jsonl")
    file.write_bytes(file.read_bytes()[:-1])
    assert load_corpus("made", cache=cache, progress=False) == first and len(made) == 2


def test_another_recipe_builds_again_and_takes_the_old_file_away(made, cache, monkeypatch):
    load_corpus("made", cache=cache, progress=False)
    old = set((cache / "corpora").glob("*.jsonl"))
    monkeypatch.setattr(corpora, "recipe", lambda name: "0" * 12)
    load_corpus("made", cache=cache, progress=False)
    assert len(made) == 2 and not old & set((cache / "corpora").glob("*.jsonl"))


def test_interrupted_while_building_leaves_nothing(made, cache, monkeypatch):
    def stop(folder, progress):
        yield from numbered(3)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(corpora.PARTS, "made", ("tiny", stop))
        with pytest.raises(KeyboardInterrupt):
            load_corpus("made", cache=cache, progress=False)
    assert not [p for p in (cache / "corpora").iterdir() if not p.name.startswith(".lock")]
    assert len(load_corpus("made", cache=cache, progress=False).train) > 30


def test_disk_full_while_saving(made, cache, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    load_corpus("made", cache=cache, progress=False)  # so that the archive is there
    (file,) = (cache / "corpora").glob("*.jsonl")
    file.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(CacheError, match=r"disk is full: .*corpora.*free some space"):
            load_corpus("made", cache=cache, progress=False)
    assert not [p for p in (cache / "corpora").iterdir() if not p.name.startswith(".lock")]
    load_corpus("made", cache=cache, progress=False)


def test_a_file_where_the_cache_should_be(made, cache):
    load_corpus("made", cache=cache, progress=False)
    folder = cache / "corpora"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("in the way")
    with pytest.raises(CacheError, match="COURSE_LIB_CACHE"):
        load_corpus("made", cache=cache, progress=False)


@pytest.mark.parametrize(
    ("name", "near"),
    [("wikpedia", "wikipedia"), ("English", "english"), ("wikitext103", "wikitext-103")],
)
def test_unknown_name(name, near):
    with pytest.raises(UnknownName, match=f"unknown corpus {name!r}; did you mean {near!r}"):
        load_corpus(name)


NAMES = ["wikipedia", "cloud-docs", "films", "english"]


@pytest.mark.parametrize("name", NAMES)
def test_no_document_and_no_passage_is_in_two_splits(real, name):
    corpus = real(name)
    for parts in (
        lambda d: [d.id],
        lambda d: [f"{d.source}/{d.title}"],
        lambda d: [normalise(line) for line in d.text.split("\n") if len(line) >= PASSAGE],
    ):
        sets = [{part for d in corpus.documents(split) for part in parts(d)} for split in SPLITS]
        assert all(sets) and sum(map(len, sets)) == len(set.union(*sets))


@pytest.mark.parametrize("name", NAMES)
def test_shares_are_five_per_cent_within_four_sigma(real, name):
    counts = {split: n for split, (n, _) in real(name).counts().items()}
    n = sum(counts.values())
    for split in ("validation", "test"):
        assert abs(counts[split] - 0.05 * n) < 4 * math.sqrt(n * 0.05 * 0.95)


def test_no_passage_comes_twice_anywhere(real):
    documents = [d for s in SPLITS for d in real("english").documents(s)]
    lines = [line for d in documents for line in d.text.split("\n")]
    keys = [normalise(line) for line in lines if len(line) >= PASSAGE]
    assert len(keys) == len(set(keys))


def test_english_is_the_three_together_and_large_enough(real):
    parts = [real(name) for name in NAMES[:3]]
    english = real("english")
    for split in SPLITS:
        assert english.documents(split) == tuple(d for part in parts for d in part.documents(split))
    characters = {split: c for split, (_, c) in english.counts().items()}
    # a token is about four characters
    assert characters["train"] > 19e6 and min(characters.values()) > 1e6
    assert {d.source for d in english.validation} == set(NAMES[:3])


def test_wikipedia_keeps_exact_links(real):
    links = [(d, link) for d in real("wikipedia").train for link in d.links]
    assert len(links) > 10_000
    for d, link in links:
        surface = d.text[link.start : link.end]
        assert surface == surface.strip() and "\n" not in surface


def test_second_load_takes_less_than_a_second(real):
    real("english")
    times = []
    for _ in range(3):
        start = time.process_time()
        load_corpus("english", progress=False)
        times.append(time.process_time() - start)
    assert min(times) < 1, times


def test_same_in_every_process(real):
    """Nothing depends on the order of sets, which differs from process to process."""
    code = (
        "from course_lib.data import load_corpus; "
        "print(load_corpus('films', progress=False).fingerprint)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == real("films").fingerprint
