"""On a GPU: ten minutes of pre-training on the embedded English text, its curve kept. Ends with a clear word without one.

    python benchmarks/gpu_pretrain.py            # writes benchmarks/results/gpu_pretrain.json

A model of 8 layers of width 512 on rows of 128, batch 256, 30 % masked, Muon at 0.01 beside AdamW at 1e-3, ten minutes
each: steps and seconds to the same held-out loss. NOT YET RUN: no GPU was at hand when this was written.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch

from course_lib.measuring import matrix_peak, write_record
from course_lib.objectives import MaskedLM
from course_lib.pretraining import PretrainConfig, build_model, prepare
from course_lib.training import train

CONFIG = PretrainConfig(
    seconds=600.0, n_layers=8, d_model=512, n_heads=8, vocab_size=16_384, seq_len=128, batch_size=256, lr=1e-3,
    evaluate_every=200, checkpoint_seconds=None, compile=True,
)  # fmt: skip


def main() -> None:
    """Both optimisers, one after the other."""
    if not torch.cuda.is_available():
        print("gpu_pretrain: there is no GPU here, nothing was measured; run it on Colab or a larger machine")
        sys.exit(0)
    prepared, runs = prepare(CONFIG), []
    stream = replace(prepared.stream, targets=int(0.98 * 0.3 * CONFIG.batch_size * CONFIG.seq_len))
    for optimizer, lr in (("adamw", 1e-3), ("muon", 1e-2)):
        config = replace(CONFIG, optimizer=optimizer, lr=lr)
        model = build_model(config, prepared)
        run = train(model, MaskedLM(), stream, config.training(), validation=prepared.validation)
        curve = [(r["step"], r["seconds"], r["validation_nll"]) for r in run.history if "validation_nll" in r]
        runs.append({"optimizer": optimizer, "lr": lr, "steps": run.steps, "tokens_per_second": run.tokens_per_second,
                     "curve": curve})  # fmt: skip
        print(json.dumps({**runs[-1], "curve": curve[-1]}), flush=True)
    peak = matrix_peak(torch.bfloat16, size=8192, device="cuda")
    result = {"config": asdict(CONFIG), "matrix_peak_flops": peak, "runs": runs}
    write_record(Path(__file__).parent / "results" / "gpu_pretrain.json", result)


if __name__ == "__main__":
    main()
