"""Dropping repeats: what goes, from where, and that links move along."""

from __future__ import annotations

from course_lib.data import Document, Link
from course_lib.data.repeats import (
    PASSAGE,
    Dropped,
    drop_repeats,
    is_known,
    windows,
    without_repeats,
)

LONG = "this passage of a good many words is long enough that a repeat of it must be dropped"
OTHER = (
    "quite another passage, with as many words again, so that nobody could take it for the first"
)


def document(text: str, links=()) -> Document:
    return Document.of(text, "here", links=links)


def splits(train=(), validation=(), test=()):
    return {"train": list(train), "validation": list(validation), "test": list(test)}


def test_the_first_stays_and_train_comes_first():
    kept, dropped = drop_repeats(
        splits(
            test=[document(f"{LONG}\nown test words")],
            train=[document(LONG), document(f"head\n{LONG.upper()}\n{OTHER}")],
        )
    )
    assert [d.text for d in kept["train"]] == [LONG, f"head\n{OTHER}"]
    assert [d.text for d in kept["test"]] == ["own test words"]
    assert dropped.repeated == 2 and dropped.characters == 2 * len(LONG) and dropped.documents == 0
    assert "2 repeated passages" in str(dropped)


def test_short_lines_may_repeat():
    kept, dropped = drop_repeats(
        splits([document(f"History\n{LONG}")], [document(f"History\n{OTHER}")])
    )
    assert kept["validation"][0].text == f"History\n{OTHER}" and dropped.repeated == 0


def test_a_document_with_nothing_of_its_own_goes():
    kept, dropped = drop_repeats(splits([document(f"Head\n{LONG}")], [document(f"head\n {LONG} ")]))
    assert kept["validation"] == () and dropped.documents == 1


def test_held_out_passages_mostly_in_train_go_and_train_stays():
    words = LONG.split()
    similar = " ".join([*words[:-1], "removed"])
    different = " ".join([*words[:9], *OTHER.split()])
    kept, dropped = drop_repeats(splits([document(LONG)], [document(f"{similar}\n{different}")]))
    assert kept["validation"][0].text == different and dropped.similar == 1
    kept, dropped = drop_repeats(splits([document(LONG), document(similar)]))
    assert len(kept["train"]) == 2 and dropped.similar == 0


def test_train_is_the_same_whatever_is_held_out():
    train = [document(LONG), document(f"{OTHER}\nx")]
    alone, _ = drop_repeats(splits(train))
    beside, _ = drop_repeats(
        splits(train, [document(f"{LONG}\nmore")], [document(f"{OTHER}\nmore still")])
    )
    assert alone["train"] == beside["train"]


def test_links_move_with_their_lines():
    text = f"see Rome\n{LONG}\nand Oslo too, with Rome"
    at = [text.index("Rome"), text.index("passage"), text.index("Oslo"), text.rindex("Rome")]
    spans = [
        Link(at[0], at[0] + 4, "Rome"),
        Link(at[1], at[1] + 7, "Gone"),
        Link(at[2], at[2] + 4, "Oslo"),
    ]
    original = document(text, [*spans, Link(at[3], at[3] + 4, "Rome")])
    kept = without_repeats(original, {LONG}, set(), Dropped())
    assert kept.text == "see Rome\nand Oslo too, with Rome"
    moved = [(kept.text[a:b], target) for a, b, target in kept.links]
    assert moved == [("Rome", "Rome"), ("Oslo", "Oslo"), ("Rome", "Rome")]
    assert without_repeats(original, set(), set(), Dropped()) is original


def test_windows():
    assert windows("A b c d e f g") == set()
    assert windows("A, b c d e f g h.") == {tuple("abcdefgh")}
    assert not is_known("a b c", {1}) and not is_known(LONG, set())
    assert len(LONG) > PASSAGE
