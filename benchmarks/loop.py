"""What the loop costs beside the work, what a checkpoint holds up, and how long seeking takes.

* ``overhead``: a step of ``train`` beside the bare sequence batch, forward, backward, clip, AdamW,
  on the same batches. What ``train`` adds: schedule, window, checks for NaN, progress bar, a log
  line every 20 steps.
* ``checkpoint``: seconds for which ``CheckpointWriter.save`` holds the training up, beside those
  that the writing takes.
* ``seek``: the batch of step 100 000 beside the batch of step 0, from a stream that was just
  opened.

    python benchmarks/loop.py            # --wall: wall clock, all cores
    python benchmarks/loop.py --quick    # a small one, written nowhere
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from course_lib.hardware import autocast
from course_lib.measuring import (
    choose_clock,
    matrix_peak,
    speedup,
    spread,
    take_turns,
    write_record,
)
from course_lib.objectives import MaskedLM
from course_lib.optimisation import adamw
from course_lib.pretraining import Prepared, PretrainConfig, build_model, prepare
from course_lib.training import TrainConfig, train
from course_lib.training.checkpoint import save_checkpoint
from course_lib.training.checkpoint_writer import CheckpointWriter

CONFIG = PretrainConfig(precision="fp32", evaluate_every=None, checkpoint_seconds=None)


def bare(model, prepared: Prepared, steps: int):
    """The sequence and nothing else, as a function."""
    optimizer, objective = adamw(model, lr=1e-4, weight_decay=0.01), MaskedLM()

    def run() -> None:
        for step in range(steps):
            with autocast(torch.device("cpu"), CONFIG.precision):
                loss = objective(model, prepared.stream.batch(step))
            (loss.total / loss.count).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return run


def overhead(prepared: Prepared, steps: int, repeats: int, clock) -> dict:
    """Both over the same steps; the difference as a share of the bare one."""
    settings = TrainConfig(steps=steps, lr=1e-4, precision=CONFIG.precision)
    model = build_model(CONFIG, prepared)
    sides = {
        "bare": bare(build_model(CONFIG, prepared), prepared, steps),
        "train": lambda: train(model, MaskedLM(), prepared.stream, settings, progress=False),
    }
    seconds = take_turns(sides, repeats=repeats, clock=clock)
    ratio = speedup(seconds["train"], seconds["bare"])
    return {
        "steps": steps,
        "milliseconds_a_step": {
            k: spread([1000 * s / steps for s in v]) for k, v in seconds.items()
        },
        "share": spread([x - 1 for x in ratio["all"]]),
    }


def holding_up(parameters: int, repeats: int) -> dict:
    """Seconds of ``save`` itself, and of writing, by the wall's clock.

    The state has ``parameters`` weights with two moments each.
    """
    tensors = {name: torch.randn(parameters) for name in ("weights", "exp_avg", "exp_avg_sq")}
    held, written = [], []
    with tempfile.TemporaryDirectory() as folder:
        writer = CheckpointWriter()
        for step in range(repeats + 1):
            started = time.perf_counter()
            writer.save(folder, step, tensors, {})
            held.append(time.perf_counter() - started)
            writer.wait()
            started = time.perf_counter()
            save_checkpoint(folder, 1000 + step, tensors, {})
            written.append(time.perf_counter() - started)
    return {
        "parameters": parameters,
        "held_up": spread(held[1:]),
        "in_the_foreground": spread(written[1:]),
    }


def seeking(prepared: Prepared, repeats: int, clock) -> dict:
    """Seconds to the first batch of a stream that is resumed at a step."""
    sides = {
        f"step {n}": lambda n=n: replace(prepared.stream, seed=1).batch(n) for n in (0, 100_000)
    }
    return {k: spread(v) for k, v in take_turns(sides, repeats=repeats, clock=clock).items()}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--wall", action="store_true", help="wall clock and all cores; needs a quiet machine"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "loop.json")
    args = parser.parse_args()
    clock, clock_name = choose_clock(args.wall)
    prepared = prepare(CONFIG, progress=False)
    repeats = 1 if args.quick else 7
    result = {
        "clock": clock_name,
        "matrix_peak_flops": matrix_peak(clock=clock),
        "overhead": overhead(prepared, 5 if args.quick else 40, repeats, clock),
        "checkpoint": holding_up(100_000 if args.quick else 10_000_000, repeats),
        "seek": seeking(prepared, repeats, clock),
    }
    shown = {
        "overhead": result["overhead"]["share"]["median"],
        "held up": result["checkpoint"]["held_up"]["median"],
        "foreground": result["checkpoint"]["in_the_foreground"]["median"],
        "seek": {k: v["median"] for k, v in result["seek"].items()},
    }
    print(json.dumps(shown))
    if not args.quick:
        write_record(args.out, result)


if __name__ == "__main__":
    main()
