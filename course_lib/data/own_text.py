"""Your own text as a corpus: a file, a folder or a pattern, read once and kept on the disk.

    files -> documents -> split by hash -> without repeats -> cache -> ``StoredCorpus``

What is done is what is done to the other corpora (:mod:`~course_lib.data.records` splits,
:mod:`~course_lib.data.repeats` drops), but for one document at a time. The split goes by the hash
of the document's text, so neither a name nor a new neighbour moves a document. The files are read
in the order of their SHA-256, so that the result depends on what is in them and not on how they are
called. A second call compares these and opens what the first one wrote.

In memory: one document; 12 to 24 bytes for each line seen, for each 8-word window of the held-out
tenth, and for those of them that stand in train (:mod:`~course_lib.data.hashes`). For prose that is
about an eighth to a quarter of the text. On the disk: the text once in the cache, which may be
deleted, and a tenth of it again while it is made. Time: 2 MB/s once, most of it for the windows.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder) / "poems.txt"
...     _ = path.write_text("\\n\\n".join(f"the poem number {i}" for i in range(100)))
...     corpus = load_own_corpus(path, cache=Path(folder) / "cache", progress=False)
...     corpus.counts(), corpus.texts("train")[0]
({'train': (92, 1647), 'validation': (4, 71), 'test': (4, 72)}, 'the poem number 0')
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from tqdm.auto import tqdm

from course_lib.whole_files import written_whole

from . import hashes, own_files, readers, records, repeats, stored_corpus, text_lines
from .archives import CHUNK, cache_dir, exclusively
from .errors import unreadable, writing
from .hashes import HashSet
from .own_files import OwnFile
from .readers import Advance, documents
from .records import SPLITS, Document, split_of
from .repeats import PASSAGE, Dropped, windows, without_repeats
from .stored import recipe_of
from .stored_corpus import StoredCorpus, StoredTexts, TextWriter, read_info, write_info
from .text_lines import naming

LICENCE = "your own text"
HELD_OUT = SPLITS[1:]
MADE_BY = (hashes, own_files, readers, records, repeats, stored_corpus, text_lines, Path(__file__))


def load_own_corpus(
    name: str | os.PathLike,
    *,
    text: str = "text",
    cache: Path | None = None,
    progress: bool = True,
) -> StoredCorpus:
    """The corpus in a file, a folder or a pattern; what is read is in ``own_files``.

    text: the field of .jsonl, or the column of .csv and .parquet, that holds the text.
    cache: folder to use in place of :func:`~course_lib.data.archives.cache_dir`.

    Raises UnreadableFile, with file and line, for what can't be read and for a path without text;
    MissingExtra for .parquet without ``pyarrow``; CacheError.
    """
    files = own_files.own_files(name)
    with bytes_bar("checking", files, progress) as bar:
        hashed = [(_sha256(file.path, bar.update), file) for file in files]
    hashed.sort(key=lambda pair: (SPLITS.index(pair[1].split or "train"), pair[0]))
    key = [text, [[digest, f.kind, f.whole, f.split] for digest, f in hashed]]
    recipe = recipe_of(json.dumps(key), MADE_BY)
    root = (cache or cache_dir()) / "corpora" / "own"
    folder = root / recipe
    if (info := read_info(folder)) is None:
        with exclusively(root, recipe), bytes_bar("reading", files, progress) as bar:
            if read_info(folder) is None:
                found = _documents([f for _, f in hashed], text, bar.update)
                with writing(root), written_whole(folder) as work:
                    work.mkdir()
                    write_corpus(found, work, name)
        info = read_info(folder)
        assert info is not None, "it was written just now"
    notes = f"Files: {len(files):,}, of {name}. {info['dropped']}"
    return StoredCorpus(own_files.short_name(name), LICENCE, folder, notes)


def bytes_bar(title: str, files: Iterable[OwnFile], progress: bool) -> tqdm:
    """A progress bar over the bytes of ``files``."""
    size = 0
    for file in files:
        with naming(file.path):
            size += file.path.stat().st_size
    return tqdm(
        total=size, desc=title, unit="B", unit_scale=True, leave=False, disable=not progress
    )


def _sha256(path: Path, advance: Advance) -> str:
    digest = hashlib.sha256()
    with naming(path), path.open("rb") as stream:
        while block := stream.read(CHUNK):
            digest.update(block)
            advance(len(block))
    return digest.hexdigest()


def _documents(
    files: Iterable[OwnFile], text: str, advance: Advance
) -> Iterator[tuple[str | None, str]]:
    for file in files:
        for _, one in documents(file, text, advance):
            yield file.split, one


def write_corpus(
    found: Iterable[tuple[str | None, str]], folder: Path, name: str | os.PathLike
) -> None:
    """Write the three splits and ``info.json`` into ``folder``, without repeats.

    found: (split, or ``None`` to go by the hash; text). It is read once; no document is kept.

    The rules are those of ``drop_repeats``, in another order of reading: held-out documents wait on
    the disk until train is written. Raises UnreadableFile if there is no document.
    """
    dropped, seen, wanted, nowhere = Dropped(), HashSet(), HashSet(), HashSet()
    # a blank line is nothing of a document's own
    seen.add("")
    with ExitStack() as stack:
        writers = {split: stack.enter_context(TextWriter(folder, split)) for split in SPLITS}
        waiting = {s: stack.enter_context(TextWriter(folder, f"waiting-{s}")) for s in HELD_OUT}
        for split, text in found:
            split = split or split_of(f"own/{records.text_id(text)}")
            if split == "train":
                _add(writers[split], text, seen, nowhere, dropped)
            else:
                waiting[split].add(text)
                for window in _windows(text):
                    wanted.add(window)
        for writer in (writers["train"], *waiting.values()):
            writer.flush()
        in_train = _also_in(StoredTexts(folder, "train"), wanted)
        for split in HELD_OUT:
            for text in StoredTexts(folder, f"waiting-{split}"):
                _add(writers[split], text, seen, in_train, dropped)
    for left in folder.glob("waiting-*"):
        left.unlink()
    counts = {split: (writer.documents, writer.characters) for split, writer in writers.items()}
    if not any(n for n, _ in counts.values()):
        raise unreadable(name, "holds no text", "give files that are not empty")
    write_info(folder, counts=counts, fingerprint=_fingerprint(folder), dropped=str(dropped))


def _add(writer: TextWriter, text: str, seen: HashSet, known: HashSet, dropped: Dropped) -> None:
    document = without_repeats(Document.of(text, "own"), seen, known, dropped)
    if document is None:
        dropped.documents += 1
    else:
        writer.add(document.text)


def _windows(text: str) -> Iterator[int]:
    """The hashes of the windows of its passages, as ``repeats`` compares them."""
    for line in text.split("\n"):
        if len(line) >= PASSAGE:
            yield from map(hash, windows(line))


def _also_in(texts: Iterable[str], wanted: HashSet) -> HashSet:
    """Those of the windows ``wanted`` that stand in ``texts``."""
    found = HashSet()
    for text in texts if wanted else ():
        for window in _windows(text):
            if window in wanted:
                found.add(window)
    return found


def _fingerprint(folder: Path) -> str:
    """As ``Corpus.fingerprint`` has it."""
    digest, separator = hashlib.sha256(), b""
    for split in SPLITS:
        for text in StoredTexts(folder, split):
            digest.update(separator + f"{split}:{records.text_id(text)}".encode())
            separator = b"\n"
    return digest.hexdigest()
