"""A corpus on the disk is what a corpus in memory is."""

from __future__ import annotations

import pytest

from course_lib.data import Corpus, Document, StoredCorpus, UnknownName
from course_lib.data.records import SPLITS
from course_lib.data.stored_corpus import (
    StoredTexts,
    TextWriter,
    read_info,
    write_info,
)

TEXTS = {"train": ["one", "zwei ü\nlines", "三", "four"], "validation": ["five"], "test": []}


@pytest.fixture
def stored(tmp_path) -> StoredCorpus:
    counts = {}
    for split, texts in TEXTS.items():
        with TextWriter(tmp_path, split) as writer:
            for text in texts:
                writer.add(text)
        counts[split] = writer.documents, writer.characters
    write_info(tmp_path, counts=counts, fingerprint="f")
    return StoredCorpus("c", "free", tmp_path, "notes")


@pytest.fixture
def held() -> Corpus:
    parts = {s: tuple(Document.of(text, "c") for text in texts) for s, texts in TEXTS.items()}
    return Corpus("c", "free", **parts, notes="notes")


def test_the_same_in_memory_and_on_the_disk(stored, held):
    for split in SPLITS:
        assert list(stored.texts(split)) == held.texts(split)
        assert tuple(stored.documents(split)) == held.documents(split)
        assert tuple(getattr(stored, split)) == getattr(held, split)
    assert stored.counts() == held.counts() and stored.describe() == held.describe()
    assert list(stored.texts()) == held.texts()


def test_places_and_slices(stored, held):
    for texts, same in (
        (stored.texts("train"), held.texts("train")),
        (stored.documents("train"), list(held.documents("train"))),
    ):
        assert len(texts) == 4 and texts[2] == same[2] and texts[-1] == same[-1]
        for part in (slice(1, 3), slice(None, None, -2), slice(9, 12)):
            assert texts[part] == same[part]
        with pytest.raises(IndexError):
            texts[4]


def test_two_may_read_at_once(stored):
    texts = stored.texts("train")
    assert list(zip(texts, texts, strict=True)) == [(text, text) for text in TEXTS["train"]]


def test_only_one_text_is_held(stored, monkeypatch):
    """What is alive is counted, of the documents that are made from the texts."""
    alive = most = 0

    class Counted(Document):
        def __post_init__(self):
            nonlocal alive, most
            alive += 1
            most = max(most, alive)

        def __del__(self):
            nonlocal alive
            alive -= 1

    monkeypatch.setattr("course_lib.data.stored_corpus.Document", Counted)
    assert sum(len(document.text) for document in stored.documents("train")) == 20
    # the next one is made before the loop lets go of the last
    assert most == 2 and alive == 0


def test_unknown_split(stored):
    with pytest.raises(UnknownName, match="did you mean 'validation'"):
        stored.texts("valid")


@pytest.mark.parametrize(
    ("name", "content"),
    [("train.txt", b"onE"), ("train.ends", b""), ("info.json", b"{"), ("info.json", b"{}")],
)
def test_what_was_changed_is_not_believed(stored, name, content):
    assert read_info(stored.folder)["fingerprint"] == "f"
    (stored.folder / name).write_bytes(content)
    assert read_info(stored.folder) is None


def test_an_empty_split(stored):
    assert len(StoredTexts(stored.folder, "test")) == 0 and list(stored.texts("test")) == []
