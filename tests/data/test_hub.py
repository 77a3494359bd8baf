"""The hub, without a hub: local folders, planted failures, and WikiText's layout."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from course_lib.data import FetchError, MissingExtra, UnknownName, hub, load_corpus, load_hub
from course_lib.data.records import SPLITS

datasets = pytest.importorskip("datasets", reason="the package `datasets` is an extra")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")


def write(folder, **splits: list[str]):
    folder.mkdir(parents=True)
    for split, texts in splits.items():
        datasets.Dataset.from_dict({"text": texts, "number": list(range(len(texts)))}).to_parquet(
            folder / f"{split}.parquet"
        )
    return str(folder)


def test_published_splits_are_kept_and_repeats_dropped(tmp_path):
    path = write(tmp_path / "set", train=["a", "b", "a", " "], validation=["c", "b"], test=["d"])
    corpus = load_hub(path)
    assert [corpus.texts(split) for split in SPLITS] == [["a", "b"], ["c"], ["d"]]
    assert corpus.train[0].source == path


def test_a_dataset_without_all_three_splits_is_split_by_hash(tmp_path):
    texts = [f"text {i}" for i in range(400)]
    corpus = load_hub(write(tmp_path / "set", train=texts))
    assert sorted(t for split in SPLITS for t in corpus.texts(split)) == sorted(texts)
    assert 300 < len(corpus.train) < 395 and corpus.validation and corpus.test
    more = load_hub(write(tmp_path / "more" / "set", train=[*texts, "new"]))
    assert len(more.train) + len(more.validation) + len(more.test) == 401


def test_a_folder_of_text_files(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/train.txt").write_text("one\ntwo\n\nthree\n")
    corpus = load_hub(str(tmp_path / "texts"))
    assert sorted(t for split in SPLITS for t in corpus.texts(split)) == ["one", "three", "two"]


def test_another_column(tmp_path):
    path = write(tmp_path / "set", train=["a"], validation=["b"], test=["c"])
    with pytest.raises(UnknownName, match=r"unknown column of .* 'txt'; did you mean 'text'\?"):
        load_hub(path, column="txt")


def test_known_names_reach_the_right_dataset(monkeypatch):
    rows = {
        "text": [
            "",
            " = Title = \n",
            " A @-@ b , c . \n",
            " = = Part = = \n",
            " More . \n",
            " = Next = \n",
            " End . \n",
        ]
    }
    calls = []

    def fake(path, config):
        calls.append((path, config))
        return {
            split: datasets.Dataset.from_dict({"text": [*rows["text"], f" {split} \n"]})
            for split in SPLITS
        }

    monkeypatch.setattr(datasets, "load_dataset", fake)
    corpus = load_corpus("wikitext-103")
    assert calls == [("Salesforce/wikitext", "wikitext-103-raw-v1")]
    assert corpus.texts("train") == ["Title\nA-b, c.\nPart\nMore.", "Next\nEnd.\ntrain"]
    assert corpus.texts("test") == ["Next\nEnd.\ntest"]
    load_hub("owner/name:config")
    load_hub("owner/name", "other")
    assert calls[1:] == [("owner/name", "config"), ("owner/name", "other")]


@pytest.mark.parametrize(
    "error", [ConnectionError("no route"), FileNotFoundError("no dataset"), ValueError("config")]
)
def test_failures_of_the_hub_are_one_clear_error(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(
        FetchError,
        match=r"could not load 'a/b' from the Hugging Face hub.*Remedy: check the name.*english",
    ):
        load_corpus("a/b")


def test_offline_mode_for_real(tmp_path):
    """A fresh process, since the libraries read HF_HUB_OFFLINE when they are imported."""
    code = (
        "from course_lib.data import load_corpus\n"
        "try:\n load_corpus('wikitext-103')\nexcept OSError as e:\n print(e)"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "could not load 'wikitext-103' from the Hugging Face hub" in run.stdout, run.stderr
    assert "unset HF_HUB_OFFLINE" in run.stdout


def test_datasets_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match="python -m pip install datasets") as caught:
        load_corpus("wikitext-2")
    assert isinstance(caught.value, ImportError)


def test_titles_and_headings_of_wikitext():
    lines = [" = A = \n", " x \n", " = = = deep = = = \n", " = B = C = \n", " y = z \n"]
    assert list(hub.articles(lines)) == ["A\nx\ndeep", "B = C\ny = z"]
    assert list(hub.articles([])) == []
