"""What this course claims about its speed: where each number is recorded, and what was aimed at.

    python benchmarks/claims.py                  # the table, from benchmarks/results
    python benchmarks/claims.py FOLDER           # beside it, what another run wrote into FOLDER

Two runs *agree* on a number if the ranges of their repeats overlap, or their medians differ by at
most a tenth (a fifth, where a run gives one value and no range). On another kind of machine they
need not: more cores, another cache or slower bfloat16 change most of these ratios.
"""

from __future__ import annotations

import argparse
import functools
import json
import operator
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
Range = tuple[float, float, float]  # least, median, greatest


@dataclass(frozen=True)
class Claim:
    """One claim.

    what: in words.
    record: the file's name.
    of: finds the number, or its spread, in the record.
    aim: ">=" or "<=" a number.
    """

    what: str
    record: str
    of: Callable[[dict], float | dict]
    aim: str

    def range(self, folder: Path) -> Range | None:
        """Least, median and greatest value in that folder's record.

        None where there is no record, or an older one without it.
        """
        path = folder / f"{self.record}.json"
        if not path.exists():
            return None
        try:
            found = self.of(json.loads(path.read_text("utf-8")))
        except (KeyError, IndexError, StopIteration):
            return None
        if isinstance(found, dict):
            return found["min"], found["median"], found["max"]
        return found, found, found

    def met(self, value: Range) -> bool:
        """Whether the median reaches the aim."""
        sign, bound = self.aim.split()
        return value[1] >= float(bound) if sign == ">=" else value[1] <= float(bound)


def agree(one: Range, other: Range) -> bool:
    """Whether two runs tell the same: ranges overlap, or medians are near (see the file's top)."""
    overlap = one[0] <= other[2] and other[0] <= one[2]
    near = 0.2 if one[0] == one[2] and other[0] == other[2] else 0.1
    return overlap or abs(one[1] - other[1]) <= near * max(abs(one[1]), abs(other[1]))


def case(vocab_size: int, precision: str) -> Callable[[dict], dict]:
    """Finds one case of ``step.json``."""
    return lambda r: next(
        c for c in r["cases"] if (c["vocab_size"], c["precision"]) == (vocab_size, precision)
    )


def modern(precision: str) -> Claim:
    """The step beside Trainer with a model that leaves out unasked logits too: what is left."""

    def found(record: dict) -> dict:
        case = next(c for c in record["modern"] if c["precision"] == precision)
        return case["speedup_lean_top"]["Trainer"]

    return Claim(f"the same, ModernBERT with a sparse head, {precision}", "step", found, ">= 1")


def at(*path: str | int) -> Callable[[dict], float | dict]:
    """Finds what lies at ``path`` in a record."""
    return lambda record: functools.reduce(operator.getitem, path, record)


def ratio(name: str) -> Callable[[dict], dict]:
    """Finds a ratio of ``collation.json``."""
    return at("ratios", name)


def lora(than: str) -> Callable[[dict], dict]:
    """Finds in ``peft_costs.json`` how many times as fast LoRA's step is."""
    return at("rows", "LoRA", f"faster_than_{than}")


def gigabytes(record: dict) -> float:
    """The most memory that streaming held, in ``preparation.json``."""
    return record["large"]["resident_bytes"]["streamed"] / 1e9


def ahead(record: dict) -> dict:
    """By how much our held-out loss is below Trainer's, seed by seed (``mlm_vs_trainer.json``).

    On targets shown as [MASK]; over all targets in a record from before these were told apart.
    """
    nll = lambda run: run.get("validation_nll_mask", run["validation_nll"])
    by = {
        name: {r["seed"]: nll(r) for r in record["runs"] if r["name"] == name}
        for name in record["summary"]
    }
    gaps = sorted(by["transformers.Trainer"][seed] - nll for seed, nll in by["course_lib"].items())
    return {"min": gaps[0], "median": statistics.median(gaps), "max": gaps[-1]}


