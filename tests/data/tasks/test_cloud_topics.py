"""Topics of cloud documentation: names masked, near repeats on one side; and its two helpers."""

from __future__ import annotations

import re

import pytest

from course_lib.data import FetchError, load_task
from course_lib.data.records import SPLITS
from course_lib.data.stored import made_once, read_rows, recipe_of, write_rows
from course_lib.data.tasks.cloud_topics import (
    LONGEST,
    MOST,
    SERVICES,
    cut,
    mask_names,
    names_pattern,
)
from course_lib.data.tasks.likeness import groups_of, text_windows


@pytest.fixture(scope="module")
def topics():
    try:
        return load_task("cloud-topics", progress=False)
    except FetchError as error:
        pytest.skip(f"no download here: {error}")


def test_sizes(topics):
    assert len(topics.labels) == len(SERVICES) >= 20
    assert len(topics.train) > 4000 and len(topics.test) > 700
    for split in SPLITS:
        assert {e.label for e in topics.examples(split)} == set(range(len(SERVICES)))
        assert all(len(e.text) <= LONGEST for e in topics.examples(split))
    labels = [e.label for s in SPLITS for e in topics.examples(s)]
    assert max(map(labels.count, range(len(SERVICES)))) <= MOST


def test_no_passage_is_nearly_on_two_sides(topics):
    kept = [(s, e) for s in SPLITS for e in topics.examples(s)]
    groups = groups_of([text_windows(e.text) for _, e in kept])
    sides: dict[int, set[str]] = {}
    for (split, _), group in zip(kept, groups, strict=True):
        sides.setdefault(group, set()).add(split)
    assert all(len(found) == 1 for found in sides.values())


def test_names_of_services_are_masked(topics):
    texts = [e.text for s in SPLITS for e in topics.examples(s)]
    names = r"\b(Amazon S3|AWS Glue|DynamoDB table|Amazon EC2)\b"
    assert not [t for t in texts if re.search(names, t)]
    pattern = names_pattern([{"serviceId": "S3", "endpointPrefix": "s3"}])
    masked = mask_names("Put it into S3, but not S3x.", pattern)
    assert masked == "Put it into this service, but not S3x."


def test_cut_is_at_a_word():
    assert cut("one two three", 8) == "one two" and cut("one", 8) == "one"
    assert cut("abcdef", 3) == "abc"


def test_groups_are_connected_components():
    assert groups_of([]) == []
    assert groups_of([{1}, {2}, {1, 2}]) == [0, 1, 2] or groups_of([{1}, {2}, {1, 2}]) == [0, 0, 0]
    chain = [{i, i + 1, i + 2} for i in range(5)]  # each shares two of three with the next
    assert groups_of(chain) == [0] * 5
    assert groups_of([{1, 2, 3, 4}, {3, 4, 5, 6}]) == [0, 1]  # half is not more than half


def test_rows_are_whole_or_not_there(tmp_path):
    file = tmp_path / "rows"
    write_rows(file, [[1, "é"], {"a": None}])
    assert read_rows(file) == [[1, "é"], {"a": None}]
    file.write_bytes(file.read_bytes()[:-1])
    assert read_rows(file) is None and read_rows(tmp_path / "no") is None


def test_made_once_and_again_for_another_recipe(tmp_path):
    calls = []

    def make():
        calls.append(1)
        return [[len(calls)]]

    one, two = recipe_of("key", []), recipe_of("other", [])
    assert one != two and len(one) == 12
    assert [made_once(tmp_path, "x", r, make) for r in (one, one, two)] == [[[1]], [[1]], [[2]]]
    assert [p.name for p in tmp_path.glob("*.jsonl")] == [f"x-{two}.jsonl"]
