"""The command line: ``python -m course_lib data | pretrain | evaluate | fill-mask``.

The options of ``pretrain`` are the fields of ``PretrainConfig`` and of its ``MaskPolicy``: a new
setting there is a new option here.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from course_lib import data
from course_lib.distributed import join
from course_lib.generation import fill_mask
from course_lib.masking import MaskPolicy
from course_lib.pretraining import PretrainConfig, judge, prepare, pretrain
from course_lib.pretraining.config import SHAPE
from course_lib.training import load_model
from course_lib.whole_files import read_json_object

KINDS = (int, float, str, bool)
HELP = {
    "corpus": "name, or your own file, folder or 'pattern' (default english)",
    "text": "field or column of your own text in .jsonl, .csv, .parquet (default text)",
    "init": "go on from the model in this folder, with its tokenizer and its shape",
}
# of a run's result; a loss on what is shown as [MASK] beside the line that needs no neighbour
PRINTED = (
    "unigram_nll_mask",
    "validation_nll_mask",
    "copying_nll",
    "validation_nll",
    "tokens_per_second",
    "steps",
    "seconds",
    "parameters",
)
BUDGET = {
    "seconds": "budget of training time (default 90)",
    "steps": "budget in steps: repeatable bit for bit on one machine",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m course_lib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("data", help="fetch and unpack all data, so that the rest works offline")
    train = commands.add_parser("pretrain", help="pre-train a masked language model")
    out = "folder for checkpoints, the model and result.json"
    train.add_argument("--out", type=Path, required=True, help=out)
    train.add_argument("--resume", action="store_true", help="go on from the newest checkpoint")
    shard = "cut the state over the workers that torchrun started (FSDP)"
    train.add_argument("--shard", action="store_true", help=shard)
    budget = train.add_mutually_exclusive_group()
    instead = {"mask": None, **dict.fromkeys(BUDGET, budget)}
    _add_fields(train, PretrainConfig, defaults=SHAPE, instead=instead)
    _add_fields(train, MaskPolicy, prefix="mask-", defaults=vars(PretrainConfig().mask))
    judge = commands.add_parser("evaluate", help="held-out loss of a trained model")
    judge.add_argument("folder", type=Path)
    fill = commands.add_parser("fill-mask", help="the likeliest tokens for each [MASK]")
    fill.add_argument("folder", type=Path)
    fill.add_argument("text")
    fill.add_argument("-k", type=int, default=5, help="how many guesses (default 5)")
    return parser


def _add_fields(
    parser: argparse.ArgumentParser,
    config: type,
    *,
    prefix: str = "",
    defaults: Mapping[str, Any] = {},
    instead: Mapping[str, Any] = {},
) -> None:
    """An option for each field of a configuration; what is not given stays out of the result.

    instead: by the name of a field, the group that gets its option, or ``None`` for no option.
    """
    hints = get_type_hints(config)
    for f in fields(config):
        where = instead.get(f.name, parser)
        if where is None:
            continue
        kinds = [kind for kind in get_args(hints[f.name]) or (hints[f.name],) if kind in KINDS]
        default = defaults.get(f.name, None if f.default is MISSING else f.default)
        more: dict[str, Any] = {"action": "store_true"} if bool in kinds else {"type": kinds[0]}
        if hints[f.name] == tuple[float, float]:
            more["nargs"] = 2
        where.add_argument(
            f"--{prefix}{f.name.replace('_', '-')}",
            default=argparse.SUPPRESS,
            help=(BUDGET | HELP).get(f.name, f"default {default}"),
            **more,
        )


def _config(args: argparse.Namespace) -> PretrainConfig:
    """The configuration that the options of ``pretrain`` describe."""
    given = vars(args)
    mask = {
        f.name: given[f"mask_{f.name}"] for f in fields(MaskPolicy) if f"mask_{f.name}" in given
    }
    values = {f.name: given[f.name] for f in fields(PretrainConfig) if f.name in given}
    if "steps" in values:
        values["seconds"] = None
    return PretrainConfig.of(values | {"mask": vars(PretrainConfig().mask) | mask})


def _pretrain(args: argparse.Namespace) -> None:
    config = _config(args)
    with join(sharded=args.shard) as workers:
        result = pretrain(config, args.out, resume=args.resume, workers=workers)
    if not workers.first:
        return
    print(json.dumps({name: result[name] for name in PRINTED if name in result}, indent=2))
    example = "'The [MASK] was released in 1999.'"
    print(f"Wrote {args.out / 'result.json'}.")
    print(f"Try: python -m course_lib fill-mask {args.out} {example}")


def _evaluate(args: argparse.Namespace) -> None:
    model, tokenizer = load_model(args.folder)
    result = read_json_object(args.folder / "result.json", config=dict)
    config = PretrainConfig.of(result["config"])
    # what a run went on from need not be there any more
    prepared = prepare(config, tokenizer=tokenizer if config.init else None)
    if prepared.tokenizer.fingerprint != tokenizer.fingerprint:
        raise ValueError(
            "the corpus in the cache is not the one this model was trained on: its tokenizer "
            "differs"
        )
    if result.get("text", prepared.tokens.fingerprint) != prepared.tokens.fingerprint:
        raise ValueError(
            f"the corpus {config.corpus!r} is not what it was when this model was trained on it: "
            "put the old text back, or train again"
        )
    print(json.dumps(judge(model, prepared), indent=2))


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
        # of several workers, all of which were stopped, one speaks
        if os.environ.get("RANK", "0") == "0":
            print(f"\n{stopped or 'interrupted'}", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError) as error:
        who = f" (worker {os.environ['RANK']})" if "RANK" in os.environ else ""
        print(f"error{who}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
