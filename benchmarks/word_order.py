"""Does a masked model's pseudo-log-likelihood know word order, and after how much training?

Salazar et al. 2020 (arXiv:1910.14659) rank sentences by the sum of the log-probabilities of their
tokens, each masked alone. Here small models are trained for several numbers of steps, and asked
which of two sentences a person wrote: the original, or the one with two neighbouring words
exchanged (``course_lib.evaluation.word_order``). Beside them stand an untrained network and a tuned
bigram. No clock is used, so a busy machine changes nothing but the waiting time.

    python benchmarks/word_order.py   # writes benchmarks/results/word_order.json, ten minutes

``wins`` holds 1 for each pair whose original scores higher, 0 for the other, 0.5 for a tie.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from course_lib import hardware
from course_lib.data import load_corpus
from course_lib.evaluation import fit_ngrams
from course_lib.evaluation.likelihood import pseudo_log_likelihoods
from course_lib.evaluation.ngrams import tune_ngrams
from course_lib.evaluation.word_order import Pair, swapped_pairs
from course_lib.objectives import MaskedLM
from course_lib.pretraining import Prepared, PretrainConfig, build_model, judge, prepare
from course_lib.pretraining.judgement import lines_of
from course_lib.training import train

CONFIG = PretrainConfig(
    seconds=None,
    steps=1,
    precision="fp32",
    evaluate_every=None,
    checkpoint_seconds=None,
    validation_tokens=60_000,
)


def wins(a: torch.Tensor, b: torch.Tensor) -> list[float]:
    """1 where the original's score is higher, 0.5 for a tie."""
    return ((a > b).double() + 0.5 * (a == b).double()).tolist()


def one_run(prepared: Prepared, encoded: list[list[list[int]]], steps: int, seed: int) -> dict:
    """Train for ``steps`` (0: not at all) and ask for every pair."""
    config = replace(CONFIG, steps=max(1, steps), seed=seed)
    model = build_model(config, prepared)
    if steps:
        stream = replace(prepared.stream, seed=seed)
        train(model, MaskedLM(), stream, config.training(), progress=False)
    tokenizer = prepared.tokenizer
    options = dict(mask_id=tokenizer.mask_id, special_ids=tokenizer.special_ids)
    scores = [pseudo_log_likelihoods(model, side, **options) for side in encoded]
    judged = judge(model, prepared, precision="fp32")
    nll = judged["validation_nll_mask"]
    found = wins(*scores)
    print(
        f"{steps:5d} steps, seed {seed}: {nll:.3f} nats on [MASK], "
        f"{np.mean(found):.1%} of the pairs",
        flush=True,
    )
    kept = {key: judged[key] for key in ("validation_nll", "validation_nll_mask")}
    return {"steps": steps, "seed": seed, **kept, "wins": found}


def bigram_wins(prepared: Prepared, corpus, encoded: list[list[list[int]]]) -> list[float]:
    """The same question to a bigram, tuned on the test text (the pairs are of validation)."""
    tokenizer = prepared.tokenizer
    rows = [tokenizer.encode(text).ids for text in list(corpus.texts("test"))[:20]]
    never = tokenizer.special_ids
    model = fit_ngrams(prepared.tokens.tokens, tokenizer.vocab_size, order=2, never=never)
    model = tune_ngrams(model, np.concatenate([np.array(row) for row in rows]))
    scores = [[-model.nll(np.array(ids)) * (len(ids) - 2) for ids in side] for side in encoded]
    return wins(*(torch.tensor(side, dtype=torch.float64) for side in scores))


def main() -> None:
    """Train, ask, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[0, 250, 1000, 2500])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "word_order.json"
    )
    args = parser.parse_args()
    prepared, corpus = prepare(CONFIG, progress=False), load_corpus(CONFIG.corpus, progress=False)
    pairs: list[Pair] = swapped_pairs(
        corpus.texts("validation"), args.pairs, generator=torch.Generator().manual_seed(0)
    )
    encoded = [[prepared.tokenizer.encode(pair[side]).ids for pair in pairs] for side in (0, 1)]
    bigram = bigram_wins(prepared, corpus, encoded)
    print(f"{len(pairs)} pairs; bigram {np.mean(bigram):.1%}", flush=True)
    runs = [
        one_run(prepared, encoded, steps, seed)
        for steps in args.steps
        for seed in range(args.seeds)
    ]
    result = {
        "corpus": prepared.tokens.fingerprint,
        "pairs": len(pairs),
        "first_pair": list(pairs[0]),
        "bigram": bigram,
        **lines_of(prepared),
        "runs": runs,
        "hardware": hardware.describe(),
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    main()
