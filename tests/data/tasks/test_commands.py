"""Intents and slots: no pattern, and no sentence form, on two sides."""

from __future__ import annotations

import pytest

from course_lib.data import FetchError, load_task
from course_lib.data.records import SPLITS, normalise
from course_lib.data.tasks.commands import (
    FEWEST,
    commands,
    form_of,
    in_training,
    open_values,
    split_groups,
)
from course_lib.data.tasks.sentence_patterns import parse


@pytest.fixture(scope="module")
def real():
    try:
        return load_task("intents", progress=False), load_task("slots", progress=False)
    except FetchError as error:
        pytest.skip(f"no download here: {error}")


PATTERNS = {
    "On": [f"verb{i} {{area}} on" for i in range(6)]
    + ["shared {area}", "(verb0|switch) {area} on"],
    "Off": [f"word{i} {{area}} off" for i in range(6)] + ["shared {area}"],
    "Rare": ["only one"],
}


def small():
    return commands({k: list(v) for k, v in PATTERNS.items()}, {}, {"area": ("attic", "porch")})


def test_a_form_of_two_intents_is_dropped_and_rare_intents_too():
    intents, slots = small()
    assert intents.labels == ("Off", "On")
    texts = [e.text for s in SPLITS for e in intents.examples(s)]
    assert not any("shared" in text or "only" in text for text in texts)
    assert len(texts) == len(set(texts)) > 20
    assert [e.text for e in slots.train] == [e.text for e in intents.train]


def test_patterns_that_share_a_form_stay_together():
    intents, _ = small()
    side = {e.text: s for s in SPLITS for e in intents.examples(s)}
    assert len({s for text, s in side.items() if text.startswith(("verb0", "switch"))}) == 1


def test_each_side_gets_a_group_and_order_does_not_matter():
    groups = [f"g{i}" for i in range(FEWEST)]
    sides = split_groups(groups)
    assert sorted(sides.values()) == ["test", "train", "train", "validation"]
    assert split_groups(groups[::-1]) == sides
    many = list(split_groups(f"g{i}" for i in range(100)).values())
    assert many.count("test") == many.count("validation") == 15


def test_some_values_are_held_back_but_not_of_small_lists_or_numbers():
    for name, values in open_values().items():
        assert len(set(values)) == len(values), name
        if len(values) >= 6:
            assert 0.55 < len(in_training(values)) / len(values) < 0.7
    assert in_training(("on", "off")) == ("on", "off")
    assert in_training(tuple(map(str, range(50)))) == tuple(map(str, range(50)))


def test_form():
    form = form_of("Turn on the attic lamp", [(12, 17, "area"), (18, 22, "name")])
    assert form == "turn on the {area} {name}"
    assert parse("{area}")  # a form is not a pattern: it has no choices left


def pieces(task, example):
    """(start, stop, slot) of each filled slot."""
    found = []
    for (a, b), tag in zip(example.words, example.tags, strict=True):
        name = task.labels[tag]
        if name.startswith("B-"):
            found.append([a, b, name[2:]])
        elif name.startswith("I-"):
            found[-1][1] = b
    return [tuple(piece) for piece in found]


def forms(task, split):
    return {form_of(e.text, pieces(task, e)) for e in task.examples(split)}


def test_real_commands_share_nothing_between_sides(real):
    intents, slots = real
    for part in (
        lambda s: {e.group for e in intents.examples(s)},
        lambda s: forms(slots, s),
        lambda s: {normalise(e.text) for e in intents.examples(s)},
    ):
        sets = [part(s) for s in SPLITS]
        assert sum(map(len, sets)) == len(set.union(*sets))


def test_real_commands_have_their_sizes(real):
    intents, slots = real
    assert len(intents.labels) >= 20 and len(intents.train) > 2000 and len(intents.test) > 500
    for split in SPLITS:
        assert {e.label for e in intents.examples(split)} == set(range(len(intents.labels)))
    assert "B-area" in slots.labels and "B-hours" in slots.labels
    assert all(slots.labels.index(f"I-{x[2:]}") for x in slots.labels if x.startswith("B-"))


def test_values_seen_only_when_held_out(real):
    _, slots = real
    areas = open_values()["area"]
    unseen = set(areas) - set(in_training(areas))
    filled = {
        split: {
            e.text[a:b]
            for e in slots.examples(split)
            for a, b, slot in pieces(slots, e)
            if slot == "area"
        }
        for split in SPLITS
    }
    assert filled["train"] == set(in_training(areas))
    assert unseen <= filled["test"] | filled["validation"]
