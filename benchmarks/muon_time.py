"""AdamW against Muon at equal *time*: held-out loss, and seconds and steps to the same loss.

Muon's step costs more (five more products for each matrix), so equal steps, as in
``optimisers.py``, flatter it. Here both get the same seconds of training, evaluation not counted.
The loss is that on
held-out targets shown as [MASK] (``nll``), where copying does not help; ``nll_all`` is over all.
First each tries three or four peak rates with one seed, then its best rate runs with further seeds,
the two in turns.

    python benchmarks/muon_time.py   # six minutes on two quiet cores; --quick: written nowhere

Prediction, written before the first run: on this model, whose matrices are small and whose head is
most of the work, Muon loses a tenth of the steps and still ends below AdamW; it reaches AdamW's
last loss in less than 0.8 of the time.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from course_lib.evaluation import evaluate
from course_lib.measuring import matrix_peak, seconds_to_reach, spread, write_record
from course_lib.objectives import MaskedLM
from course_lib.pretraining import Prepared, PretrainConfig, build_model, prepare
from course_lib.pretraining.judgement import lines_of
from course_lib.training import train

RATES = {"adamw": (1.5e-3, 3e-3, 6e-3, 1.2e-2), "muon": (6e-3, 1.2e-2, 2.4e-2)}
BASE = PretrainConfig(
    seconds=20.0,
    precision="fp32",
    evaluate_every=20,
    checkpoint_seconds=None,
    validation_tokens=20_000,
    warmup=0.1,
)


def one_run(prepared: Prepared, optimizer: str, lr: float, seed: int, seconds: float) -> dict:
    """Train for ``seconds``; the held-out curve."""
    config = replace(BASE, optimizer=optimizer, lr=lr, seed=seed, seconds=seconds)
    model = build_model(config, prepared)
    stream = replace(prepared.stream, seed=seed)
    objective = MaskedLM(prepared.tokenizer.mask_id)
    start = evaluate(model, objective, prepared.validation)
    run = train(
        model, objective, stream, config.training(), validation=prepared.validation, progress=False
    )
    points = [
        {
            "step": r["step"],
            "seconds": r["seconds"],
            "nll": r["validation_nll_mask"],
            "nll_all": r["validation_nll"],
        }
        for r in run.history
        if "validation_nll" in r
    ]
    first = {"step": 0, "seconds": 0.0, "nll": start.parts["mask"].nll, "nll_all": start.nll}
    curve = [first, *points]
    print(
        f"{optimizer} lr {lr:g} seed {seed}: {run.steps} steps, {curve[-1]['nll']:.3f}", flush=True
    )
    return {
        "optimizer": optimizer,
        "lr": lr,
        "seed": seed,
        "steps": run.steps,
        "nll": curve[-1]["nll"],
        "curve": curve,
    }


def main() -> None:
    """Sweep, take turns, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "muon_time.json"
    )
    args = parser.parse_args()
    prepared, seconds = prepare(BASE, progress=False), 0.5 if args.quick else BASE.seconds
    sweep = [
        one_run(prepared, name, lr, 100, seconds) for name, rates in RATES.items() for lr in rates
    ]
    best = {
        n: min((r for r in sweep if r["optimizer"] == n), key=lambda r: r["nll"])["lr"]
        for n in RATES
    }
    runs = [
        one_run(prepared, n, best[n], seed, seconds)
        for seed in range(1 if args.quick else 5)
        for n in RATES
    ]
    pairs = list(zip(runs[::2], runs[1::2], strict=True))  # (AdamW, Muon) of each seed
    reached = [seconds_to_reach(muon["curve"], adamw["nll"]) for adamw, muon in pairs]
    result = {
        "clock": "wall clock",
        "matrix_peak_flops": matrix_peak(),
        "seconds": seconds,
        **lines_of(prepared),
        "best_lr": best,
        "nll_difference": spread([muon["nll"] - adamw["nll"] for adamw, muon in pairs]),
        "steps": {n: spread([r["steps"] for r in runs if r["optimizer"] == n]) for n in RATES},
        "share_of_time_to_adamws_loss": [None if x is None else x / seconds for x in reached],
        "sweep": [{k: r[k] for k in ("optimizer", "lr", "steps", "nll")} for r in sweep],
        "runs": runs,
    }
    shown = ("best_lr", "nll_difference", "share_of_time_to_adamws_loss")
    print(json.dumps({k: result[k] for k in shown}))
    if not args.quick:
        write_record(args.out, result)


if __name__ == "__main__":
    main()