def step(what: str, vocab_size: int, precision: str, aim: str) -> Claim:
    """The step beside Trainer's."""
    found = case(vocab_size, precision)
    lean = ", lean" if what != "speedup" else ""
    name = f"step over Trainer, {vocab_size:,} tokens, {precision}{lean}"
    return Claim(name, "step", lambda r: found(r)[what]["Trainer"], aim)


CLAIMS = [
    Claim("collation over DataCollatorForLanguageModeling", "collation", ratio("collate"), ">= 10"),
    Claim("masking alone over the library's", "collation", ratio("kernel"), ">= 3"),
    Claim("cost of masking words to tokens", "collation", ratio("cost of word to token"), "<= 1.5"),
    Claim("cost of masking spans to tokens", "collation", ratio("cost of span to token"), "<= 1.5"),
    Claim("whole words over the library's", "collation", ratio("whole words"), ">= 30"),
    Claim("seconds of a packing plan of a million", "packing", at("plan", "seconds"), "<= 0.2"),
    Claim("packed over padded, documents", "packing", at("documents", "speedup"), ">= 1.8"),
    Claim("packed over padded, paragraphs", "packing", at("paragraphs", "speedup"), ">= 1.8"),
    *(
        step(what, v, p, f">= {aim}")
        for v, aim in ((30_522, 3.5), (8192, 1.6))
        for p in ("fp32", "bf16")
        for what in ("speedup", "speedup_lean_top")
    ),
    modern("fp32"),
    modern("bf16"),
    Claim("peak memory over BertForMaskedLM's, 30,522", "step", at("memory", 0, "ratio"), "<= 0.5"),
    Claim("bf16 over fp32", "precision", at("speedup"), ">= 1.4"),
    Claim("held-out loss, bf16 minus fp32 (nats)", "precision", at("nll_difference"), "<= 0.02"),
    Claim("overhead of the loop (share)", "loop", at("overhead", "share"), "<= 0.01"),
    Claim("seconds to seek step 100,000", "loop", at("seek", "step 100000"), "<= 0.1"),
    Claim("times as soon as Trainer's ten minutes", "time_to_quality", at("times_faster"), ">= 8"),
    Claim("held-out loss below Trainer's after 90 s (nats)", "mlm_vs_trainer", ahead, ">= 0"),
    Claim("encoding, all cores over one", "preparation", at("cores", "speedup"), ">= 1"),
    Claim("a gigabyte of text: most memory (GB)", "preparation", gigabytes, "<= 1"),
    Claim("Muon minus AdamW at equal time (nats)", "muon_time", at("nll_difference"), "<= 0.05"),
    Claim("LoRA's step over full fine-tuning's", "peft_costs", lora("full"), ">= 1.45"),
    Claim(
        "LoRA over peft on transformers' BERT",
        "peft_costs",
        lora("peft_on_transformers"),
        ">= 1.05",
    ),
]


def show(value: Range | None) -> str:
    """``median (least to greatest)``."""
    if value is None:
        return "no record"
    low, median, high = (f"{x:.3g}" for x in value)
    return median if low == high else f"{median} ({low} to {high})"


def table(again: Path | None = None, recorded: Path = RESULTS) -> list[str]:
    """A line for each claim: its aim and what is recorded.

    With a second folder also what that holds, and whether both agree.
    """
    lines = [f"{'':48s} {'aim':8s} {'recorded':26s}" + ("again" if again else "")]
    for claim in CLAIMS:
        old, new = claim.range(recorded), claim.range(again) if again else None
        mark = "" if old is None or claim.met(old) else " missed"
        line = f"{claim.what:48s} {claim.aim:8s} {show(old) + mark:26s}"
        if again and new is not None:
            same = "" if old is None else (", agrees" if agree(old, new) else ", DIFFERS")
            line += f" {show(new)}{'' if claim.met(new) else ' missed'}{same}"
        lines.append(line.rstrip())
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="records of another run")
    print("\n".join(table(parser.parse_args().folder)))


if __name__ == "__main__":
    main()
