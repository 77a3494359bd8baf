"""Does AdamW need warm-up, and does that depend on where the norms stand?

Four small masked language models: BERT's encoder and the modern one, each with its norms *after*
the residual sum (post-LN) and *before* the branch (pre-LN). Between the two of a pair nothing else
differs. All are trained at several peak rates with and without warm-up. Without: the rate falls
linearly from the first step. With: it rises during a fifth of the steps, then falls. Same text,
same order, and within a pair the same first weights; judged on the same held-out masks, by the
loss on targets shown as [MASK]. The budget is steps. The record is written after each run, and a
run that stands in it is not made again.

The text is the made-up language ``chain``, since models of this size learn nothing about real text
in 300 steps but to copy what is shown. Here they do, and both lines are known: what is reached
without looking at a neighbour, and what nobody beats.

    python benchmarks/warmup.py   # writes benchmarks/results/warmup.json, half an hour

Claims: a post-LN Transformer needs warm-up, a pre-LN one does not (Xiong et al. 2020,
arXiv:2002.04745); warm-up widens the range of rates that work (Kalra and Barkeshli 2024,
arXiv:2406.09405).
Prediction, written before the run: within each pair, warm-up lowers the loss of the post-LN model
by more than that of the pre-LN model at the highest rate. Known from other text, with other models
of this size: the place of the norm decided nothing there.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch

from course_lib import hardware
from course_lib.evaluation.chain import chain_nll
from course_lib.objectives import MaskedLM
from course_lib.pretraining import (
    Prepared,
    PretrainConfig,
    build_model,
    judge,
    no_language,
    prepare,
)
from course_lib.training import NonFiniteError, train

RATES = (3e-3, 6e-3, 1e-2)
WARMUPS = (0.0, 0.2)
SHAPES = ("bert", "modern")
NORMS = ("post", "pre")
BASE = PretrainConfig(
    corpus="chain",
    n_layers=4,
    d_model=64,
    n_heads=4,
    vocab_size=200,
    seq_len=32,
    batch_size=32,
    steps=300,
    seconds=None,
    precision="fp32",
    validation_tokens=8192,
    evaluate_every=None,
    checkpoint_seconds=None,
)


def one_run(prepared: Prepared, shape: str, norm: str, lr: float, warmup: float, seed: int) -> dict:
    """Train one model; its held-out losses, or ``None`` if it blew up."""
    config = replace(BASE, shape=shape, lr=lr, warmup=warmup, seed=seed)
    encoder = replace(config.encoder(prepared.tokenizer.vocab_size), norm=norm)
    model = build_model(config, prepared, encoder)
    run = {"shape": shape, "norm": norm, "lr": lr, "warmup": warmup, "seed": seed}
    stream, settings = replace(prepared.stream, seed=seed), config.training()
    try:
        train(model, MaskedLM(), stream, settings, device="cpu", progress=False)
    except NonFiniteError:
        return run | {"nll": None}
    found = judge(model, prepared, precision="fp32")
    return run | {"nll": found["validation_nll_mask"], "nll_all": found["validation_nll"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "warmup.json"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)  # so small a model is as fast on one core
    prepared = prepare(BASE, progress=False)
    lines = no_language(prepared)
    report = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {"runs": []}
    # all on the targets shown as [MASK]
    report |= {
        "unigram_nll": lines.unigram_mask,
        "best_nll": chain_nll(prepared.validation, prepared.tokenizer),
        "steps": BASE.steps,
        "hardware": hardware.describe(),
    }
    keys = ("shape", "norm", "lr", "warmup", "seed")
    done = {tuple(run[key] for key in keys) for run in report["runs"]}
    for seed, *case in product(range(args.seeds), SHAPES, NORMS, RATES, WARMUPS):
        if (*case, seed) not in done:
            report["runs"].append(one_run(prepared, *case, seed))
            print(report["runs"][-1], flush=True)
            args.out.write_text(json.dumps(report) + "\n", "utf-8")


if __name__ == "__main__":
    main()
