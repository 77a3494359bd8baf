"""How soon does this course's loop reach what ``Trainer`` reaches in ten minutes, in held-out NLL?

Both sides are those of ``mlm_vs_trainer.py``, at their best settings: ours with the recipe of
``PretrainConfig``, theirs with the better of two peak rates, the two best of the sweep at ninety
seconds. Theirs gets ten minutes for each, ours an eighth of it, each with a schedule that spans its
own budget. Same text, same masks, same held-out tokens, and evaluation spends no budget on either
side. The goal is the loss on targets that are shown as [MASK]: the loss over all targets falls by
copying alone.

A third side tells what of the distance is the model and what the loop: ``Trainer`` with
``ModernBertForMaskedLM``, which has the architecture of ours and computes its head at the masked
positions only (``sparse_prediction``), for an eighth too.

    python benchmarks/time_to_quality.py                # twenty-three minutes on two cores
    python benchmarks/time_to_quality.py --quick        # seconds, written nowhere

Prediction, written before the first run: ours passes Trainer's last value within its eighth,
because a BERT of this size stays long near the unigram line (chapter 09). (It spoke of the loss
over all targets, by which the first record was judged.) ``seconds_to_reach`` is
read from ours by linear interpolation between two evaluations; ``None`` if it was not reached.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import torch
from mlm_vs_trainer import best_rate, run_ours, run_trainer
from transformers.utils import logging

from course_lib import hardware
from course_lib.measuring import matrix_peak, seconds_to_reach, write_record
from course_lib.pretraining import PretrainConfig, prepare
from course_lib.pretraining.judgement import lines_of

RESULTS = Path(__file__).parent / "results"


def on_mask(run: dict) -> list[dict]:
    """A run's curve on targets shown as [MASK], as ``seconds_to_reach`` reads it."""
    return [{"seconds": point["seconds"], "nll": point["nll_mask"]} for point in run["curve"]]


def main() -> None:
    """Run ours, then theirs, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=600.0, help="Trainer's budget (default 600)"
    )
    parser.add_argument(
        "--rates", type=float, nargs="+", default=[1e-3, 3e-3], help="Trainer's peak rates"
    )
    parser.add_argument(
        "--quick", action="store_true", help="16 seconds for Trainer, written nowhere"
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "time_to_quality.json")
    args = parser.parse_args()
    logging.set_verbosity_error()
    budget = 16.0 if args.quick else args.seconds
    config = PretrainConfig(seconds=budget)
    prepared = prepare(config, progress=False)
    rates = [args.rates[-1]] if args.quick else args.rates
    bf16 = hardware.precision() == "bf16"
    with tempfile.TemporaryDirectory() as folder:
        short = replace(config, seconds=budget / 8)
        ours = run_ours(short, prepared, 0, "course_lib")
        modern = run_trainer(short, prepared, config.lr, 0, folder, shape="modern")
        sweep = [run_trainer(config, prepared, lr, 0, folder) for lr in rates]
    theirs = next(run for run in sweep if run["lr"] == best_rate(sweep))
    goal = theirs["validation_nll_mask"]
    seconds, modern_seconds = (seconds_to_reach(on_mask(run), goal) for run in (ours, modern))
    result = {
        "clock": "wall clock",
        "matrix_peak_flops": matrix_peak(torch.bfloat16 if bf16 else torch.float32),
        "config": asdict(config),
        **lines_of(prepared),
        "runs": [ours, theirs],
        "goal_nll": theirs["validation_nll"],
        "goal_nll_mask": goal,
        "seconds_to_reach": seconds,
        "sweep": {f"{run['lr']:g}": run["validation_nll_mask"] for run in sweep},
        "times_faster": None if seconds is None else theirs["seconds"] / seconds,
        "modern": modern,
        "modern_seconds_to_reach": modern_seconds,
    }
    shown = (
        "unigram_nll_mask",
        "goal_nll_mask",
        "sweep",
        "seconds_to_reach",
        "modern_seconds_to_reach",
        "times_faster",
    )
    print(json.dumps({k: result[k] for k in shown}))
    if not args.quick:
        write_record(args.out, result)


if __name__ == "__main__":
    main()
