"""Packing: seconds that a plan takes, and tokens per second of packed rows beside pad-to-longest.

The plan is for lengths drawn from a log-normal law. The speed is that of forward and backward of
one encoder, in fp32, over the same texts of the embedded corpus: whole documents that fit into a
row, and single paragraphs, drawn at random as training draws them. Either each batch is padded to
its longest text, or the texts are packed by the plan, with attention kept inside each of them. Both
batches have the same number of rows; a token of padding does not count. The two take turns, and
each repeat goes through the whole list. Sorting texts by length would help padding, and make the
batches less alike; it is not done.

    python benchmarks/packing.py            # --wall: wall clock, all cores
    python benchmarks/packing.py --quick    # a small one, written nowhere
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from course_lib.batches import lay_out, plan_rows
from course_lib.data import load_corpus
from course_lib.encoder import Encoder, EncoderConfig
from course_lib.measuring import (
    Clock,
    choose_clock,
    matrix_peak,
    speedup,
    spread,
    take_turns,
    write_record,
)
from course_lib.pretraining import PretrainConfig, prepare

WIDTH, ROWS = 512, 16


def lengths_of(n: int, mean: float, seed: int = 0) -> np.ndarray:
    """n lengths, log-normal around exp(mean), at least 3."""
    return np.random.default_rng(seed).lognormal(mean, 0.9, n).astype(int).clip(3)


def drawn(unit: str, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """n random texts that fit into a row: joined ids, where each begins, lengths, vocabulary."""
    tokenizer = prepare(PretrainConfig(), progress=False).tokenizer
    texts = list(load_corpus("english", progress=False).texts("train"))
    if unit == "paragraphs":
        texts = [p for text in texts for p in text.split("\n") if p.strip()]
    order = np.random.default_rng(0).permutation(len(texts))[: 4 * n]
    encoded = tokenizer.encode_batch([texts[i] for i in order])
    encoded = [ids for ids in encoded if len(ids) <= WIDTH][:n]
    lengths = np.array([len(ids) for ids in encoded])
    return np.concatenate(encoded), np.cumsum(lengths) - lengths, lengths, tokenizer.vocab_size


def plan_record(n: int, repeats: int, clock: Clock) -> dict:
    """Time the plan of n lengths for rows of WIDTH; no document may be lost."""
    lengths, plans = lengths_of(n, 4.0), []
    seconds = take_turns(
        {"plan": lambda: plans.append(plan_rows(lengths, WIDTH))}, repeats=repeats, clock=clock
    )
    assert plans[-1].length.sum() == lengths.sum()
    return {"n": n, "seconds": spread(seconds["plan"]), "utilisation": plans[-1].utilisation}


def padded(tokens: np.ndarray, first: np.ndarray, lengths: np.ndarray) -> list[tuple]:
    """Batches of ROWS documents, each padded to its own longest."""
    batches = []
    for at in range(0, len(lengths), ROWS):
        mine = lengths[at : at + ROWS, None]
        column = np.arange(mine.max())
        inside = column < mine
        source = np.minimum(first[at : at + ROWS, None] + column, len(tokens) - 1)
        ids = np.where(inside, tokens[source], 0)
        place = np.broadcast_to(column, ids.shape).copy()
        batches.append(tuple(map(torch.from_numpy, (ids, inside.astype(np.int64), place))))
    return batches


def packed(tokens: np.ndarray, first: np.ndarray, lengths: np.ndarray) -> list[tuple]:
    """Batches of ROWS rows of the plan."""
    arrays = [torch.from_numpy(x) for x in lay_out(tokens, first, plan_rows(lengths, WIDTH), 0)]
    return list(zip(*(x.split(ROWS) for x in arrays)))


def work(encoder: Encoder, batches: list[tuple]) -> None:
    """Forward and backward over all batches."""
    for ids, segment, place in batches:
        encoder(ids, segment_ids=segment, position_ids=place).sum().backward()


def compare(unit: str, n: int, repeats: int, clock: Clock) -> dict:
    """Both ways over n texts."""
    torch.manual_seed(0)
    tokens, first, lengths, vocab_size = drawn(unit, n)
    shape = dict(n_layers=2, d_model=192, n_heads=3)
    encoder = Encoder(EncoderConfig.modern(vocab_size=vocab_size, **shape))
    sides = {"padded": padded(tokens, first, lengths), "packed": packed(tokens, first, lengths)}
    calls = {name: lambda b=b: work(encoder, b) for name, b in sides.items()}
    seconds = take_turns(calls, repeats=repeats, clock=clock)
    total = int(lengths.sum())
    return {
        "n": n,
        "tokens": total,
        "lengths": {"mean": float(lengths.mean()), "median": float(np.median(lengths))},
        "share_of_text": {k: total / sum(x[0].numel() for x in b) for k, b in sides.items()},
        "tokens_per_second": {k: spread([total / s for s in v]) for k, v in seconds.items()},
        "speedup": speedup(seconds["padded"], seconds["packed"]),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--wall", action="store_true", help="wall clock and all cores; needs a quiet machine"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "packing.json"
    )
    args = parser.parse_args()
    clock, clock_name = choose_clock(args.wall)
    repeats = 1 if args.quick else 5
    sizes = {"documents": 16 if args.quick else 96, "paragraphs": 32 if args.quick else 192}
    result = {
        "clock": clock_name,
        "matrix_peak_flops": matrix_peak(clock=clock),
        "plan": plan_record(10_000 if args.quick else 1_000_000, repeats, clock),
        **{unit: compare(unit, n, repeats, clock) for unit, n in sizes.items()},
    }
    print(json.dumps({unit: round(result[unit]["speedup"]["median"], 2) for unit in sizes}))
    if not args.quick:
        write_record(args.out, result)


if __name__ == "__main__":
    main()
