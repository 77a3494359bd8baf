"""Corpora from the Hugging Face hub, through ``datasets``.

What is on a hub has its own splits: where train, validation and test are all there they are kept,
so that numbers can be compared with published ones; otherwise all rows are pooled and split by the
hash of their text. A text that comes twice is kept once, train first. WikiText (Merity et al.,
2017, https://arxiv.org/abs/1609.07843) stores an article as many rows, in a tokenised form: its
rows are joined into articles and its spacing is undone.

``datasets`` keeps its downloads in its own cache. Cost: wikitext-103 is a download of 300 MB and
about 1.5 GB of memory. Your own files need none of this: see ``own_text``.

>>> undo_tokenisation("In 1 @,@ 500 well @-@ known cases , it ( the case ) 's so .")
"In 1,500 well-known cases, it (the case)'s so."
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from .errors import FetchError, MissingExtra, unknown
from .records import SPLITS, Corpus, Document, split_of, text_id

KNOWN = {
    "wikitext-103": ("Salesforce/wikitext", "wikitext-103-raw-v1"),
    "wikitext-2": ("Salesforce/wikitext", "wikitext-2-raw-v1"),
}
"""Short names: (name on the hub, configuration)."""
TITLE = re.compile(r" = ([^=].*[^=]|[^=]) = \n?")
HEADING = re.compile(r"^\s*(?:= )+|(?: =)+\s*$")
JOINED = re.compile(r" @([-,.])@ ")
BEFORE = re.compile(r" ([,.;:!?)\]%]|'(?:s|t|re|ve|ll|d|m)\b|n't\b)")
AFTER = re.compile(r"([(\[$£]) ")


def load_hub(name: str, config: str | None = None, *, column: str = "text") -> Corpus:
    """The dataset ``name`` as a corpus, one document a row (an article for WikiText).

    name: one of ``KNOWN``, ``"owner/name"`` on the hub, or the path of a folder.
    config: which configuration, where there are several; ``"owner/name:config"`` says the same.
    column: the column that holds the text.

    Raises MissingExtra without ``datasets``, FetchError where the hub is out of reach or has no
    such dataset, UnknownName for a column that is not there.
    """
    path, _, after = name.partition(":") if "/" in name else (name, "", "")
    path, config = KNOWN.get(name, (path, config or after or None))
    rows = {split: table[column] for split, table in _tables(name, path, config, column).items()}
    if path == "Salesforce/wikitext":
        rows = {split: articles(lines) for split, lines in rows.items()}
    return Corpus(name, "see the dataset's card on the hub", *_split(name, rows))


def _tables(name: str, path: str, config: str | None, column: str) -> Mapping:
    """The tables of a dataset by split, each with ``column``."""
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra(
            f"corpus {name!r} is read by the package `datasets`, which is not installed. "
            "Remedy: `python -m pip install datasets`."
        ) from error
    try:
        tables = datasets.load_dataset(path, config)
    except (OSError, ValueError, RuntimeError) as error:
        raise FetchError(
            f"could not load {name!r} from the Hugging Face hub: {type(error).__name__}: "
            f"{_first_line(error)}. Remedy: check the name, or the path if files of your own are "
            "meant; connect to the network and unset HF_HUB_OFFLINE and HF_DATASETS_OFFLINE; or go "
            "on with load_corpus('english'), which needs no hub."
        ) from error
    for table in tables.values():
        if column not in table.column_names:
            raise unknown(f"column of {name}", column, table.column_names)
    return tables


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")


_Documents = tuple[Document, ...]


def _split(
    name: str, rows: Mapping[str, Iterable[str]]
) -> tuple[_Documents, _Documents, _Documents]:
    """The three splits: as published if all three are there, else by the hash of the text."""
    published = set(SPLITS) <= set(rows)
    splits: dict[str, list[Document]] = {split: [] for split in SPLITS}
    seen: set[str] = set()
    for split in SPLITS if published else rows:
        for text in rows[split]:
            digest = text_id(text)
            if text.strip() and digest not in seen:
                seen.add(digest)
                side = split if published else split_of(f"{name}/{digest}")
                splits[side].append(Document.of(text, name))
    return tuple(splits["train"]), tuple(splits["validation"]), tuple(splits["test"])


def articles(lines: Iterable[str]) -> Iterator[str]:
    """WikiText's rows joined into articles: a row such as ``" = Title = "`` begins one."""
    article: list[str] = []
    for line in lines:
        if TITLE.fullmatch(line) and article:
            yield "\n".join(article)
            article = []
        if line.strip():
            article.append(undo_tokenisation(HEADING.sub("", line)))
    if article:
        yield "\n".join(article)


def undo_tokenisation(line: str) -> str:
    """``line`` with the spacing of ordinary text.

    Quotation marks, whose side is lost, keep their spaces.
    """
    return AFTER.sub(r"\1", BEFORE.sub(r"\1", JOINED.sub(r"\1", line))).strip()
