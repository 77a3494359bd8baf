"""Collation: ragged rows into a masked batch, ours beside ``DataCollatorForLanguageModeling``.

Both get the same rows, as Python lists of ids: paragraphs of the embedded corpus, drawn at random,
cut at 512 tokens, 64 rows a batch, padded to the longest. Theirs has its best settings: fast
tokenizer, ``special_tokens_mask`` precomputed, PyTorch tensors. Measured in tokens of text (padding
does not count):

* ``collate``: the whole way, rows to batch; ours also from rows that are NumPy arrays, as this
  course stores them;
* ``kernel``: the masking alone, of batches that are padded already (theirs: ``torch_mask_tokens``);
* ``units``: masking whole words and spans beside masking tokens, and whole words beside the
  library's ``whole_word_mask``, both from tables that are padded already, because its collator
  can't pad the offsets it needs. Padding holds no words, so the units are compared in rows that are
  packed full as well.

    python benchmarks/collation.py            # --wall: wall clock, all cores
    python benchmarks/collation.py --quick    # a small one, written nowhere
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
import torch
from transformers import DataCollatorForLanguageModeling
from transformers.utils import logging

from course_lib.batches import collate, pad_rows
from course_lib.data import load_corpus
from course_lib.masking import MaskPolicy, mask_tokens
from course_lib.measuring import (
    choose_clock,
    matrix_peak,
    speedup,
    spread,
    take_turns,
    write_record,
)
from course_lib.pretraining import PretrainConfig, prepare

ROWS, WIDTH, RATE = 64, 512, 0.15


def paragraphs(n: int, seed: int = 0):
    """The tokenizer, and n paragraphs cut at WIDTH tokens: lists of ids, of places in the text."""
    tokenizer = prepare(PretrainConfig(), progress=False).tokenizer
    texts = [
        p
        for x in load_corpus("english", progress=False).texts("train")
        for p in x.split("\n")
        if p.strip()
    ]
    chosen = np.random.default_rng(seed).choice(len(texts), n, replace=False)
    encoded = tokenizer.backend.encode_batch([texts[i] for i in chosen])
    return tokenizer, [e.ids[:WIDTH] for e in encoded], [e.offsets[:WIDTH] for e in encoded]


def packed_rows(rows: list[list[int]]) -> list[torch.Tensor]:
    """The same tokens one after the other, in full tables of ROWS x WIDTH; a rest is left out."""
    flat = torch.tensor([i for row in rows for i in row])
    n = len(flat) // (ROWS * WIDTH) * ROWS * WIDTH
    return list(flat[:n].view(-1, ROWS, WIDTH)) or [flat[None]]


def pad_offsets(offsets: list[list[tuple[int, int]]]) -> np.ndarray:
    """Where each token lies in its text, (b, t, 2), 0 on padding.

    The library tells words by gaps between them.
    """
    width = max(map(len, offsets))
    return np.array([row + [(0, 0)] * (width - len(row)) for row in offsets])


def library(tokenizer, **options):
    """Their collator, with nothing left to do that could be done before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fast = tokenizer.to_transformers()
        return DataCollatorForLanguageModeling(
            fast, mlm_probability=RATE, return_tensors="pt", **options
        )


def our_masking(tokenizer, unit: str):
    """The masking kernel for one unit: a function of a table of ids."""
    policy, generator = MaskPolicy(rate=RATE, unit=unit), torch.Generator().manual_seed(0)
    tables = dict(special_mask=tokenizer.special_mask, word_start_mask=tokenizer.word_start_mask)
    sizes = dict(mask_id=tokenizer.mask_id, vocab_size=tokenizer.vocab_size)
    return lambda ids: mask_tokens(ids, policy, generator=generator, **sizes, **tables)


def main() -> None:
    """Let the sides take turns, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "collation.json"
    )
    parser.add_argument(
        "--wall", action="store_true", help="wall clock and all cores; needs a quiet machine"
    )
    args = parser.parse_args()
    clock, clock_name = choose_clock(args.wall)
    logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    tokenizer, rows, offsets = paragraphs(256 if args.quick else 2048)
    n_tokens = sum(map(len, rows))
    special = set(tokenizer.special_ids)
    batches = [rows[i : i + ROWS] for i in range(0, len(rows), ROWS)]
    arrays = [[np.array(r, dtype=np.uint16) for r in b] for b in batches]
    features = [
        [{"input_ids": r, "special_tokens_mask": [int(i in special) for i in r]} for r in b]
        for b in batches
    ]
    padded = [pad_rows(b, tokenizer.pad_id)[0] for b in batches]
    masks = [tokenizer.special_mask[ids] for ids in padded]
    generator, policy = torch.Generator().manual_seed(0), MaskPolicy(rate=RATE)
    token, word = library(tokenizer), library(tokenizer, whole_word_mask=True)
    units = {unit: our_masking(tokenizer, unit) for unit in ("token", "word", "span")}
    packed = packed_rows(rows)
    n_packed = sum(ids.numel() for ids in packed)
    places = [pad_offsets(offsets[i : i + ROWS]) for i in range(0, len(rows), ROWS)]
    sides = {
        "theirs": lambda: [token(list(b)) for b in features],
        "ours": lambda: [collate(b, tokenizer, policy, generator=generator) for b in batches],
        "ours, arrays": lambda: [
            collate(b, tokenizer, policy, generator=generator) for b in arrays
        ],
        "theirs, kernel": lambda: [
            token.torch_mask_tokens(i.clone(), m) for i, m in zip(padded, masks)
        ],
        **{f"ours, kernel, {u}": lambda f=f: [f(ids) for ids in padded] for u, f in units.items()},
        **{f"ours, packed, {u}": lambda f=f: [f(ids) for ids in packed] for u, f in units.items()},
        "theirs, whole words": lambda: [
            word.torch_mask_tokens(i.clone(), m, o) for i, m, o in zip(padded, masks, places)
        ],
    }
    seconds = take_turns(sides, repeats=1 if args.quick else 15, clock=clock)
    kernel, full = (
        {unit: seconds[f"ours, {where}, {unit}"] for unit in units}
        for where in ("kernel", "packed")
    )
    result = {
        "clock": clock_name,
        "matrix_peak_flops": matrix_peak(clock=clock),
        "rows": len(rows),
        "tokens": n_tokens,
        "rows_in_a_batch": ROWS,
        "width": WIDTH,
        "rate": RATE,
        "padding_share": 1 - n_tokens / sum(p.numel() for p in padded),
        "tokens_per_second": {
            name: spread([(n_packed if ", packed" in name else n_tokens) / s for s in x])
            for name, x in seconds.items()
        },
        "ratios": {
            "collate": speedup(seconds["theirs"], seconds["ours"]),
            "collate, arrays": speedup(seconds["theirs"], seconds["ours, arrays"]),
            "kernel": speedup(seconds["theirs, kernel"], kernel["token"]),
            "cost of word to token": speedup(kernel["word"], kernel["token"]),
            "cost of span to token": speedup(kernel["span"], kernel["token"]),
            "cost of word to token, packed": speedup(full["word"], full["token"]),
            "cost of span to token, packed": speedup(full["span"], full["token"]),
            "whole words": speedup(seconds["theirs, whole words"], kernel["word"]),
        },
    }
    print(json.dumps({k: round(v["median"], 2) for k, v in result["ratios"].items()}, indent=1))
    if not args.quick:
        write_record(args.out, result)


if __name__ == "__main__":
    main()
