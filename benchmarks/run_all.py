"""Run the benchmarks again, and lay what they find beside the records. ``make bench`` calls this.

    python benchmarks/run_all.py                  # what is timed: an hour and a half, two cores
    python benchmarks/run_all.py collation step   # these only
    python benchmarks/run_all.py --experiments    # what is not timed (accuracies, losses): hours
    python benchmarks/run_all.py --record         # into benchmarks/results, over what is there

Without ``--record`` the records stay as they are, and the new ones go to ``_build/bench``. A
benchmark that fails is named at the end, and the others run all the same. Close everything else
first: most are timed by the wall's clock.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from claims import RESULTS, table

HERE = Path(__file__).parent
AGAIN = HERE.parent / "_build" / "bench"
# name: (arguments, whether --out is a file or the folder), in order of their length
TIMED = {
    "collation": (["--wall"], "file"),
    "loop": ([], "file"),  # a difference of a hundredth: the processor's clock is the steadier one
    "packing": (["--wall"], "file"),
    "step": (["--wall"], "file"),
    "precision": (["--wall"], "file"),
    "preparation": ([], "file"),
    "peft_methods costs": (["--wall"], "folder"),
    "peft_methods memory": ([], "folder"),
    "muon_time": ([], "file"),
    "time_to_quality": ([], "file"),
    "mlm_vs_trainer": ([], "file"),
    "gpu_step": ([], "folder"),
    "gpu_pretrain": ([], "file"),
}
EXPERIMENTS = {
    "warmup": ([], "file"),
    "encoder_parts": ([], "file"),
    "forgetting": ([], "file"),
    "mask_rate": ([], "file"),
    "word_order": ([], "file"),
    "finetuning": ([], "file"),
    "peft_methods quality": ([], "folder"),
    "peft_methods sweep": ([], "folder"),
}


def command(name: str, folder: Path) -> list[str]:
    """How a benchmark is called so that it writes into ``folder``."""
    options, kind = (TIMED | EXPERIMENTS)[name]
    script, *part = name.split()
    out = folder if kind == "folder" else folder / f"{script}.json"
    return [sys.executable, str(HERE / f"{script}.py"), *part, *options, "--out", str(out)]


def main() -> None:
    """Run them one after the other, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "names",
        nargs="*",
        help="benchmarks, by the names of their scripts (default: all that are timed)",
    )
    parser.add_argument("--experiments", action="store_true", help="those that are not timed")
    parser.add_argument(
        "--record", action="store_true", help="replace the records in benchmarks/results"
    )
    args = parser.parse_args()
    known = TIMED | EXPERIMENTS
    chosen = (
        [n for n in known if n.split()[0] in args.names]
        if args.names
        else list(EXPERIMENTS if args.experiments else TIMED)
    )
    if unknown := set(args.names) - {n.split()[0] for n in known}:
        parser.error(
            f"no benchmark {', '.join(sorted(unknown))}: choose from "
            f"{', '.join(sorted({n.split()[0] for n in known}))}"
        )
    folder = RESULTS if args.record else AGAIN
    folder.mkdir(parents=True, exist_ok=True)
    threads = {"OMP_NUM_THREADS": str(os.cpu_count() or 1)}
    failed = []
    for name in chosen:
        started = time.monotonic()
        print(f"== {name}", flush=True)
        if subprocess.run(command(name, folder), env=os.environ | threads, check=False).returncode:
            failed.append(name)
        print(f"== {name}: {time.monotonic() - started:.0f} s", flush=True)
    print("\n".join(table(None if args.record else AGAIN)))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; what they printed is above")


if __name__ == "__main__":
    main()
