"""Three tasks that the field quotes, from the Hugging Face hub through ``datasets``.

The course does not need them.

==========  =====  ========================================  =======================================
name        kind   source                                    published splits that are used here
==========  =====  ========================================  =======================================
sst-2       text   Socher et al. 2013 (D13-1170), GLUE       validation as test (test has no labels)
conll-2003  words  Tjong Kim Sang and De Meulder 2003        all three
squad       span   Rajpurkar et al. 2016 (arXiv:1606.05250)  validation as test; the first answer
==========  =====  ========================================  =======================================

Where a published split is used as test, a twentieth of train, by the hash of the group, is
validation. Groups are the sentence for SST-2 and the article for SQuAD; CoNLL's files do not mark
documents, so each sentence is its own group, and intervals are somewhat too narrow.

Cost: a download of 5 to 20 MB each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import cast

from ..errors import FetchError, MissingExtra
from ..records import SPLITS, Example, Task, split_of
from .labelled import SpanExample, SpanTask, TokenExample, TokenTask

TAGS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
Rows = Mapping[str, Iterable[Mapping]]


def sst2(tables: Rows) -> Task:
    """Sentiment of sentences from film reviews."""

    def example(row: Mapping) -> Example:
        text = row["sentence"].strip()
        return Example(text, row["label"], f"sst-2/{text}")

    published = {example(row).group for row in tables["validation"]}
    train = [e for e in map(example, tables["train"]) if e.group not in published]
    test = tuple(map(example, tables["validation"]))
    return Task("sst-2", LICENCE, ("negative", "positive"), *_cut(train), test)


def conll2003(tables: Rows) -> TokenTask:
    """Persons, organisations, places and other names in newswire."""
    splits = {}
    for split in SPLITS:
        splits[split] = tuple(
            TokenExample.of_words(row["tokens"], row["ner_tags"], group=f"conll/{split}/{i}")
            for i, row in enumerate(tables[split])
            if row["tokens"]
        )
    return TokenTask("conll-2003", LICENCE, TAGS, **splits)


def squad(tables: Rows) -> SpanTask:
    """Questions that readers asked about a paragraph of Wikipedia, with the words that answer."""

    def examples(rows: Iterable[Mapping]) -> list[SpanExample]:
        found = []
        for row in rows:
            start, answer = row["answers"]["answer_start"][0], row["answers"]["text"][0]
            span, group = (start, start + len(answer)), f"squad/{row['title']}"
            found.append(SpanExample(row["question"], row["context"], *span, group))
        return found

    train, test = examples(tables["train"]), tuple(examples(tables["validation"]))
    return SpanTask("squad", LICENCE, *_cut(train), test)


def _cut(examples: list) -> tuple[tuple, tuple]:
    """Train and validation, by the hash of the group."""
    held = [split_of(e.group, 0.025) != "train" for e in examples]
    return (
        tuple(e for e, out in zip(examples, held, strict=True) if not out),
        tuple(e for e, out in zip(examples, held, strict=True) if out),
    )


LICENCE = "see the dataset's card on the hub"
HUB_TASKS: dict[str, tuple[str, str | None, Callable[[Rows], Task | TokenTask | SpanTask]]] = {
    "sst-2": ("stanfordnlp/sst2", None, sst2),
    "conll-2003": ("eriktks/conll2003", "refs/convert/parquet", conll2003),
    "squad": ("rajpurkar/squad", None, squad),
}
"""Name: (on the hub, revision, how its rows become a task)."""


def load_hub_task(name: str) -> Task | TokenTask | SpanTask:
    """The task ``name`` of ``HUB_TASKS``.

    Raises MissingExtra without ``datasets``, FetchError where the hub is out of reach.
    """
    path, revision, make = HUB_TASKS[name]
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra(
            f"task {name!r} is read by the package `datasets`, which is not installed. "
            "Remedy: `python -m pip install datasets`."
        ) from error
    try:
        tables = datasets.load_dataset(path, revision=revision)
    except (OSError, ValueError, RuntimeError) as error:
        said = str(error).strip()
        reason = said.splitlines()[0].rstrip(".") if said else "no reason given"
        raise FetchError(
            f"could not load {name!r} ({path}) from the Hugging Face hub: {type(error).__name__}: "
            f"{reason}. Remedy: connect to the network and unset HF_HUB_OFFLINE and "
            "HF_DATASETS_OFFLINE; or go on with a task that needs no hub: film-reviews, names or "
            "link-spans."
        ) from error
    # its rows are dictionaries, though the annotation of ``datasets`` allows for more
    return make(cast(Rows, tables))
