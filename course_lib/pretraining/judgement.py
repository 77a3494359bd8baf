"""What a pre-trained model is worth: its loss where only neighbours help, beside "no language".

    validation_nll_mask  against  unigram_nll_mask     targets shown as [MASK]: the fair comparison
    validation_nll       against  copying_nll          all targets, of which some can be copied

Both on the held-out batches of ``prepare``, in nats a target. The first pair is what curves, tables
and verdicts use.
"""

from __future__ import annotations

from torch import nn

from course_lib.distributed import Workers
from course_lib.evaluation import Evaluation, Lines, evaluate, lines_of_nothing
from course_lib.objectives import MaskedLM

from .preparation import Prepared


def judge(
    model: nn.Module,
    prepared: Prepared,
    *,
    precision: str = "auto",
    workers: Workers = Workers(),  # noqa: B008  (frozen)
) -> dict[str, float | int | None]:
    """The model's held-out losses and the lines of "no language", by the names of ``result.json``.

    workers: those who share the batches' rows; all must call.

    Raises ValueError as ``evaluate`` does.
    """
    objective, batches = MaskedLM(prepared.tokenizer.mask_id), prepared.validation
    found = evaluate(model, objective, batches, precision=precision, workers=workers)
    return named(found) | lines_of(prepared)


def named(found: Evaluation) -> dict[str, float | int | None]:
    """An evaluation as flat values."""
    parts = {f"validation_nll_{name}": part.nll for name, part in found.parts.items()}
    return parts | {
        "validation_nll": found.nll,
        "validation_accuracy": found.accuracy,
        "validation_targets": found.count,
    }


def lines_of(prepared: Prepared) -> dict[str, float]:
    """The lines of ``no_language``, as flat values."""
    lines = no_language(prepared)
    return {
        "unigram_nll_mask": lines.unigram_mask,
        "unigram_nll": lines.unigram,
        "copying_nll": lines.copying,
    }


def no_language(prepared: Prepared) -> Lines:
    """What is reached on the held-out batches without looking at any neighbour."""
    tokenizer = prepared.tokenizer
    return lines_of_nothing(
        prepared.tokens.tokens,
        prepared.validation,
        vocab_size=tokenizer.vocab_size,
        mask_id=tokenizer.mask_id,
        special_ids=tokenizer.special_ids,
    )
