"""Preparing text: on one core and on all, once and from the cache, and a corpus of a gigabyte.

* ``cores``: encoding the same 8 MB of the embedded corpus with one thread of the tokenizer and with
  all, in turns, each in a process of its own (wall clock: the question is what a user waits).
* ``large``: a synthetic corpus of 1 GB (paragraphs of the embedded one, drawn at random with a
  seed, never all in memory) is encoded to disk, opened again from the cache, and streamed: 300
  shuffled, masked batches from all over it. ``resident_bytes`` is the most memory that the process
  ever held, PyTorch included.

    python benchmarks/preparation.py            # about four minutes on two quiet cores
    python benchmarks/preparation.py --quick    # 10 MB, written nowhere
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from course_lib.batches import MLMStream, encode_corpus
from course_lib.data import load_corpus
from course_lib.measuring import (
    matrix_peak,
    resident_bytes,
    speedup,
    spread,
    take_turns,
    write_record,
)
from course_lib.pretraining import PretrainConfig, prepare


def synthetic(megabytes: int, seed: int = 0) -> Iterator[str]:
    """Documents of some 2 000 characters, together ``megabytes`` million characters."""
    texts = load_corpus("english", progress=False).texts("train")
    paragraphs = [p for text in texts for p in text.split("\n") if p.strip()]
    rng, left = random.Random(seed), megabytes * 1_000_000
    while left > 0:
        parts: list[str] = []
        while sum(map(len, parts)) < 2000:
            parts.append(rng.choice(paragraphs))
        document = "\n".join(parts)
        left -= len(document)
        yield document


def encode_only(megabytes: int) -> float:
    """Seconds to encode a synthetic corpus that is made beforehand."""
    tokenizer = prepare(PretrainConfig(), progress=False).tokenizer
    documents = list(synthetic(megabytes))
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        encode_corpus(documents, tokenizer, Path(folder) / "x", progress=False)
        return time.perf_counter() - started


def large(megabytes: int) -> dict:
    """Encode, open again, stream; what it takes in seconds and in memory."""
    tokenizer = prepare(PretrainConfig(), progress=False).tokenizer
    with tempfile.TemporaryDirectory() as folder:
        path, key = Path(folder) / "large", f"synthetic-{megabytes}-0"
        started = time.perf_counter()
        tokens = encode_corpus(synthetic(megabytes), tokenizer, path, fingerprint=key)
        seconds, prepared = time.perf_counter() - started, resident_bytes()[1]
        started = time.perf_counter()
        tokens = encode_corpus(iter(()), tokenizer, path, fingerprint=key)  # not even read again
        again = time.perf_counter() - started
        stream = MLMStream(tokens, tokenizer, seq_len=128, batch_size=64)
        started = time.perf_counter()
        for step in range(0, 300_000, 1000):
            stream.batch(step)
        return {
            "megabytes": megabytes,
            "tokens": len(tokens),
            "seconds": seconds,
            "seconds_from_the_cache": again,
            "milliseconds_a_batch": (time.perf_counter() - started) / 300 * 1000,
            "resident_bytes": {"prepared": prepared, "streamed": resident_bytes()[1]},
        }


def in_a_process(*arguments: str, threads: int) -> dict | float:
    """Run this file with ``arguments`` and so many threads of the tokenizer; what it prints."""
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true"}
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(done.stdout)


def measure_cores(megabytes: int, repeats: int) -> dict:
    """One thread and all, in turns."""
    cores = os.cpu_count() or 1
    sides = {
        name: lambda n=n: in_a_process("--part", "encode", str(megabytes), threads=n)
        for name, n in (("one", 1), ("all", cores))
    }
    seconds = take_turns(sides, repeats=repeats)
    return {
        "megabytes": megabytes,
        "matrix_peak_flops": matrix_peak(),
        "seconds": {k: spread(v) for k, v in seconds.items()},
        "speedup": speedup(seconds["one"], seconds["all"]),
    }


def main() -> None:
    """Measure and write; with ``--only`` the other part stays as it was recorded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=("cores", "large"))
    parser.add_argument(
        "--megabytes", type=int, default=1000, help="size of the large corpus (default 1000)"
    )
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "preparation.json"
    )
    args = parser.parse_args()
    if args.part:
        print(json.dumps({"large": large, "encode": encode_only}[args.part[0]](int(args.part[1]))))
        return
    kept = json.loads(args.out.read_text("utf-8")) if args.only and args.out.exists() else {}
    result = {k: kept[k] for k in ("cores", "large") if k in kept} | {"clock": "wall clock"}
    if args.only != "large":
        result["cores"] = measure_cores(2 if args.quick else 8, 1 if args.quick else 5)
    if args.only != "cores":
        threads = os.cpu_count() or 1
        result["large"] = in_a_process(
            "--part", "large", "10" if args.quick else str(args.megabytes), threads=threads
        )
    print(json.dumps({**result, "cores": result.get("cores", {}).get("speedup")}, indent=1))
    if not args.quick:
        write_record(args.out, result)


if __name__ == "__main__":
    main()
