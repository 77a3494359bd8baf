"""Real text without a hub: pinned archives, clean corpora, labelled tasks, all split so that nothing leaks."""

from course_lib.data.archives import ARCHIVES, Archive, cache_dir, fetch
from course_lib.data.catalogue import describe, fetch_all
from course_lib.data.corpora import CORPORA, load_corpus
from course_lib.data.errors import (
    CacheError,
    DamagedArchive,
    DataError,
    FetchError,
    MissingExtra,
    UnknownName,
)
from course_lib.data.hub import load_hub
from course_lib.data.hub_tasks import HUB_TASKS
from course_lib.data.labelled import PairExample, SpanExample, SpanTask, TokenExample, TokenTask, word_spans
from course_lib.data.records import Corpus, Document, Example, Link, Task, split_of
from course_lib.data.tasks import TASKS, load_task
from course_lib.data.wikitext import clean

__all__ = [
    "ARCHIVES",
    "CORPORA",
    "HUB_TASKS",
    "TASKS",
    "Archive",
    "CacheError",
    "Corpus",
    "DamagedArchive",
    "DataError",
    "Document",
    "Example",
    "FetchError",
    "Link",
    "MissingExtra",
    "PairExample",
    "SpanExample",
    "SpanTask",
    "Task",
    "TokenExample",
    "TokenTask",
    "UnknownName",
    "cache_dir",
    "clean",
    "describe",
    "fetch",
    "fetch_all",
    "load_corpus",
    "load_hub",
    "load_task",
    "split_of",
    "word_spans",
]
