"""From a corpus' name to a trained masked language model: the whole recipe in one function.

    corpus -> tokenizer -> flat array on disk -> stream of masked batches -> train -> evaluate ->
    result.json

Each stage is one call of the file that is named after it; read this page first and those after it.
With ``init`` the tokenizer and the first weights are those of a model that was saved.

The defaults are a sketch for two CPU cores and 90 seconds. Source of the recipe for a fixed budget
of time: Geiping & Goldstein 2023 (arXiv:2212.14034, "Cramming").
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from course_lib import data, hardware
from course_lib.batch import Batch
from course_lib.batches import MLMStream, TokenArray, encode_corpus, fixed_batches
from course_lib.distributed import Workers
from course_lib.distributed.sharding import whole
from course_lib.encoder import MaskedLanguageModel
from course_lib.evaluation import Evaluation, evaluate, token_counts, unigram_nll
from course_lib.masking import MaskPolicy
from course_lib.objectives import MaskedLM
from course_lib.tokenization import Tokenizer, train_tokenizer
from course_lib.training import TrainResult, save_model, train
from course_lib.training.beforehand import check_writable
from course_lib.training.checkpoint import checkpoints
from course_lib.whole_files import write_text_whole

from .config import PretrainConfig
from .start import check_new_batches, load_start, settled

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


def build_model(config: PretrainConfig, prepared: Prepared) -> MaskedLanguageModel:
    """A new model that starts from the tokens' frequencies; ``config.seed`` draws its weights.

    With ``config.init`` it is the model that was saved there.
    """
    torch.manual_seed(config.seed)
    if config.init:
        return load_start(config.init).model.train()
    tokenizer = prepared.tokenizer
    model = MaskedLanguageModel(
        replace(config.encoder(tokenizer.vocab_size), pad_id=tokenizer.pad_id)
    )
    counts = token_counts(prepared.tokens.tokens, tokenizer.vocab_size, tokenizer.special_ids)
    model.start_from_frequencies(torch.from_numpy(counts).double())
    return model


def pretrain(
    config: PretrainConfig,
    out: str | os.PathLike,
    *,
    resume: bool = False,
    progress: bool = True,
    workers: Workers = Workers(),  # noqa: B008  (frozen)
) -> dict[str, object]:
    """Pre-train, and write checkpoints, records, the model and its tokenizer to ``out``.

    workers: from ``distributed.join``; all call this function, the first writes.

    Returns what is in ``result.json``: ``unigram_nll`` and ``validation_nll`` (nats per masked
    token), ``tokens_per_second``, the configuration, hardware and versions, and more.

    Raises ValueError if ``out`` holds a run and ``resume`` is not set, and as ``prepare`` does.
    """
    out = Path(out)
    _check_free(out, resume)
    check_writable(out, workers)
    tokenizer = None
    if config.init:
        start = load_start(config.init)
        config, tokenizer = settled(config, start), start.tokenizer
    with workers.in_turn():
        prepared = prepare(config, tokenizer=tokenizer, progress=progress and workers.first)
    check_new_batches(config, prepared.tokens.fingerprint)
    model = build_model(config, prepared)
    held_out, settings, precision = prepared.validation, config.training(), config.precision
    options: dict[str, Any] = dict(validation=held_out, out=out, resume=resume, progress=progress)
    run = train(model, MaskedLM(), prepared.stream, settings, workers=workers, **options)
    found = evaluate(model, MaskedLM(), held_out, precision=precision, workers=workers)
    result = _result(config, prepared, model, run, found)
    result |= {"workers": workers.count, "sharded": workers.sharded}
    if workers.sharded:
        model = unsharded(model)
    if workers.first:
        save_model(out, model, prepared.tokenizer)
        write_text_whole(out / "result.json", json.dumps(result, indent=2))
    return result


def _check_free(out: Path, resume: bool) -> None:
    if not resume and (checkpoints(out) or (out / "result.json").exists()):
        raise ValueError(
            f"{out} already holds a run: go on with it (resume, on the command line --resume) or "
            "choose another folder"
        )


def _result(
    config: PretrainConfig,
    prepared: Prepared,
    model: MaskedLanguageModel,
    run: TrainResult,
    found: Evaluation,
) -> dict[str, object]:
    vocab_size, specials = prepared.tokenizer.vocab_size, prepared.tokenizer.special_ids
    train_tokens, held_out = prepared.tokens.tokens, prepared.validation
    return {
        "unigram_nll": unigram_nll(train_tokens, held_out, vocab_size, specials),
        "validation_nll": found.nll,
        "validation_accuracy": found.accuracy,
        "validation_targets": found.count,
        "tokens_per_second": round(run.tokens_per_second),
        "tokens": run.tokens,
        "steps": run.steps,
        "seconds": round(run.seconds, 2),
        "parameters": sum(p.numel() for p in model.parameters()),
        "stopped": run.stopped,
        "text": prepared.tokens.fingerprint,
        "config": asdict(config),
        "hardware": hardware.describe(),
    }


def unsharded(model: MaskedLanguageModel) -> MaskedLanguageModel:
    """A model of its own with the weights of a sharded one, on the CPU; all workers must call."""
    copy = MaskedLanguageModel(model.config)
    copy.load_state_dict({name: whole(tensor).cpu() for name, tensor in model.state_dict().items()})
    return copy.eval()
