"""Tasks of the hub, without a hub: how rows are read, one clear error when they can't be had."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from course_lib.data import HUB_TASKS, FetchError, MissingExtra, load_task
from course_lib.data.records import SPLITS
from course_lib.data.tasks.hub import TAGS, conll2003, squad, sst2

datasets = pytest.importorskip("datasets", reason="the package `datasets` is an extra")


def test_sst2_keeps_the_published_validation_as_test_and_no_sentence_twice():
    train = [{"sentence": f"text {i} ", "label": i % 2} for i in range(400)]
    published = [{"sentence": "text 3", "label": 1}, {"sentence": "new", "label": 0}]
    task = sst2({"train": train, "validation": published, "test": [{"sentence": "x", "label": -1}]})
    assert [e.text for e in task.test] == ["text 3", "new"]
    assert len(task.train) + len(task.validation) == 399 and 4 < len(task.validation) < 50
    assert "text 3" not in [e.text for e in task.train + task.validation]


def test_conll_is_words_with_tags():
    row = {"tokens": ["EU", "rejects", "German"], "ner_tags": [3, 0, 7]}
    task = conll2003({split: [row, {"tokens": [], "ner_tags": []}] for split in SPLITS})
    (example,) = task.train
    assert [task.labels[t] for t in example.tags] == ["B-ORG", "O", "B-MISC"]
    assert example.word_texts == row["tokens"] and task.labels == TAGS


def test_squad_takes_the_first_answer():
    answers = {"text": ["Ada", "Ada L."], "answer_start": [7, 7]}
    rows = [
        {"question": "Who?", "context": "It was Ada L.", "title": f"t{i}", "answers": answers}
        for i in range(100)
    ]
    task = squad({"train": rows, "validation": [rows[0] | {"title": "other"}]})
    assert {e.answer for e in task.train} == {"Ada"} and len(task.test) == 1
    assert len(task.train) + len(task.validation) == 100


@pytest.mark.not_strict
def test_names_reach_the_right_dataset(monkeypatch):
    calls = []
    monkeypatch.setattr(
        datasets, "load_dataset", lambda path, revision=None: calls.append((path, revision)) or {}
    )
    unread = {k: (*v[:2], lambda t: t) for k, v in HUB_TASKS.items()}
    monkeypatch.setattr("course_lib.data.tasks.hub.HUB_TASKS", unread)
    for name in ("sst-2", "conll-2003", "squad"):
        load_task(name)
    paths = [path for path, _ in calls]
    assert paths == ["stanfordnlp/sst2", "eriktks/conll2003", "rajpurkar/squad"]


@pytest.mark.parametrize(
    "error", [ConnectionError("no route"), FileNotFoundError(""), ValueError("config\nmore")]
)
def test_failures_are_one_clear_error(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(
        FetchError, match=r"could not load 'squad' \(rajpurkar/squad\).*Remedy: connect.*link-spans"
    ):
        load_task("squad")


def test_offline_for_real(tmp_path):
    code = (
        "from course_lib.data import load_task\n"
        "try:\n load_task('sst-2')\nexcept OSError as e:\n print(e)"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert "could not load 'sst-2' (stanfordnlp/sst2)" in run.stdout, run.stderr


def test_datasets_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match="python -m pip install datasets"):
        load_task("sst-2")
