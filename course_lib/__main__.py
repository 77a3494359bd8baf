"""The command line: ``python -m course_lib data | pretrain | evaluate | fill-mask``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import fields
from pathlib import Path

from course_lib import data
from course_lib.distributed import join
from course_lib.evaluation import evaluate
from course_lib.generation import fill_mask
from course_lib.masking import MaskPolicy
from course_lib.objectives import MaskedLM
from course_lib.pretraining import PretrainConfig, prepare, pretrain
from course_lib.training import load_model


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m course_lib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("data", help="fetch and unpack all data, so that the rest works offline")
    train = commands.add_parser("pretrain", help="pre-train a masked language model")
    default = PretrainConfig()
    train.add_argument(
        "--out", type=Path, required=True, help="folder for checkpoints, the model and result.json"
    )
    train.add_argument("--resume", action="store_true", help="go on from the newest checkpoint in --out")
    budget = train.add_mutually_exclusive_group()
    budget.add_argument(
        "--seconds", type=float, help=f"budget of training time (default {default.seconds:g})"
    )
    budget.add_argument("--steps", type=int, help="budget in steps: repeatable bit for bit on one machine")
    for name, kind in [
        ("corpus", str), ("shape", str), ("kind", str), ("n-layers", int), ("d-model", int), ("n-heads", int),
        ("vocab-size", int), ("seq-len", int), ("batch-size", int), ("optimizer", str), ("lr", float), ("schedule", str),
        ("warmup", float), ("weight-decay", float), ("accumulation", int), ("precision", str), ("seed", int),
        ("evaluate-every", int), ("patience", int), ("checkpoint-every", int), ("checkpoint-seconds", float),
        ("validation-tokens", int),
    ]:  # fmt: skip
        value = getattr(default, name.replace("-", "_"))
        train.add_argument(f"--{name}", type=kind, default=value, help=f"default {value}")
    train.add_argument(
        "--mask-rate", type=float, default=default.mask.rate, help="share of tokens to predict"
    )
    train.add_argument("--mask-unit", default=default.mask.unit, help="token, word or span")
    train.add_argument(
        "--shard", action="store_true", help="cut the state over the workers that torchrun started (FSDP)"
    )
    train.add_argument("--compile", action="store_true", help="use torch.compile")
    train.add_argument("--tensorboard", action="store_true", help="also write TensorBoard events")
    judge = commands.add_parser("evaluate", help="held-out loss of a trained model")
    judge.add_argument("folder", type=Path)
    fill = commands.add_parser("fill-mask", help="the likeliest tokens for each [MASK]")
    fill.add_argument("folder", type=Path)
    fill.add_argument("text")
    fill.add_argument("-k", type=int, default=5, help="how many guesses (default 5)")
    return parser


def _pretrain(args: argparse.Namespace) -> None:
    given = {f.name: getattr(args, f.name) for f in fields(PretrainConfig) if hasattr(args, f.name)}
    if args.seconds is None and args.steps is None:
        given["seconds"] = PretrainConfig().seconds
    config = PretrainConfig(**given, mask=MaskPolicy(rate=args.mask_rate, unit=args.mask_unit))
    with join(sharded=args.shard) as workers:
        result = pretrain(config, args.out, resume=args.resume, workers=workers)
    if not workers.first:
        return
    shown = ("unigram_nll", "validation_nll", "tokens_per_second", "steps", "seconds", "parameters")
    print(json.dumps({name: result[name] for name in shown}, indent=2))
    print(
        f"Wrote {args.out / 'result.json'}. Try: python -m course_lib fill-mask {args.out} 'The [MASK] was released in 1999.'"
    )


def _evaluate(args: argparse.Namespace) -> None:
    model, tokenizer = load_model(args.folder)
    values = json.loads((args.folder / "result.json").read_text("utf-8"))["config"]
    config = PretrainConfig(**{**values, "mask": MaskPolicy(**values["mask"])})
    prepared = prepare(config)
    if prepared.tokenizer.fingerprint != tokenizer.fingerprint:
        raise ValueError(
            "the corpus in the cache is not the one this model was trained on: its tokenizer differs"
        )
    found = evaluate(model, MaskedLM(), prepared.validation)
    print(
        json.dumps(
            {"validation_nll": found.nll, "validation_accuracy": found.accuracy, "targets": found.count},
            indent=2,
        )
    )


def _fill_mask(args: argparse.Namespace) -> None:
    model, tokenizer = load_model(args.folder)
    for number, guesses in enumerate(fill_mask(model, tokenizer, args.text, args.k), 1):
        print(f"[MASK] {number}: " + ", ".join(f"{g.token} {g.probability:.1%}" for g in guesses))


def main(arguments: list[str] | None = None) -> int:
    """Run one command; errors of use and data are printed in one line. Returns the exit code."""
    args = _parser().parse_args(arguments)
    run = {
        "data": lambda _: data.fetch_all(),
        "pretrain": _pretrain,
        "evaluate": _evaluate,
        "fill-mask": _fill_mask,
    }
    try:
        run[args.command](args)
    except KeyboardInterrupt as stopped:
        if os.environ.get("RANK", "0") == "0":  # of several workers, all of which were stopped, one speaks
            print(f"\n{stopped or 'interrupted'}", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError) as error:
        who = f" (worker {os.environ['RANK']})" if "RANK" in os.environ else ""
        print(f"error{who}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
