"""How long does this course's loop take to reach what ``Trainer`` reaches in ten minutes? Held-out NLL against seconds.

Both sides are those of ``mlm_vs_trainer.py``, at their best settings: ours with the recipe of ``PretrainConfig``, theirs
with the best peak rate of the recorded sweep. Theirs gets ten minutes, ours an eighth of it, each with a schedule that
spans its own budget. Same text, same masks, same held-out tokens, and evaluation spends no budget on either side.

    python benchmarks/time_to_quality.py                # eleven and a half minutes on two cores
    python benchmarks/time_to_quality.py --quick        # seconds, written nowhere

Prediction, written before the first run: ours passes Trainer's last value within its eighth, because a BERT of this size
stays long near the unigram line (chapter 09). ``seconds_to_reach`` is read from ours by linear interpolation between two
evaluations; ``None`` if it was not reached.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import torch
from mlm_vs_trainer import run_ours, run_trainer
from transformers.utils import logging

from course_lib import hardware
from course_lib.evaluation import unigram_nll
from course_lib.measuring import matrix_peak, seconds_to_reach, write_record
from course_lib.pretraining import PretrainConfig, prepare

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run ours, then theirs, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="Trainer's budget (default 600)")
    parser.add_argument("--quick", action="store_true", help="16 seconds for Trainer, written nowhere")
    parser.add_argument("--out", type=Path, default=RESULTS / "time_to_quality.json")
    args = parser.parse_args()
    logging.set_verbosity_error()
    budget = 16.0 if args.quick else args.seconds
    config = PretrainConfig(seconds=budget)
    prepared = prepare(config, progress=False)
    lr = json.loads((RESULTS / "mlm_vs_trainer.json").read_text("utf-8"))["best_lr_of_trainer"]
    bf16 = hardware.precision() == "bf16"
    with tempfile.TemporaryDirectory() as folder:
        ours = run_ours(replace(config, seconds=budget / 8), prepared, 0, "course_lib")
        theirs = run_trainer(config, prepared, lr, 0, folder)
    goal = theirs["validation_nll"]
    seconds = seconds_to_reach(ours["curve"], goal)
    tokenizer = prepared.tokenizer
    result = {
        "clock": "wall clock", "matrix_peak_flops": matrix_peak(torch.bfloat16 if bf16 else torch.float32), "config": asdict(config),
        "unigram_nll": unigram_nll(
            prepared.tokens.tokens, prepared.validation, tokenizer.vocab_size, tokenizer.special_ids
        ),
        "runs": [ours, theirs], "goal_nll": goal, "seconds_to_reach": seconds,
        "times_faster": None if seconds is None else theirs["seconds"] / seconds,
    }  # fmt: skip
    print(json.dumps({k: result[k] for k in ("unigram_nll", "goal_nll", "seconds_to_reach", "times_faster")}))
    if not args.quick:
        write_record(args.out, result)


if __name__ == "__main__":
    main()
