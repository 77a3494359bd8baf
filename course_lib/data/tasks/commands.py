"""Spoken commands to a house: what is wanted (the intent), and which words fill which slot.

The patterns are those of Home Assistant (https://github.com/OHF-Voice/intents), written by many
people to be *recognised*. Here sentences are drawn from them, so language is as varied as its
authors thought of, and no more.

Split by pattern, so that a test sentence is no training sentence with another room in it:

* Sentences that differ in their slots alone are one *form*. A form that two intents could mean is
  dropped, and every form belongs to one pattern. Patterns that share a form are one group.
* Of the groups of an intent some 15 % each go to validation and test, at least one, in the order of
  their hashes. Intents with fewer than ``FEWEST`` groups are left out.
* The lists of rooms, devices, things to buy ... are this course's own, since the package leaves
  them open. Of each, some values are never seen in training (``ONLY_HELD_OUT``), so a slot can't be
  filled by heart.

Cost: about five seconds.
"""

from __future__ import annotations

import functools
import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..records import SPLITS, Example, Task, normalise
from .labelled import TokenExample, TokenTask
from .sentence_patterns import Piece, Tree, holes, parse, sentence
from .tags import bio_names
from .words import word_spans

FEWEST = 4  # groups of an intent
HELD_OUT = 0.15
DRAWS = 40  # of each pattern, before repeats are dropped
MOST = 160  # sentences of an intent
OPEN_LISTS = {
    "area": (
        "kitchen|living room|bedroom|bathroom|hallway|attic|cellar|garage|office|dining room|"
        "nursery|pantry|guest room|laundry room|conservatory|porch|study|library|workshop|balcony"
    ),
    "floor": "ground|first|second|third|top|upper|lower|basement",
    "name": (
        "reading lamp|coffee maker|front door|tower fan|desk light|projector|heater|dishwasher|"
        "bedside lamp|sprinkler|aquarium pump|garden gate|radio|television|ceiling fan|"
        "night light|printer|water boiler|fairy lights|stereo|kettle|air purifier|doorbell camera|"
        "electric blanket"
    ),
    "zone": "home|work|school|the gym|the office|the airport|the farm",
    "message": (
        "dinner is ready|the bus leaves in ten minutes|someone is at the door|please come down|"
        "it is time for bed|the washing is done|we are late|grandmother is on the phone|"
        "breakfast is on the table|the taxi is here"
    ),
    "search_query": (
        "blue moon|the four seasons|yesterday|some jazz|morning news|abbey road|the hobbit|"
        "rain sounds|hamlet|kind of blue|moonlight sonata|the daily|star wars|swan lake"
    ),
    "timer_name": "pizza|laundry|tea|homework|bread|oven|nap|pasta|egg|workout|rice|cake",
    "timer_command": (
        "turn off the oven|open the blinds|lock the front door|stop the music|"
        "turn on the porch light|close the garage|start the dishwasher|mute the television"
    ),
    "shopping_list_item": (
        "milk|eggs|two loaves of bread|olive oil|bananas|toothpaste|oat flakes|green tea|"
        "batteries|rice|dish soap|red onions|cat food|coffee beans"
    ),
    "todo_list_item": (
        "call the dentist|pay the rent|water the plants|book a flight|clean the windows|"
        "post the letter|mend the bicycle|renew the passport|write to anna|sort the photographs"
    ),
}
"""What the package leaves to each household."""
ONLY_HELD_OUT = 3  # one value in so many is never seen in training


class Drawn(NamedTuple):
    """A sentence with its filled slots, what it asks for, and the group of its pattern."""

    text: str
    pieces: list[Piece]
    intent: str
    group: str


@functools.cache
def load(folder: Path, licence: str, language: str = "en") -> tuple[Task, TokenTask]:
    """The tasks ``intents`` and ``slots``, from the unpacked package in ``folder``.

    Both have the same sentences.
    """
    file = folder / "home_assistant_intents" / "data" / f"{language}.json"
    book = json.loads(file.read_text("utf-8"))
    rules = {name: parse(rule) for name, rule in book["expansion_rules"].items()}
    listed = {name: entry for name, entry in book["lists"].items() if "wildcard" not in entry}
    values = {name: _listed(entry, rules) for name, entry in listed.items()}
    patterns = {}
    for intent, entry in book["intents"].items():
        found = {pattern for block in entry["data"] for pattern in block["sentences"]}
        patterns[intent.removeprefix("Hass")] = sorted(found)
    return commands(patterns, rules, values | open_values(), licence)


def open_values() -> dict[str, tuple[str, ...]]:
    """The values of ``OPEN_LISTS``."""
    return {name: tuple(text.split("|")) for name, text in OPEN_LISTS.items()}


def _listed(entry: Mapping, rules: Mapping[str, Tree]) -> tuple[str, ...]:
    """The values of a list: numbers of a range, or what its small patterns say, in each wording."""
    if "range" in entry:
        span = entry["range"]
        return tuple(map(str, range(span["from"], span["to"] + 1, span.get("step", 1))))
    found: dict[str, None] = {}
    for value in entry["values"]:
        tree = parse(value["in"])
        for seed in range(8):
            found[sentence(tree, rules, {}, random.Random(seed))[0]] = None
    return tuple(found)


