"""From a corpus' name to a trained masked language model: the whole recipe in one function.

    corpus -> tokenizer -> flat array on disk -> stream of masked batches -> train -> evaluate -> result.json

Each stage is one call of the file that is named after it; read this page first and those after it.

The defaults are a sketch for two CPU cores and 90 seconds. Source of the recipe for a fixed budget of time: Geiping
& Goldstein 2023 (arXiv:2212.14034, "Cramming").
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import torch

from course_lib import data, hardware
from course_lib.batch import Batch
from course_lib.batches import MLMStream, TokenArray, encode_corpus, fixed_batches
from course_lib.distributed import Workers
from course_lib.distributed.sharding import whole
from course_lib.encoder import MaskedLanguageModel
from course_lib.evaluation import evaluate, token_counts, unigram_nll
from course_lib.masking import MaskPolicy
from course_lib.objectives import MaskedLM
from course_lib.tokenization import Tokenizer, train_tokenizer
from course_lib.training import save_model, train
from course_lib.training.checkpoint import checkpoints

from .config import PretrainConfig


class Prepared(NamedTuple):
    """Everything that training needs: see ``prepare``."""

    tokenizer: Tokenizer
    tokens: TokenArray
    stream: MLMStream
    validation: list[Batch]


def prepare(config: PretrainConfig, *, progress: bool = True) -> Prepared:
    """Corpus, tokenizer and encoded text, each made once and then taken from the cache; the stream over them."""
    corpus = data.load_corpus(config.corpus, progress=progress)
    folder = (
        data.cache_dir()
        / "encoded"
        / f"{corpus.name}-{corpus.fingerprint[:12]}-{config.kind}-{config.vocab_size}"
    )
    tokenizer = _tokenizer(folder / "tokenizer", corpus, config, progress)
    arrays = {
        split: encode_corpus(
            corpus.texts(split),
            tokenizer,
            folder / split,
            fingerprint=f"{corpus.fingerprint}-{split}",
            progress=progress,
        )
        for split in ("train", "validation")
    }
    rows = dict(seq_len=config.seq_len, batch_size=config.batch_size)
    stream = MLMStream(arrays["train"], tokenizer, seed=config.seed, policy=config.mask, **rows)
    # Judged with the same 15 % masks whatever the seed and the policy: only so can runs be compared.
    validation = fixed_batches(
        arrays["validation"],
        tokenizer,
        seed=0,
        max_tokens=config.validation_tokens,
        policy=MaskPolicy(),
        **rows,
    )
    return Prepared(tokenizer, arrays["train"], stream, validation)


def _tokenizer(path: Path, corpus, config: PretrainConfig, progress: bool) -> Tokenizer:
    try:
        return Tokenizer.load(path)
    except (ValueError, OSError):
        tokenizer = train_tokenizer(corpus.texts("train"), config.vocab_size, config.kind, progress=progress)
        tokenizer.save(path)
        return tokenizer


def build_model(config: PretrainConfig, prepared: Prepared) -> MaskedLanguageModel:
    """A new model that starts from the tokens' frequencies; its weights depend on ``config.seed``."""
    torch.manual_seed(config.seed)
    tokenizer = prepared.tokenizer
    model = MaskedLanguageModel(replace(config.encoder(tokenizer.vocab_size), pad_id=tokenizer.pad_id))
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
    """Pre-train, and write checkpoints, ``metrics.jsonl``, the model with its tokenizer, and ``result.json`` to ``out``.

    Returns what ``result.json`` holds: ``unigram_nll`` and ``validation_nll`` (nats per masked token),
    ``tokens_per_second``, ``steps``, ``seconds``, ``parameters``, the configuration, hardware and versions.
    workers: from ``distributed.join``; all call this function, the first writes.

    Raises ValueError if ``out`` already holds a run and ``resume`` is not set.
    """
    out = Path(out)
    if not resume and (checkpoints(out) or (out / "result.json").exists()):
        raise ValueError(
            f"{out} already holds a run: go on with it (resume, on the command line --resume) or choose another folder"
        )
    with workers.in_turn():
        prepared = prepare(config, progress=progress and workers.first)
    model = build_model(config, prepared)
    run = train(
        model, MaskedLM(), prepared.stream, config.training(), validation=prepared.validation, out=out,
        resume=resume, progress=progress, workers=workers,
    )  # fmt: skip
    found = evaluate(model, MaskedLM(), prepared.validation, precision=config.precision, workers=workers)
    if workers.sharded:
        model = unsharded(model)
    tokenizer = prepared.tokenizer
    unigram = unigram_nll(
        prepared.tokens.tokens, prepared.validation, tokenizer.vocab_size, tokenizer.special_ids
    )
    result = {
        "unigram_nll": unigram,
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
        "workers": workers.count,
        "sharded": workers.sharded,
    }
    if workers.first:
        _write(out, model, tokenizer, result)
    return result


def unsharded(model: MaskedLanguageModel) -> MaskedLanguageModel:
    """A model of its own with the whole weights of a sharded one, on the CPU (all workers must call)."""
    copy = MaskedLanguageModel(model.config)
    copy.load_state_dict({name: whole(tensor).cpu() for name, tensor in model.state_dict().items()})
    return copy.eval()


def _write(out: Path, model: MaskedLanguageModel, tokenizer: Tokenizer, result: dict) -> None:
    save_model(out, model, tokenizer)
    work = out / ".result.json"
    work.write_text(json.dumps(result, indent=2), "utf-8")
    os.replace(work, out / "result.json")
