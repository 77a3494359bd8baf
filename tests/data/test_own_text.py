"""Your own text: the same rules as for the other corpora, one document at a time."""

from __future__ import annotations

import functools
import gzip
import json
import os
import random
import shutil

import pytest

from course_lib.batches import encode_corpus, encoded
from course_lib.data import (
    Corpus,
    Document,
    StoredCorpus,
    UnknownName,
    UnreadableFile,
    load_corpus,
    own_text,
)
from course_lib.data.own_text import load_own_corpus, write_corpus
from course_lib.data.records import SPLITS, split_of, text_id
from course_lib.data.repeats import drop_repeats
from course_lib.data.stored_corpus import StoredTexts
from course_lib.tokenization import train_tokenizer


def passages(n: int, seed: int = 0) -> list[str]:
    """Documents of a few lines; many lines come again, some with a word changed."""
    draw = random.Random(seed)
    ends = ("n", "rt", "ss", "l", "mo", "ve")
    words = [f"{start}{end}" for start in ("ba", "do", "ki", "lu", "me", "su") for end in ends]
    lines = [" ".join(draw.choices(words, k=draw.randint(3, 30))) for _ in range(n)]
    lines += [line.replace(words[0], "changed").upper() for line in lines[: n // 2]]
    return ["\n".join(draw.choices(lines, k=draw.randint(1, 4))) for _ in range(n)]


def load(path, tmp_path, **more) -> StoredCorpus:
    return load_own_corpus(path, cache=tmp_path / "cache", progress=False, **more)


def write_jsonl(path, texts, field="text"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({field: text}) + "\n" for text in texts), "utf-8")
    return path


def all_texts(corpus) -> list[str]:
    return [text for split in SPLITS for text in corpus.texts(split)]


def test_the_same_as_in_memory(tmp_path):
    """Splits, what is dropped and the fingerprint are those of a ``Corpus`` made of lists."""
    texts = passages(2000)
    corpus = load(write_jsonl(tmp_path / "a.jsonl", texts), tmp_path)
    splits = {split: [] for split in SPLITS}
    for text in texts:
        splits[split_of(f"own/{text_id(text)}")].append(Document.of(text, "a.jsonl"))
    kept, dropped = drop_repeats(splits)
    held = Corpus("a.jsonl", own_text.LICENCE, **kept)
    assert dropped.repeated and dropped.similar and dropped.documents
    assert {s: tuple(corpus.documents(s)) for s in SPLITS} == kept
    assert corpus.fingerprint == held.fingerprint and corpus.counts() == held.counts()
    assert str(dropped) in corpus.describe()


def test_the_fingerprint_is_of_what_is_read_and_not_of_names_or_times(tmp_path):
    for i, text in enumerate(passages(60)):
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / f"one/{i:03}.txt").write_text(text)
    first = load(tmp_path / "one", tmp_path)
    shutil.copytree(tmp_path / "one", tmp_path / "two/deeper")
    for i, path in enumerate(sorted((tmp_path / "two/deeper").iterdir())):
        os.utime(path, (i, i))
        path.rename(path.with_name(f"{99 - i}.md" if i % 2 else f"{99 - i}.txt"))
    same = load(tmp_path / "two", tmp_path)
    assert same.fingerprint == first.fingerprint and same.name == "two" != first.name
    (tmp_path / "two/more.txt").write_text("something new")
    more = load(tmp_path / "two", tmp_path)
    assert more.fingerprint != first.fingerprint
    for split in SPLITS:
        assert set(first.texts(split)) <= set(more.texts(split)) | {"something new"}


def test_read_once_then_opened(tmp_path, monkeypatch):
    path = write_jsonl(tmp_path / "a.jsonl", passages(50))
    first = load(path, tmp_path)

    def again(*_):
        raise AssertionError("read again")

    with monkeypatch.context() as patch:
        patch.setattr(own_text, "documents", again)
        assert load(path, tmp_path).fingerprint == first.fingerprint
    (first.folder / "train.txt").write_bytes(b"damaged")
    assert list(load(path, tmp_path).texts()) and load(path, tmp_path).folder == first.folder
    assert not [p for p in first.folder.iterdir() if p.name.startswith("waiting")]


