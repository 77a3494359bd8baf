"""Your own labelled texts: nothing on two sides, and what can't be learnt is said at once."""

from __future__ import annotations

import json

import pytest

from course_lib.data import Task, UnknownName, UnreadableFile, load_task
from course_lib.data.records import SPLITS, normalise
from course_lib.data.tasks.own import label_names, load_own_task


def rows_of(n: int = 200, classes=("good", "bad", "so-so")) -> list[dict]:
    return [
        {
            "text": f"a sentence number {i}",
            "label": classes[i % len(classes)],
            "by": f"person {i % 40}",
        }
        for i in range(n)
    ]


def jsonl(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def csv(path, rows):
    names = list(rows[0])
    lines = [",".join(names), *(",".join(str(row[name]) for name in names) for row in rows)]
    path.write_text("\n".join(lines))
    return path


def load(path, **more) -> Task:
    return load_task(path, progress=False, **more)


def test_kinds_of_files_say_the_same(tmp_path):
    rows = rows_of()
    first = load(jsonl(tmp_path / "a.jsonl", rows))
    again = load(csv(tmp_path / "a.csv", rows[::-1]))
    assert first.labels == ("bad", "good", "so-so")
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    third = load(tmp_path / "a.parquet")
    for split in SPLITS:
        assert first.examples(split) == again.examples(split) == third.examples(split)
    assert first.name == "a.jsonl" and "200" not in first.notes
    names = {e.text: first.labels[e.label] for s in SPLITS for e in first.examples(s)}
    assert names == {row["text"]: row["label"] for row in rows}


def test_a_group_is_on_one_side(tmp_path):
    task = load(jsonl(tmp_path / "a.jsonl", rows_of()), group="by")
    sets = [{e.group for e in task.examples(split)} for split in SPLITS]
    assert sum(map(len, sets)) == len(set.union(*sets)) == 40 and all(sets)
    assert sum(len(task.examples(split)) for split in SPLITS) == 200


def test_other_columns_and_a_new_row_moves_no_other(tmp_path):
    rows = [{"said": r["text"], "stars": len(r["label"])} for r in rows_of()]
    columns = dict(text="said", label="stars")
    before = load(jsonl(tmp_path / "a.jsonl", rows), **columns)
    after = load(jsonl(tmp_path / "b.jsonl", [{"said": "new", "stars": 3}, *rows]), **columns)
    assert before.labels == ("3", "4", "5")
    for split in SPLITS:
        assert set(before.examples(split)) <= set(after.examples(split))


def test_repeats_once_and_contradictions_never(tmp_path):
    more = [
        {"text": "A sentence  NUMBER 0", "label": "good", "by": "b"},
        {"text": "a sentence number 1", "label": "good", "by": "b"},
        {"text": "  ", "label": "good", "by": "b"},
    ]
    task = load(jsonl(tmp_path / "a.jsonl", rows_of() + more))
    texts = [normalise(e.text) for split in SPLITS for e in task.examples(split)]
    assert len(texts) == len(set(texts)) == 199 and "a sentence number 1" not in texts
    assert "Left out: 1 without text, 3 that came before or with two labels" in task.describe()


def test_published_splits_are_kept_and_hold_no_text_of_train(tmp_path):
    rows = rows_of(30)
    jsonl(tmp_path / "set/train.jsonl", rows[:20])
    jsonl(tmp_path / "set/validation.jsonl", rows[18:25])
    jsonl(tmp_path / "set/test.jsonl", rows[25:])
    task = load(tmp_path / "set")
    assert [len(task.examples(split)) for split in SPLITS] == [20, 5, 5]
    rows[26]["by"] = rows[0]["by"]
    jsonl(tmp_path / "set/test.jsonl", rows[25:])
    with pytest.raises(
        UnreadableFile, match=r"test\.jsonl:2: the group 'person 0' is in train, too"
    ):
        load(tmp_path / "set", group="by")


def test_classes_are_sorted_by_size_if_they_are_numbers():
    def named(*values):
        return label_names([(f"a:{i}", value) for i, value in enumerate(values)], "label")

    assert named(10, 9, -1) == named("10", "9", "-1") == ("-1", "9", "10")
    assert named("10", "9", "b") == ("10", "9", "b")
    assert named(True, False) == ("false", "true") and named(" a", "a ") == ("a",)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({7: {"label": None}, 9: {"label": ""}}, r"a\.jsonl:8: no label in 'label'; rows .*: 2\."),
        (
            {7: {"label": 3}},
            r"a\.jsonl:8: labels of two kinds: 3 is a whole number, but 'good' at ",
        ),
        ({7: {"label": 0.5}}, r"a\.jsonl:8: 'label' is '0.5', and a label is a text or a whole"),
        ({7: {"label": ["x"]}}, r"a\.jsonl:8: 'label' is \"\['x'\]\", and a label"),
        ({7: {"label": "rare"}}, r"a\.jsonl:8: the class 'rare' has 1 example"),
        ({7: {"text": 5}}, r"a\.jsonl:8: 'text' is not a text but a number"),
        ({7: {"by": None}}, r"a\.jsonl:8: no group in 'by'"),
        ({i: {"label": "good"} for i in range(200)}, "all rows have the label 'good'"),
    ],
)
def test_planted_faults(tmp_path, changed, said):
    rows = [row | changed.get(i, {}) for i, row in enumerate(rows_of())]
    with pytest.raises(UnreadableFile, match=said) as caught:
        load(jsonl(tmp_path / "a.jsonl", rows), group="by")
    assert "\n" not in str(caught.value) and "Remedy: " in str(caught.value)


def test_a_missing_column_and_too_few_rows(tmp_path):
    path = csv(tmp_path / "a.csv", rows_of(6))
    with pytest.raises(UnreadableFile, match=r"a\.csv:1: no column 'lable' \(did you mean 'label'"):
        load(path, label="lable")
    with pytest.raises(UnreadableFile, match=r"of 6 groups none fell to validation"):
        load(path)
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(UnreadableFile, match=r"a\.txt: has no fields"):
        load_own_task(tmp_path / "a.txt")


def test_a_class_that_train_never_sees(tmp_path):
    rows = rows_of()
    for i, row in enumerate(rows):
        (tmp_path / "set").mkdir(exist_ok=True)
        row["label"] = "late" if i >= 190 else row["label"]
    for split, part in zip(SPLITS, (rows[:150], rows[150:170], rows[170:]), strict=True):
        jsonl(tmp_path / f"set/{split}.jsonl", part)
    with pytest.raises(
        UnreadableFile, match=r"none of the 10 examples of the class 'late' fell to"
    ):
        load(tmp_path / "set")


def test_neither_a_name_nor_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownName, match="did you mean 'film-reviews'.*It is no path either"):
        load_task("film-reveiws")
    with pytest.raises(UnreadableFile, match="no such file or folder"):
        load_task("data/mine.csv")
