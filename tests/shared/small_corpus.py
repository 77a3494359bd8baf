"""A corpus of a few kilobytes where the real ones would be, for tests of the whole recipe."""

from pathlib import Path

import pytest
from small_language import small_language

from course_lib import data
from course_lib.data import Corpus, Document


def small_corpus(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Corpus:
    """Put it in place of the real ones, and a cache of its own into ``folder``."""
    parts = [
        [Document.of(t, "test") for t in small_language(n, seed)]
        for n, seed in ((300, 1), (60, 2), (60, 3))
    ]
    small = Corpus("small", "none", *(tuple(p) for p in parts))
    monkeypatch.setattr(data, "load_corpus", lambda name, **_: small)
    monkeypatch.setenv("COURSE_LIB_CACHE", str(folder / "cache"))
    return small
