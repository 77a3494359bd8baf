"""From a corpus' name to a trained masked language model: the whole recipe in one function.

    corpus -> tokenizer -> flat array on disk -> stream of masked batches -> train -> judge ->
    result.json

Each stage is one call of the file that is named after it; read this page first and those after it.
With ``init`` the tokenizer and the first weights are those of a model that was saved.

The defaults are a sketch for two CPU cores and 90 seconds. Source of the recipe for a fixed budget
of time: Geiping & Goldstein 2023 (arXiv:2212.14034, "Cramming").
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from course_lib import hardware
from course_lib.distributed import Workers
from course_lib.distributed.sharding import whole
from course_lib.encoder import EncoderConfig, MaskedLanguageModel
from course_lib.evaluation import token_counts
from course_lib.objectives import MaskedLM
from course_lib.training import TrainResult, save_model, train
from course_lib.training.beforehand import check_writable
from course_lib.training.checkpoint import checkpoints
from course_lib.whole_files import write_text_whole

from .config import PretrainConfig
from .judgement import judge
from .preparation import Prepared, prepare
from .start import check_new_batches, load_start, settled


def build_model(
    config: PretrainConfig, prepared: Prepared, encoder: EncoderConfig | None = None
) -> MaskedLanguageModel:
    """A new model that starts from the tokens' frequencies; ``config.seed`` draws its weights.

    encoder: another shape than ``config.shape`` names, to change one thing about it.

    With ``config.init`` it is the model that was saved there.
    """
    torch.manual_seed(config.seed)
    if config.init:
        return load_start(config.init).model.train()
    tokenizer = prepared.tokenizer
    encoder = encoder or config.encoder(tokenizer.vocab_size)
    model = MaskedLanguageModel(replace(encoder, pad_id=tokenizer.pad_id))
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

    Returns what is in ``result.json``: all that ``judge`` finds, ``tokens_per_second``, the
    configuration, hardware and versions, and more.

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
    objective, settings = MaskedLM(prepared.tokenizer.mask_id), config.training()
    options: dict[str, Any] = dict(out=out, resume=resume, progress=progress, workers=workers)
    options["validation"] = prepared.validation
    run = train(model, objective, prepared.stream, settings, **options)
    found = judge(model, prepared, precision=config.precision, workers=workers)
    result = _result(config, prepared, model, run, found)
    result |= {"workers": workers.count, "sharded": workers.sharded}
    kept = unsharded(model) if workers.sharded else model
    if workers.first:
        save_model(out, kept, prepared.tokenizer)
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
    found: Mapping[str, object],
) -> dict[str, object]:
    return {
        **found,
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
