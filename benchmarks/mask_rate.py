"""Does masking more than 15 % help? A miniature of Wettig et al. 2023 (arXiv:2202.08005).

Models with equal starts are trained at several masking rates, and all are judged on the *same*
held-out text with the *same* 15 % masks: by the loss on targets shown as [MASK], where
copying does not help (``nll``). Two budgets: equal steps (every rate sees the same text in
the same order), and equal floating-point operations (a higher rate predicts more tokens, pays for
them in the head, and gets fewer steps). Neither uses a clock, so a busy machine changes nothing but
the waiting time.

    python benchmarks/mask_rate.py            # writes benchmarks/results/mask_rate.json

Differences to the rate of 15 % are paired by seed (same first weights, same order of the text); the
interval is Student's t at 95 %. Cost: about seven minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from course_lib import hardware
from course_lib.batches import MLMStream
from course_lib.evaluation import seed_interval
from course_lib.masking import MaskPolicy
from course_lib.objectives import MaskedLM
from course_lib.pretraining import (
    Prepared,
    PretrainConfig,
    build_model,
    judge,
    no_language,
    prepare,
)
from course_lib.training import train

RATES = (0.15, 0.30, 0.40, 0.60)
BASE = PretrainConfig(
    n_layers=2,
    d_model=64,
    n_heads=2,
    seq_len=64,
    batch_size=32,
    steps=500,
    seconds=None,
    precision="fp32",
    validation_tokens=50_000,
    evaluate_every=None,
    checkpoint_seconds=None,
)


def flops_per_token(config: PretrainConfig, rate: float, n_weights: int) -> float:
    """Forward operations per input token: 2N + 4TdL in the encoder, 2 (d^2 + dV) a target."""
    d = config.d_model
    encoder = 2 * n_weights + 4 * config.seq_len * d * config.n_layers
    return encoder + rate * 2 * (d * d + d * config.vocab_size)


def one_run(
    config: PretrainConfig, prepared: Prepared, rate: float, *, seed: int, steps: int
) -> dict:
    """Train one model; its held-out loss on the fixed 15 % masks and its training losses."""
    config = replace(config, seed=seed, mask=MaskPolicy(rate=rate))
    stream = MLMStream(
        prepared.tokens,
        prepared.tokenizer,
        seq_len=config.seq_len,
        batch_size=config.batch_size,
        policy=config.mask,
        seed=seed,
    )
    model = build_model(config, prepared)
    # the schedule spans `steps`: with fewer steps it decays faster, it is not a long run cut short
    settings = replace(config.training(), steps=steps)
    result = train(model, MaskedLM(), stream, settings, progress=False)
    found = judge(model, prepared, precision="fp32")
    losses = [record["loss"] for record in result.history if "loss" in record]
    return {
        "rate": rate,
        "seed": seed,
        "steps": steps,
        "nll": found["validation_nll_mask"],
        "nll_itself": found["validation_nll_itself"],
        "nll_all": found["validation_nll"],
        "losses": losses[:3],
        "seconds": result.seconds,
    }


def paired(runs: list[dict], rate: float, budget: str) -> dict:
    """Difference to 15 % at one budget, seed by seed: mean and half width of the 95 % interval."""
    nll = {
        (r["rate"], r["seed"]): r["nll"]
        for r in runs
        if r["budget"] == budget or r["rate"] == RATES[0]
    }
    seeds = sorted({seed for _, seed in nll})
    gaps = [nll[rate, seed] - nll[RATES[0], seed] for seed in seeds]
    found = seed_interval(gaps)
    half = found.high - found.estimate
    return {"rate": rate, "budget": budget, "difference": found.estimate, "half_width": half}


def runs_of(seed: int, prepared: Prepared, cost: dict[float, float]) -> list[dict]:
    """All rates at both budgets with one seed; at 15 % the two budgets are the same run."""
    runs = []
    for rate in RATES:
        budgets = {"steps": BASE.steps, "flops": round(BASE.steps * cost[RATES[0]] / cost[rate])}
        for budget, steps in list(budgets.items())[: 1 if rate == RATES[0] else 2]:
            runs.append({"budget": budget, **one_run(BASE, prepared, rate, seed=seed, steps=steps)})
            print({k: v for k, v in runs[-1].items() if k != "losses"}, flush=True)
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="at least 3 (default 5)")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "mask_rate.json"
    )
    args = parser.parse_args()
    prepared = prepare(BASE)
    encoder = build_model(BASE, prepared).encoder
    n_weights = sum(p.numel() for p in encoder.blocks.parameters() if p.ndim == 2)
    cost = {rate: flops_per_token(BASE, rate, n_weights) for rate in RATES}
    lines = no_language(prepared)
    report = {
        "flops_per_token": {str(rate): value for rate, value in cost.items()},
        # on the targets shown as [MASK], as nll is
        "unigram_nll": lines.unigram_mask,
        "corpus": prepared.tokens.fingerprint,
        "hardware": hardware.describe(),
        "runs": [],
    }
    for seed in range(args.seeds):
        report["runs"] += runs_of(seed, prepared, cost)
        if seed >= 2:  # three seeds are the least that is worth an interval
            report["paired"] = [
                paired(report["runs"], r, b) for b in ("steps", "flops") for r in RATES[1:]
            ]
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
