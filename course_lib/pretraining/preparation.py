"""Corpus, tokenizer and encoded text, made once and kept, and the stream of masked batches.

    corpus -> tokenizer -> flat array on disk -> stream of masked batches; held-out batches

The held-out batches are masked alike whatever the seed and the policy of training, so that runs can
be compared. Cost: the first time the tokenizer and the encoding, some seconds to minutes by the
size of the corpus; then what a file takes to open.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from course_lib import data
from course_lib.batch import Batch
from course_lib.batches import MLMStream, TokenArray, encode_corpus, fixed_batches
from course_lib.masking import MaskPolicy
from course_lib.tokenization import Tokenizer, train_tokenizer

from .config import PretrainConfig
from .start import load_start, settled

AnyCorpus = data.Corpus | data.StoredCorpus
SAMPLE = 600_000_000
"""Characters from which a tokenizer is learnt, in memory; all of wikitext-103 has fewer."""


class Prepared(NamedTuple):
    """Everything that training needs: see ``prepare``."""

    tokenizer: Tokenizer
    tokens: TokenArray
    stream: MLMStream
    validation: list[Batch]


def prepare(
    config: PretrainConfig, *, tokenizer: Tokenizer | None = None, progress: bool = True
) -> Prepared:
    """Corpus, tokenizer and encoded text, from the cache or made once, and the stream over them.

    tokenizer: use this one. Left out it is that of ``config.init``, or one that is trained.

    Raises ValueError for a corpus of which nothing is held out, and as ``load_corpus`` and
    ``load_start`` do.
    """
    if config.init and tokenizer is None:
        start = load_start(config.init)
        config, tokenizer = settled(config, start), start.tokenizer
    corpus = data.load_corpus(config.corpus, text=config.text, progress=progress)
    _check_splits(corpus)
    mark = tokenizer.fingerprint[:12] if tokenizer else f"{config.kind}-{config.vocab_size}"
    folder = data.cache_dir() / "encoded" / f"{corpus.name}-{corpus.fingerprint[:12]}-{mark}"
    if tokenizer is None:
        tokenizer = _tokenizer(folder / "tokenizer", corpus, config, progress)
    train_tokens, held_out = (
        encode_corpus(
            corpus.texts(split),
            tokenizer,
            folder / split,
            fingerprint=f"{corpus.fingerprint}-{split}",
            progress=progress,
        )
        for split in ("train", "validation")
    )
    b, t, n = config.batch_size, config.seq_len, config.validation_tokens
    stream = MLMStream(train_tokens, tokenizer, t, b, config.mask, config.seed)
    # masked alike whatever the seed and the policy of training: only so can runs be compared
    validation = fixed_batches(
        held_out, tokenizer, seq_len=t, batch_size=b, policy=MaskPolicy(), seed=0, max_tokens=n
    )
    return Prepared(tokenizer, train_tokens, stream, validation)


def _check_splits(corpus: AnyCorpus) -> None:
    counts = {split: documents for split, (documents, _) in corpus.counts().items()}
    for split in ("train", "validation"):
        if not counts[split]:
            raise ValueError(
                f"of the {sum(counts.values())} documents of the corpus {corpus.name!r} none fell "
                f"to {split}, to which a hash sends them: give more or smaller documents (blank "
                "lines between those in one .txt, a line each in .jsonl), or files that are called "
                "train, validation and test"
            )


def _tokenizer(path: Path, corpus: AnyCorpus, config: PretrainConfig, progress: bool) -> Tokenizer:
    try:
        return Tokenizer.load(path)
    except (ValueError, OSError):
        assert config.vocab_size is not None and config.kind is not None, "a start brings its own"
        tokenizer = train_tokenizer(
            texts_to_learn_from(corpus), config.vocab_size, config.kind, progress=progress
        )
        tokenizer.save(path)
        return tokenizer


def texts_to_learn_from(corpus: AnyCorpus, characters: int = SAMPLE) -> Iterable[str]:
    """The training texts, or of a corpus larger than memory a sample of about ``characters``.

    A text is in it by its hash, so the sample is spread over the corpus and the same every time.
    """
    texts, (_, size) = corpus.texts("train"), corpus.counts()["train"]
    if size <= characters:
        return texts
    return (text for text in texts if int(data.text_id(text), 16) < characters / size * 16**16)