def test_kinds_say_the_same(tmp_path):
    texts = [text.replace("\n", " ") for text in passages(300)]
    write_jsonl(tmp_path / "a.jsonl", texts)
    (tmp_path / "a.txt").write_text("\n\n".join(texts))
    (tmp_path / "a.csv").write_text("n,text\n" + "".join(f'0,"{text}"\n' for text in texts))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    write_jsonl(tmp_path / "b.jsonl", texts, "body")
    found = [load(tmp_path / f"a.{e}", tmp_path) for e in ("txt", "csv", "jsonl", "jsonl.gz")]
    found.append(load(tmp_path / "b.jsonl", tmp_path, text="body"))
    assert len({corpus.fingerprint for corpus in found}) == 1


def test_published_splits_are_kept(tmp_path):
    parts = {"train": ["a", "b", "a", " "], "validation": ["c", "b"], "test": ["d"]}
    for split, texts in parts.items():
        write_jsonl(tmp_path / f"set/{split}.jsonl", texts)
    corpus = load(tmp_path / "set", tmp_path)
    assert [list(corpus.texts(split)) for split in SPLITS] == [["a", "b"], ["c"], ["d"]]


class Counted(str):
    """A text that is counted while it lives."""

    alive = most = 0

    def __new__(cls, text: str):
        Counted.alive += 1
        Counted.most = max(Counted.most, Counted.alive)
        return super().__new__(cls, text)

    def __del__(self):
        Counted.alive -= 1


def test_documents_are_not_held(tmp_path):
    """Of ten thousand documents no more than three are alive at any time."""
    found = ((None, Counted(f"document number {i} with words of its own")) for i in range(10_000))
    write_corpus(found, tmp_path, "made")
    assert Counted.most <= 3 and Counted.alive == 0
    assert len(StoredTexts(tmp_path, "train")) > 8_000


def test_nor_are_they_while_they_are_encoded(tmp_path, monkeypatch):
    """From the file to the array: the batch that is encoded and the next one, and no more."""
    smaller = functools.partial(encoded._batches, characters=20_000)
    monkeypatch.setattr(encoded, "_batches", smaller)
    texts = [f"{i} " + "some words of a text " * 50 for i in range(400)]
    corpus = load(write_jsonl(tmp_path / "a.jsonl", texts), tmp_path)
    Counted.most = 0
    counted = (Counted(text) for text in corpus.texts("train"))
    tokenizer = train_tokenizer(texts[:2], 60)
    array = encode_corpus(counted, tokenizer, tmp_path / "encoded", progress=False)
    assert array.n_documents == len(corpus.texts("train")) > 300
    # twenty texts have 20 000 characters
    assert 20 <= Counted.most <= 42 and Counted.alive == 0


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"txt": 1}', r"a\.jsonl:2: no field 'text'"),
        ("a.txt", "Grüße".encode("utf-16"), r"a\.txt:1: is not UTF-8 but UTF-16"),
        (
            "a.jsonl.gz",
            gzip.compress(b'{"text": "x"}\n' * 99, mtime=0)[:-5],
            "the gzip file is broken",
        ),
        ("a.txt", b"", r"a\.txt: holds no text"),
        ("a.txt", b" \n\n \n", r"a\.txt: holds no text"),
    ],
)
def test_a_fault_leaves_nothing_behind(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableFile, match=said):
        load(tmp_path / name, tmp_path)
    left = list((tmp_path / "cache/corpora/own").iterdir())
    assert all(path.name.startswith(".lock") for path in left)


def test_blank_lines_are_nothing_of_ones_own(tmp_path):
    long = "a passage that is long enough for its repetition to be dropped from the second text"
    texts = [long, f"\n{long}\n\n", f"{long}\nnew"]
    corpus = load(write_jsonl(tmp_path / "a.jsonl", texts), tmp_path)
    assert sorted(all_texts(corpus)) in ([long, "new"], [f"\n{long}\n\n", "new"], [f"{long}\nnew"])


def test_load_corpus_takes_paths_and_says_both_when_it_is_neither(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_LIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "texts/a.jsonl", passages(30))
    wanted = load("texts", tmp_path).fingerprint
    for name in ("texts", tmp_path / "texts", "./texts/", "texts/*.jsonl", "texts/a.jsonl"):
        assert load_corpus(name, progress=False).fingerprint == wanted
    with pytest.raises(UnknownName) as caught:
        load_corpus("engelish")
    for part in ("did you mean 'english'", "It is no path either", str(tmp_path)):
        assert part in str(caught.value)
    with pytest.raises(UnreadableFile, match="no such file or folder"):
        load_corpus("text/a.jsonl")
