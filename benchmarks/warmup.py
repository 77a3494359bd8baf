"""Does AdamW need warm-up, and does that depend on where the norms stand?

A small masked language model, once in BERT's shape (norms *after* each residual sum, post-LN) and
once in the modern shape (norms *before* each branch, pre-LN, rotary positions), is trained at
several peak rates with and without warm-up. Without: the rate falls linearly from the first step.
With: it rises during a fifth of the steps, then falls. Same text, same order and same first weights
for both; judged on the same held-out masks. The budget is steps. The record is written after each
run, and a run that stands in it is not made again.

    python benchmarks/warmup.py   # writes benchmarks/results/warmup.json, about two minutes

Claims: a post-LN Transformer needs warm-up, a pre-LN one does not (Xiong et al. 2020,
arXiv:2002.04745); warm-up widens the range of rates that work (Kalra and Barkeshli 2024,
arXiv:2406.09405).
Prediction, written before the run but after a trial with two seeds: at 1e-2 post-LN without warm-up
stays at the unigram line and with warm-up falls at least 0.1 nats below it. Pre-LN falls below it
in both cases, at every rate; the largest difference that warm-up makes to it is smaller than the
one it makes to post-LN.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch

from course_lib import hardware
from course_lib.evaluation import evaluate, unigram_nll
from course_lib.objectives import MaskedLM
from course_lib.pretraining import Prepared, PretrainConfig, build_model, prepare
from course_lib.training import NonFiniteError, train

RATES = (3e-3, 6e-3, 1e-2)
WARMUPS = (0.0, 0.2)
BASE = PretrainConfig(
    corpus="wikipedia",
    shape="bert",
    n_layers=4,
    d_model=64,
    n_heads=4,
    vocab_size=1000,
    seq_len=32,
    batch_size=32,
    steps=150,
    seconds=None,
    precision="fp32",
    validation_tokens=8192,
    evaluate_every=None,
    checkpoint_seconds=None,
)


def one_run(prepared: Prepared, shape: str, lr: float, warmup: float, seed: int) -> dict:
    """Train one model; its held-out loss, or ``None`` if it blew up."""
    config = replace(BASE, shape=shape, lr=lr, warmup=warmup, seed=seed)
    model = build_model(config, prepared)
    run = {"shape": shape, "lr": lr, "warmup": warmup, "seed": seed}
    try:
        train(
            model,
            MaskedLM(),
            replace(prepared.stream, seed=seed),
            config.training(),
            device="cpu",
            progress=False,
        )
    except NonFiniteError:
        return run | {"nll": None}
    return run | {"nll": evaluate(model, MaskedLM(), prepared.validation, precision="fp32").nll}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "warmup.json"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)  # so small a model is as fast on one core
    prepared = prepare(BASE, progress=False)
    tokenizer = prepared.tokenizer
    unigram = unigram_nll(
        prepared.tokens.tokens, prepared.validation, tokenizer.vocab_size, tokenizer.special_ids
    )
    report = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {"runs": []}
    report |= {"unigram_nll": unigram, "steps": BASE.steps, "hardware": hardware.describe()}
    done = {tuple(run[key] for key in ("shape", "lr", "warmup", "seed")) for run in report["runs"]}
    for seed, shape, lr, warmup in product(range(args.seeds), ("bert", "modern"), RATES, WARMUPS):
        if (shape, lr, warmup, seed) not in done:
            report["runs"].append(one_run(prepared, shape, lr, warmup, seed))
            print(report["runs"][-1], flush=True)
            args.out.write_text(json.dumps(report) + "\n", "utf-8")


if __name__ == "__main__":
    main()
