"""bfloat16 beside float32: is the step faster, and does the model learn as much from it?

Equal first weights, equal batches, equal steps; the two take turns, seed after seed. Both are
judged in fp32 on the same held-out targets that are shown as [MASK], where copying does not help
(``nll_all``: over all targets). The difference of the losses is paired by seed.

    python benchmarks/precision.py            # --wall: wall clock, all cores
    python benchmarks/precision.py --quick    # a small one, written nowhere

Where the processor has no fast bfloat16 (``hardware.precision``) the record shows that it does not
pay.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch

from course_lib.encoder.costs import training_flops
from course_lib.measuring import choose_clock, matrix_peak, speedup, spread, write_record
from course_lib.objectives import MaskedLM
from course_lib.pretraining import Prepared, PretrainConfig, build_model, judge, prepare
from course_lib.pretraining.judgement import lines_of
from course_lib.training import train

BASE = PretrainConfig(
    seconds=None,
    steps=150,
    n_layers=4,
    d_model=256,
    n_heads=4,
    seq_len=128,
    batch_size=8,
    evaluate_every=None,
    checkpoint_seconds=None,
    validation_tokens=40_000,
)
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def one_run(prepared: Prepared, precision: str, seed: int, steps: int, clock) -> dict:
    """Seconds and held-out loss of one training."""
    config = replace(BASE, precision=precision, seed=seed, steps=steps)
    model = build_model(config, prepared)
    stream = replace(prepared.stream, seed=seed)
    started = clock()
    train(model, MaskedLM(), stream, config.training(), progress=False)
    seconds = clock() - started
    found = judge(model, prepared, precision="fp32")
    return {
        "seconds": seconds,
        "nll": found["validation_nll_mask"],
        "nll_all": found["validation_nll"],
    }


def main() -> None:
    """Take turns, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--wall", action="store_true", help="wall clock and all cores; needs a quiet machine"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "precision.json"
    )
    args = parser.parse_args()
    clock, clock_name = choose_clock(args.wall)
    prepared = prepare(BASE, progress=False)
    steps, seeds = (3, 1) if args.quick else (BASE.steps, 5)
    runs: dict[str, list[dict]] = {name: [] for name in DTYPES}
    for seed in range(seeds):
        for name in DTYPES:
            runs[name].append(one_run(prepared, name, seed, steps, clock))
    seconds = {name: [r["seconds"] for r in mine] for name, mine in runs.items()}
    nll = {name: [r["nll"] for r in mine] for name, mine in runs.items()}
    shape = dict(rows=BASE.batch_size, seq_len=BASE.seq_len)
    targets = round(BASE.mask.rate * BASE.batch_size * BASE.seq_len)
    encoder = BASE.encoder(prepared.tokenizer.vocab_size)
    flops = steps * training_flops(encoder, targets=targets, **shape)
    peaks = {name: matrix_peak(dtype, clock=clock) for name, dtype in DTYPES.items()}
    result = {
        "clock": clock_name,
        "steps": steps,
        "matrix_peak_flops": peaks,
        **lines_of(prepared),
        "nll": {name: spread(x) for name, x in nll.items()},
        "nll_all": {name: spread([r["nll_all"] for r in mine]) for name, mine in runs.items()},
        "nll_difference": spread([b - a for a, b in zip(nll["fp32"], nll["bf16"], strict=True)]),
        "speedup": speedup(seconds["fp32"], seconds["bf16"]),
        "share_of_peak": {n: spread([flops / s / peaks[n] for s in x]) for n, x in seconds.items()},
    }
    print(json.dumps({k: round(result[k]["median"], 4) for k in ("speedup", "nll_difference")}))
    if not args.quick:
        write_record(args.out, result)


if __name__ == "__main__":
    main()
