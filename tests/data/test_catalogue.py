"""Fetching and describing everything."""

from __future__ import annotations

import pytest

from course_lib import data
from course_lib.data import FetchError, catalogue


def test_fetch_all_asks_for_every_corpus_and_task(monkeypatch):
    asked = []
    for function in ("load_corpus", "load_task"):
        monkeypatch.setattr(
            catalogue, function, lambda name, progress: asked.append((name, progress))
        )
    catalogue.fetch_all(progress=False)
    assert asked == [(name, False) for name in ("wikipedia", "cloud-docs", "films", *data.TASKS)]


def test_describe_says_counts_and_licences():
    try:
        text = catalogue.describe()
    except FetchError as error:
        pytest.skip(f"no download here: {error}")
    for part in (
        "wikipedia",
        "CC BY-SA 3.0",
        "Apache-2.0",
        "research and teaching",
        "validation",
        "Dropped: ",
        "fresh",
    ):
        assert part in text


def test_public_names_exist():
    assert all(hasattr(data, name) for name in data.__all__)
    assert len(set(data.__all__)) == len(data.__all__)
