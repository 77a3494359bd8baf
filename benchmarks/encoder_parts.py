"""What makes the modern encoder better than BERT's? One thing is changed at a time, from each side.

Both encoders of this course, in the shape and with the recipe of chapter 09 at a fixed number of
steps, and each again with one of its parts exchanged for the other's: the place of the norm, the
positions, the first weights, the gate, the biases. Same text, same order, same masks, same rate;
the seeds draw the first weights and the order. Judged on held-out targets that are shown as
[MASK], where copying does not help. The budget is steps, so a busy machine changes nothing but the
waiting time.

    python benchmarks/encoder_parts.py   # writes benchmarks/results/encoder_parts.json, 30 minutes

The record is written after each run, and a run that stands in it is not made again. ``paired``
holds, for each part, the difference to the encoder from which it was changed, seed by seed, with
Student's 95 % interval; ten intervals stand there, so one in twenty of them would miss by chance.

Known before the run, from one seed of each: rotary positions and the first weights make most of
the difference, and the place of the norm little.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import torch

from course_lib import hardware
from course_lib.encoder import EncoderConfig
from course_lib.evaluation import seed_interval
from course_lib.objectives import MaskedLM
from course_lib.pretraining import Prepared, PretrainConfig, build_model, judge, prepare
from course_lib.training import train

BASE = PretrainConfig(
    steps=500,
    seconds=None,
    precision="fp32",
    evaluate_every=None,
    checkpoint_seconds=None,
    validation_tokens=50_000,
)
NARROW = BASE.d_model**-0.5
# arm: (the encoder it starts from, what is exchanged)
ARMS = {
    "BERT": ("bert", {}),
    "BERT, norm before": ("bert", {"norm": "pre"}),
    "BERT, rotary": ("bert", {"positions": "rotary"}),
    "BERT, first weights 1/√d": ("bert", {"init_std": NARROW}),
    "BERT, gated": ("bert", {"gated": True, "d_ff": 352}),
    "BERT, no biases": ("bert", {"bias": False}),
    "modern": ("modern", {}),
    "modern, norm after": ("modern", {"norm": "post"}),
    "modern, learned positions": ("modern", {"positions": "learned"}),
    "modern, first weights 0.02": ("modern", {"init_std": 0.02}),
    "modern, no gate": ("modern", {"gated": False, "d_ff": 512}),
    "modern, biases": ("modern", {"bias": True}),
}


def encoder_of(arm: str, config: PretrainConfig, vocab_size: int) -> EncoderConfig:
    """The encoder of an arm; no dropout, as in all of pre-training here."""
    shape, exchanged = ARMS[arm]
    return replace(replace(config, shape=shape).encoder(vocab_size), **exchanged)


def one_run(prepared: Prepared, arm: str, seed: int, config: PretrainConfig) -> dict:
    """Train one arm with one seed; what it is worth on the held-out batches."""
    config = replace(config, seed=seed)
    encoder = encoder_of(arm, config, prepared.tokenizer.vocab_size)
    model = build_model(config, prepared, encoder)
    stream = replace(prepared.stream, seed=seed)
    settings = config.training()
    train(model, MaskedLM(), stream, settings, device="cpu", progress=False)
    return {"arm": arm, "seed": seed, **judge(model, prepared, precision="fp32")}


def paired(runs: list[dict]) -> dict[str, dict]:
    """Each arm's difference to the encoder it starts from, in nats a target shown as [MASK]."""
    nll = {(run["arm"], run["seed"]): run["validation_nll_mask"] for run in runs}
    start = {"bert": "BERT", "modern": "modern"}
    found = {}
    for arm, (shape, exchanged) in ARMS.items():
        seeds = sorted(s for a, s in nll if a == arm and (start[shape], s) in nll)
        if exchanged and len(seeds) > 2:
            gaps = [nll[arm, seed] - nll[start[shape], seed] for seed in seeds]
            found[arm] = asdict(seed_interval(gaps)) | {"seeds": len(seeds)}
    return found


def main() -> None:
    """Go through the arms seed by seed, and write after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="two steps, written nowhere")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "encoder_parts.json"
    )
    args = parser.parse_args()
    config = replace(BASE, steps=2, validation_tokens=2000) if args.quick else BASE
    torch.set_num_threads(1)  # so small a model gains little from a second core
    prepared = prepare(config, progress=False)
    known = args.out.exists() and not args.quick
    report = json.loads(args.out.read_text("utf-8")) if known else {"runs": []}
    report |= {"config": asdict(config), "hardware": hardware.describe()}
    done = {(run["arm"], run["seed"]) for run in report["runs"]}
    for seed in range(1 if args.quick else args.seeds):
        for arm in ARMS:
            if (arm, seed) in done:
                continue
            report["runs"].append(one_run(prepared, arm, seed, config))
            print(arm, seed, round(report["runs"][-1]["validation_nll_mask"], 3), flush=True)
            report["paired"] = paired(report["runs"])
            if not args.quick:
                args.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
