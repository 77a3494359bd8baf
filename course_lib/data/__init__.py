"""Real text without a hub: pinned archives, clean corpora, labelled tasks.

All are split so that nothing leaks.
"""

from .archives import ARCHIVES, Archive, cache_dir, fetch
from .catalogue import describe, fetch_all
from .corpora import CORPORA, load_corpus
from .errors import (
    CacheError,
    DamagedArchive,
    DataError,
    FetchError,
    MissingExtra,
    UnknownName,
    UnreadableFile,
)
from .hub import load_hub
from .records import Corpus, Document, Example, Link, PairExample, Task, split_of, text_id
from .stored_corpus import StoredCorpus
from .tasks.hub import HUB_TASKS
from .tasks.labelled import SpanExample, SpanTask, TokenExample, TokenTask
from .tasks.loading import TASKS, load_task

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
    "StoredCorpus",
    "Task",
    "TokenExample",
    "TokenTask",
    "UnknownName",
    "UnreadableFile",
    "cache_dir",
    "describe",
    "fetch",
    "fetch_all",
    "load_corpus",
    "load_hub",
    "load_task",
    "split_of",
    "text_id",
]