def commands(
    patterns: Mapping[str, Sequence[str]],
    rules: Mapping[str, Tree],
    values: Mapping[str, Sequence[str]],
    licence: str = "",
) -> tuple[Task, TokenTask]:
    """Both tasks, from the patterns of each intent, named rules, and the values of each list."""
    trees = {(intent, p): parse(p) for intent, found in patterns.items() for p in found}
    forms = _forms(trees, rules)
    groups = _groups(forms)
    seen_by = {"train": {name: in_training(found) for name, found in values.items()}}
    splits: dict[str, list[Drawn]] = {split: [] for split in SPLITS}
    taken: set[str] = set()
    independent = {i: len({g for (j, _), g in groups.items() if j == i}) for i in patterns}
    kept = sorted(intent for intent, n in independent.items() if n >= FEWEST)
    for intent in kept:
        of_intent = {key: group for key, group in groups.items() if key[0] == intent}
        sides = split_groups(set(of_intent.values()))
        most = max(2, -(-MOST // len(of_intent)))
        for key, group in sorted(of_intent.items()):
            side, name = sides[group], "/".join(key)
            may_use = seen_by.get(side, values)
            drawn = _draw(trees[key], rules, may_use, forms[key], name, taken, most)
            splits[side] += [Drawn(*one, intent, group) for one in drawn]
    notes = (
        f"Drawn from {len(groups)} patterns of Home Assistant; no pattern, and no sentence form, "
        f"is on two sides. Intents with fewer than {FEWEST} independent patterns are left out. "
        "Rooms, names and other open values are the course's own; a third of them never comes in "
        "training. The sentences are made, not collected: easier than real ones."
    )
    return _intents(splits, kept, licence, notes), _slots(splits, licence, notes)


def _intents(
    splits: Mapping[str, Sequence[Drawn]], kept: Sequence[str], licence: str, notes: str
) -> Task:
    made = {
        s: tuple(Example(d.text, kept.index(d.intent), d.group) for d in found)
        for s, found in splits.items()
    }
    return Task("intents", licence, tuple(kept), **made, notes=notes)


def _slots(splits: Mapping[str, Sequence[Drawn]], licence: str, notes: str) -> TokenTask:
    slots = {slot for found in splits.values() for d in found for *_, slot in d.pieces}
    labels = bio_names(sorted(slots))
    made = {
        s: tuple(TokenExample.of_spans(d.text, d.pieces, labels, group=d.group) for d in found)
        for s, found in splits.items()
    }
    return TokenTask("slots", licence, labels, **made, notes=notes)


def in_training(values: Sequence[str]) -> tuple[str, ...]:
    """The values that training sentences may use: all but every third by hash.

    Of a list of fewer than 6, and of numbers, they are all.
    """
    if len(values) < 6 or values[0].isdigit():
        return tuple(values)
    ordered = sorted(values, key=_digest)
    return tuple(v for i, v in enumerate(ordered) if i % ONLY_HELD_OUT)


def split_groups(groups: Iterable[str]) -> dict[str, str]:
    """The side of each group of one intent: at least one on each, in the order of their hashes."""
    ordered = sorted(groups, key=_digest)
    n = max(1, round(HELD_OUT * len(ordered)))
    names = ["test"] * n + ["validation"] * n
    return {g: names[i] if i < len(names) else "train" for i, g in enumerate(ordered)}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _forms(trees: Mapping[tuple, Tree], rules: Mapping[str, Tree]) -> dict[tuple, set[str]]:
    """Of each (intent, pattern) the forms that were drawn, but for those of another intent."""
    found = {key: set(_drawn_forms(tree, rules, "/".join(key))) for key, tree in trees.items()}
    intents = defaultdict(set)
    for (intent, _), forms in found.items():
        for form in forms:
            intents[form].add(intent)
    return {key: {f for f in forms if len(intents[f]) == 1} for key, forms in found.items()}


def _drawn_forms(tree: Tree, rules: Mapping[str, Tree], name: str) -> Iterator[str]:
    for i in range(4 * DRAWS):
        yield form_of(*sentence(tree, rules, _Named(), random.Random(f"{name}/{i}")))


class _Named(dict):
    """Every list has one value, so that a draw shows its form."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> tuple[str]:
        return (name,)


def form_of(text: str, pieces: Sequence[tuple[int, int, str]]) -> str:
    """The sentence with the names of its slots in place of their words.

    >>> form_of("set 5 hours", [(4, 5, "hours")])
    'set {hours} hours'
    """
    for start, stop, slot in reversed(pieces):
        text = f"{text[:start]}{{{slot}}}{text[stop:]}"
    return normalise(text)


def _groups(forms: Mapping[tuple, set[str]]) -> dict[tuple, str]:
    """The group of each pattern that has a form.

    It is the first of all that share forms with it, directly or by others.
    """
    parent = {key: key for key, own in forms.items() if own}

    def root(key: tuple) -> tuple:
        while parent[key] != key:
            key = parent[key]
        return key

    first: dict[str, tuple] = {}
    for key in sorted(parent):
        for form in sorted(forms[key]):
            a, b = sorted((root(first.setdefault(form, key)), root(key)))
            parent[b] = a
    return {key: "/".join(root(key)) for key in parent}


def _draw(
    tree: Tree,
    rules: Mapping,
    values: Mapping,
    allowed: set[str],
    name: str,
    taken: set[str],
    most: int,
) -> Iterator[tuple[str, list]]:
    """At most ``most`` new sentences of a pattern, of the forms that are ``allowed``."""
    chance, found = random.Random(name), 0
    if any(hole not in values for hole, _ in holes(tree)):
        return
    for _ in range(DRAWS):
        text, pieces = sentence(tree, rules, values, chance)
        is_new = form_of(text, pieces) in allowed and normalise(text) not in taken
        if found < most and is_new and word_spans(text):
            taken.add(normalise(text))
            found += 1
            yield text, pieces
