"""On a GPU: ten minutes of pre-training on the embedded English text, its curve kept.

Ends with a clear word where there is no GPU.

    python benchmarks/gpu_pretrain.py            # writes benchmarks/results/gpu_pretrain.json
    python benchmarks/gpu_pretrain.py --quick    # two seconds, tiny, any machine; written nowhere

A model of 8 layers of width 512 on rows of 128, batch 256, 30 % masked, Muon at 0.01 beside AdamW
at 1e-3, ten minutes each: steps and seconds to the same held-out loss, on targets shown as [MASK].
NOT YET RUN on a GPU: none
was at hand when this was written.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch

from course_lib.measuring import matrix_peak, seconds_to_reach, write_record
from course_lib.objectives import MaskedLM
from course_lib.pretraining import Prepared, PretrainConfig, build_model, prepare
from course_lib.pretraining.judgement import lines_of
from course_lib.training import train

CONFIG = PretrainConfig(
    seconds=600.0,
    n_layers=8,
    d_model=512,
    n_heads=8,
    vocab_size=16_384,
    seq_len=128,
    batch_size=256,
    lr=1e-3,
    evaluate_every=200,
    checkpoint_seconds=None,
    compile=True,
)
QUICK = replace(
    CONFIG,
    seconds=2.0,
    n_layers=1,
    d_model=32,
    n_heads=2,
    vocab_size=4096,
    seq_len=32,
    batch_size=8,
    evaluate_every=10,
    validation_tokens=2000,
    compile=False,
)


def one_run(config: PretrainConfig, prepared: Prepared) -> dict:
    """Train with one optimiser, and keep the curve."""
    stream = replace(
        prepared.stream, targets=int(0.98 * config.mask.rate * config.batch_size * config.seq_len)
    )
    model = build_model(config, prepared)
    objective = MaskedLM(prepared.tokenizer.mask_id)
    run = train(model, objective, stream, config.training(), validation=prepared.validation)
    curve = [
        {
            "step": r["step"],
            "seconds": r["seconds"],
            "nll": r["validation_nll_mask"],
            "nll_all": r["validation_nll"],
        }
        for r in run.history
        if "validation_nll" in r
    ]
    return {
        "optimizer": config.optimizer,
        "lr": config.lr,
        "steps": run.steps,
        "seconds": run.seconds,
        "tokens_per_second": run.tokens_per_second,
        "curve": curve,
    }


def main() -> None:
    """Both optimisers, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "gpu_pretrain.json"
    )
    args = parser.parse_args()
    if not args.quick and not torch.cuda.is_available():
        print(
            "gpu_pretrain: there is no GPU here, nothing was measured; "
            "run it on Colab or a larger machine"
        )
        sys.exit(0)
    config = QUICK if args.quick else CONFIG
    prepared = prepare(config)
    runs = [
        one_run(replace(config, optimizer=name, lr=lr), prepared)
        for name, lr in (("adamw", 1e-3), ("muon", 1e-2))
    ]
    goal = runs[0]["curve"][-1]["nll"]
    result = {
        "clock": "wall clock",
        "config": asdict(config),
        **lines_of(prepared),
        "runs": runs,
        "muons_seconds_to_adamws_loss": seconds_to_reach(runs[1]["curve"], goal),
    }
    print(json.dumps([{**r, "curve": r["curve"][-1]} for r in runs]))
    if not args.quick:
        result["matrix_peak_flops"] = matrix_peak(torch.bfloat16, size=8192, device="cuda")
        write_record(args.out, result)


if __name__ == "__main__":
    main()
