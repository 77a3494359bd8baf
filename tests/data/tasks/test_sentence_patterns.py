"""Patterns: every wording can come, nothing else can, and slots stand where they say."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from course_lib.data.tasks.sentence_patterns import Part, holes, joined, parse, sentence


def wordings(pattern, rules=None, values=None, n=400):
    rules = {name: parse(rule) for name, rule in (rules or {}).items()}
    tree = parse(pattern)
    return Counter(sentence(tree, rules, values or {}, random.Random(i))[0] for i in range(n))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("stop", {"stop"}),
        ("fan[s]", {"fan", "fans"}),
        ("turn (on|off)", {"turn on", "turn off"}),
        ("[the] (tv;on)", {"the tv on", "the on tv", "tv on", "on tv"}),
        ("a [very|so] b", {"a b", "a very b", "a so b"}),
        ("1( |-)hour", {"1 hour", "1-hour"}),
        ("((a|b) c|d)", {"a c", "b c", "d"}),
        ("[[a] b]", {"", "b", "a b"}),
        ("hello|good day", {"hello", "good day"}),
    ],
)
def test_all_wordings_and_no_other(pattern, expected):
    assert set(wordings(pattern)) == expected


def test_choices_are_equally_likely():
    n = 2000
    found = wordings("(a|b|c|d)", n=n)
    for count in found.values():
        assert abs(count - n / 4) < 4 * (n * 0.25 * 0.75) ** 0.5
    assert abs(wordings("x[y]", n=n)["x"] - n / 2) < 4 * (n / 4) ** 0.5


def test_rules_lists_and_slots():
    rules = {"the": "(the|my)", "in": "in <the>"}
    found = set(wordings("<in> {area}", rules, {"area": ["attic"]}))
    assert found == {"in the attic", "in my attic"}
    tree = parse("set {timer_hours:hours} hours [in {area}]")
    assert holes(tree) == {("timer_hours", "hours"), ("area", "area")}
    for seed in range(20):
        text, pieces = sentence(
            tree, {}, {"timer_hours": ["5"], "area": ["living room"]}, random.Random(seed)
        )
        expected = {"5", "living room"} if "in" in text else {"5"}
        assert {text[a:b] for a, b, _ in pieces} == expected


def test_spaces_are_single_and_pieces_exact():
    text, pieces = joined(
        [Part("  a "), Part(""), Part(" "), Part("b  c", "x"), Part("!"), Part(" "), Part("")]
    )
    assert text == "a b c!" and [text[a:b] for a, b, _ in pieces] == ["b c"]
    assert joined([]) == ("", [])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("turn (on", "'\\(' is not closed"),
        ("turn on]", "'\\]' closes nothing"),
        ("(a]", "'\\(' is not closed"),
        ("in {area", "'{' is not closed"),
        ("(a|b;c)", "stand in one bracket"),
    ],
)
def test_broken_patterns(pattern, message):
    with pytest.raises(ValueError, match=message):
        parse(pattern)


def test_missing_names():
    with pytest.raises(ValueError, match="names the rule 'the'; known are in"):
        sentence(parse("<the>"), {"in": parse("in")}, {}, random.Random(0))
    with pytest.raises(ValueError, match="names the list 'area'"):
        sentence(parse("{area}"), {}, {}, random.Random(0))
