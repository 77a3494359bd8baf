"""From a corpus' name to a trained masked language model: the whole recipe in one function.

    corpus -> tokenizer -> flat array on disk -> stream of masked batches -> train -> evaluate ->
    result.json

Each stage is one call of the file that is named after it; read this page first and those after it.

The defaults are a sketch for two CPU cores and 90 seconds. Source of the recipe for a fixed budget
of time: Geiping & Goldstein 2023 (arXiv:2212.14034, "Cramming").
"""

from __future__ import annotations

import json
import os
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
from course_lib.training.beforehand import make_writable
from course_lib.training.checkpoint import checkpoints
from course_lib.whole_files import write_text_whole

from .config import PretrainConfig


class Prepared(NamedTuple):
    """Everything that training needs: see ``prepare``."""

    tokenizer: Tokenizer
    tokens: TokenArray
    stream: MLMStream
    validation: list[Batch]


def prepare(config: PretrainConfig, *, progress: bool = True) -> Prepared:
    """Corpus, tokenizer and encoded text, from the cache or made once, and the stream over them."""
    corpus = data.load_corpus(config.corpus, progress=progress)
    made_of = f"{corpus.name}-{corpus.fingerprint[:12]}-{config.kind}-{config.vocab_size}"
    folder = data.cache_dir() / "encoded" / made_of
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
    rows = dict(seq_len=config.seq_len, batch_size=config.batch_size)
    stream = MLMStream(train_tokens, tokenizer, seed=config.seed, policy=config.mask, **rows)
    # masked alike whatever the seed and the policy of training: only so can runs be compared
    same = dict(seed=0, policy=MaskPolicy(), max_tokens=config.validation_tokens)
    validation = fixed_batches(held_out, tokenizer, **rows, **same)
    return Prepared(tokenizer, train_tokens, stream, validation)


def _tokenizer(path: Path, corpus, config: PretrainConfig, progress: bool) -> Tokenizer:
    try:
        return Tokenizer.load(path)
    except (ValueError, OSError):
        tokenizer = train_tokenizer(
            corpus.texts("train"), config.vocab_size, config.kind, progress=progress
        )
        tokenizer.save(path)
        return tokenizer


def build_model(config: PretrainConfig, prepared: Prepared) -> MaskedLanguageModel:
    """A new model that starts from the tokens' frequencies; ``config.seed`` draws its weights."""
    torch.manual_seed(config.seed)
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

    Raises ValueError if ``out`` already holds a run and ``resume`` is not set, or can't be written.
    """
    out = Path(out)
    _check_free(out, resume)
    make_writable(out, workers)
    with workers.in_turn():
        prepared = prepare(config, progress=progress and workers.first)
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
        "config": asdict(config),
        "hardware": hardware.describe(),
    }


def unsharded(model: MaskedLanguageModel) -> MaskedLanguageModel:
    """A model of its own with the weights of a sharded one, on the CPU; all workers must call."""
    copy = MaskedLanguageModel(model.config)
    copy.load_state_dict({name: whole(tensor).cpu() for name, tensor in model.state_dict().items()})
    return copy.eval()
