"""Parameter-efficient fine-tuning in numbers: a row a method, beside full tuning and peft's LoRA.

    python benchmarks/peft_methods.py costs     parameters, bytes, step time, latency, |d logits|
    python benchmarks/peft_methods.py memory    peak memory of training, a process for each method
    python benchmarks/peft_methods.py quality   accuracy on two tasks, three seeds, 2 000 labels
    python benchmarks/peft_methods.py sweep     LoRA's rank, places and learning rate on sentiment
    python benchmarks/peft_methods.py           all of it, one after the other

All on MiniLM (22.6 million parameters). Costs: batches of 32 x 48 tokens, bf16 where the processor
is fast at it; the sides take turns, one step each, and ratios are formed within a turn. Memory: the
most that a fresh process held during three steps, less what it held with the model loaded. Quality:
two epochs, batches of 32, the learning rates below (of the papers' ranges; full fine-tuning's is
the course's default), the same for both tasks. The new head starts from noise whatever the method
is, so it has one rate, HEAD_RATE, in all of them. In an earlier record it had the method's own
rate, from 1e-4 to 1e-2, and on topics that decided the order of the methods; the record keeps those
runs as ``head_at_own_rate``.

Every run is written at once, so that a stopped sweep goes on where it was; ``--only NAME`` does one
row.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from transformers import BertForSequenceClassification

from course_lib import hardware, peft
from course_lib.data import load_task
from course_lib.finetuning import FineTuneConfig, SequenceClassifier, finetune
from course_lib.hardware import autocast
from course_lib.measuring import choose_clock, forget_peak, resident_bytes, spread, take_turns
from course_lib.optimisation import adamw
from course_lib.peft.targets import EVERY_LINEAR, INNER, KEY, OUTPUT, QUERY, VALUE
from course_lib.shipped import load_pretrained

RESULTS = Path(__file__).parent / "results"
TASKS = {"sentiment": ("film-reviews", 64), "topics": ("cloud-topics", 48)}
BASE = FineTuneConfig(epochs=2, batch_size=32, n_labels=2000)
STEPS = 126  # of such a run
HEAD_RATE = 1e-2  # of the new head, one for every method of ``quality``
METHODS: dict[str, tuple[peft.Config | None, float]] = {
    "full": (None, 1e-4),
    "LoRA": (peft.LoRAConfig(rank=8), 2e-3),
    "head alone": (None, 5e-3),
    "BitFit": (peft.BitFitConfig(), 2e-3),
    "bottleneck (Houlsby)": (peft.BottleneckConfig.houlsby(), 2e-3),
    "bottleneck (Pfeiffer)": (peft.BottleneckConfig.pfeiffer(), 2e-3),
    "AdaLoRA": (
        peft.AdaLoRAConfig(
            total_steps=STEPS, rank=12, target_rank=8, begin=20, end=40, every=5, alpha=24.0
        ),
        4e-3,
    ),
    "prefix": (peft.PrefixConfig(n_tokens=16), 1e-2),
    "prompt": (peft.PromptConfig(n_tokens=20), 1e-2),
}
LIBRARY = "peft LoRA"  # the same configuration on the same encoder, by the library
# what a user would otherwise take; costs only
THEIRS = ("full, transformers", "peft LoRA, transformers")
LORA_RATE = METHODS["LoRA"][1]
_SHAPES: dict[str, peft.Config] = {
    **{f"rank {r}": peft.LoRAConfig(rank=r, alpha=2 * r) for r in (1, 4, 8, 32)},
    "query": peft.LoRAConfig(targets=(QUERY,)),
    "query, key, value": peft.LoRAConfig(targets=(QUERY, KEY, VALUE)),
    "feed-forward": peft.LoRAConfig(targets=(INNER, OUTPUT)),
    "every linear": peft.LoRAConfig(targets=EVERY_LINEAR),
    "query, value of the top 2": peft.LoRAConfig(
        targets=(rf"blocks\.[45]\..*(?:{QUERY}|{VALUE})",)
    ),
}
SWEEP: dict[str, tuple[peft.Config, float]] = {
    **{name: (config, LORA_RATE) for name, config in _SHAPES.items()},
    **{f"rank 8, rate {lr:g}": (peft.LoRAConfig(rank=8), lr) for lr in (1e-4, 5e-4)},
}
ROWS, WIDTH = 32, 48
# task, name, configuration, learning rate, the head's rate, seed
Job = tuple[str, str, peft.Config | None, float, float, int]


def adapted(encoder: nn.Module, name: str) -> tuple[SequenceClassifier, peft.Handle | None]:
    """A classifier on a copy of the encoder, with one side's method in place."""
    if name in THEIRS:
        return OfTransformers(encoder, adapted=name != THEIRS[0]), None
    generator = torch.Generator().manual_seed(0)
    model = SequenceClassifier(copy.deepcopy(encoder), 2, generator=generator)
    if name == LIBRARY:
        return by_library(model), None
    if name == "head alone":
        model.encoder.requires_grad_(False)
    config = METHODS[name][0]
    return model, None if config is None else peft.attach(model, config)


def by_library(model: SequenceClassifier, seed: int = 0) -> SequenceClassifier:
    """The same LoRA on the same classifier, put there by ``peft``."""
    import peft as library

    torch.manual_seed(seed)
    config = library.LoraConfig(r=8, lora_alpha=16, target_modules=["query", "value"])
    model.encoder = library.get_peft_model(model.encoder, config)
    return model


class OfTransformers(nn.Module):
    """``BertForSequenceClassification`` (SDPA), same weights, called as our classifiers are."""

    def __init__(self, encoder: nn.Module, *, adapted: bool) -> None:
        import peft as library

        super().__init__()
        bert = encoder.to_transformers()
        bert.config.num_labels = 2
        self.model = BertForSequenceClassification(bert.config)
        self.model.bert.load_state_dict(bert.state_dict(), strict=False)  # its pooler is new
        if adapted:
            config = library.LoraConfig(
                task_type="SEQ_CLS", r=8, lora_alpha=16, target_modules=["query", "value"]
            )
            self.model = library.get_peft_model(self.model, config)

    def forward(self, ids: torch.Tensor, segment_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Logits."""
        return self.model(input_ids=ids, attention_mask=segment_ids).logits


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Token ids, segments and labels of one batch."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1000, 30_000, (ROWS, WIDTH), generator=generator)
    return ids, torch.ones_like(ids), torch.randint(0, 2, (ROWS,), generator=generator)


class Side:
    """One method, ready to take a training step; the step is that of the course's loop."""

    def __init__(self, encoder: nn.Module, name: str) -> None:
        self.model, self.handle = adapted(encoder, name)
        self.model.train()
        self.trainable = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = adamw(self.model, lr=1e-4, weight_decay=0.01)
        self.ids, self.segments, self.labels = batch()
        self.precision = hardware.precision(torch.device("cpu"))

    def step(self) -> None:
        """Forward, backward, clip, update."""
        with autocast(torch.device("cpu"), self.precision):
            logits = self.model(self.ids, segment_ids=self.segments)
        nn.functional.cross_entropy(logits.float(), self.labels).backward()
        nn.utils.clip_grad_norm_(self.trainable, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def optimizer_bytes(self) -> int:
        """Of the optimiser's state, counted."""
        states = self.optimizer.state.values()
        return sum(
            v.numel() * v.element_size()
            for s in states
            for v in s.values()
            if isinstance(v, torch.Tensor)
        )


def memory(name: str) -> float:
    """MB above the loaded model during three steps, in this process (which must be a fresh one)."""
    encoder, _ = load_pretrained("minilm", progress=False)
    side = Side(encoder, name)
    with torch.no_grad():
        side.model(side.ids, segment_ids=side.segments)
    del encoder
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what was freed must not be counted as there
    forget_peak()
    before = resident_bytes()[0]
    for _ in range(3):
        side.step()
    return (resident_bytes()[1] - before) / 1e6


def ratios(slow: list[float], fast: list[float]) -> dict:
    """How many times as fast, turn by turn."""
    return spread([a / b for a, b in zip(slow, fast, strict=True)])


def costs(repeats: int, wall: bool) -> dict:
    """All rows' costs."""
    clock, clock_name = choose_clock(wall)
    encoder, _ = load_pretrained("minilm", progress=False)
    names = [*METHODS, LIBRARY, *THEIRS]
    sides = {name: Side(encoder, name) for name in names}
    steps = {name: side.step for name, side in sides.items()}
    seconds = take_turns(steps, repeats=repeats, clock=clock)
    total = sum(p.numel() for p in encoder.parameters())
    rows = {}
    for name, side in sides.items():
        trained = sum(p.numel() for p in side.trainable)
        rows[name] = {
            "trainable": trained,
            "share": trained / total,
            "optimizer_bytes": side.optimizer_bytes(),
            "step_seconds": spread(seconds[name]),
            "faster_than_full": ratios(seconds["full"], seconds[name]),
            "faster_than_peft": ratios(seconds[LIBRARY], seconds[name]),
            "faster_than_peft_on_transformers": ratios(seconds[THEIRS[1]], seconds[name]),
            "file_bytes": file_bytes(side, trained),
        }
    for name, values in latencies(sides, clock, 2 * repeats).items():
        rows[name].update(values)
    return {
        "clock": clock_name,
        "hardware": hardware.describe(),
        "batch": [ROWS, WIDTH],
        "rows": rows,
    }


def file_bytes(side: Side, trained: int) -> int:
    """Of the saved adapter; of all weights where there is none."""
    if side.handle is None:
        return 4 * trained
    with tempfile.TemporaryDirectory() as folder:
        return side.handle.save(Path(folder) / "a").stat().st_size


@torch.no_grad()
def latencies(sides: dict[str, Side], clock, repeats: int) -> dict[str, dict]:
    """Seconds for one text of 24 tokens in fp32, attached and merged; what merging moves.

    All take turns with the base. So short a text is computed in two products while attached; with
    many tokens LoRA forms W + s B A itself, and merging could move nothing.
    """
    one = batch()[0][:1, :24]
    calls, found = {}, {}
    for name, side in sides.items():
        side.model.eval()
        calls[name] = lambda m=side.model: m(one) is None
        if side.handle is not None:
            try:
                before = side.model(one)
                twin = copy.deepcopy(side.model)
                peft.handles(twin)["default"].merge(keep=False)
            except ValueError:
                continue
            calls[f"{name}, merged"] = lambda m=twin: m(one) is None
            found[name] = {"merge_moves_logits": float((twin(one) - before).abs().max())}
    # a call takes a few ms: ten of them are timed at once
    many = {
        n: (lambda call=call: [call() for _ in range(10)] and None) for n, call in calls.items()
    }
    seconds = take_turns(many, repeats=repeats, clock=clock)
    for name in sides:
        rows = found.setdefault(name, {})
        rows["latency"] = spread([s / 10 for s in seconds[name]])
        key = f"{name}, merged"
        rows["latency_merged"] = spread([s / 10 for s in seconds[key]]) if key in seconds else None
    return found


def run(
    task_name: str, method: str, config: peft.Config | None, lr: float, head_lr: float, seed: int
) -> dict:
    """One fine-tuning: accuracy on the test split, its interval, seconds and trained weights."""
    name, max_len = TASKS[task_name]
    encoder, tokenizer = load_pretrained("minilm", progress=False)
    tune = "head" if method == "head alone" else "full"
    settings = replace(BASE, lr=lr, head_scale=head_lr / lr, seed=seed, max_len=max_len, tune=tune)
    adapt = None
    if method == LIBRARY:

        def adapt(model: nn.Module) -> nn.Module:
            return by_library(model, seed)
    elif config is not None:

        def adapt(model: nn.Module) -> peft.Handle:
            return peft.attach(model, config, generator=torch.Generator().manual_seed(seed))

    started = time.process_time()
    found = finetune(
        load_task(name, progress=False), encoder, tokenizer, settings, adapt=adapt, progress=False
    )
    return {
        "task": task_name,
        "seed": seed,
        "lr": lr,
        "head_lr": head_lr,
        "steps": found.run.steps,
        "precision": hardware.precision(hardware.device()),
        "accuracy": found.score.estimate,
        "interval": [found.score.low, found.score.high],
        "n_trainable": found.n_trainable,
        "cpu_seconds": round(time.process_time() - started, 1),
    }


def read(path: Path) -> dict:
    """What is there already."""
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def keep(path: Path, found: dict) -> None:
    """Write all or nothing."""
    work = path.with_suffix(".writing")
    work.write_text(json.dumps(found, indent=1), "utf-8")
    os.replace(work, path)


def sweep(path: Path, jobs: list[Job], budget: float) -> None:
    """Do those jobs that are not in the file yet, until the budget of seconds is spent."""
    started = time.perf_counter()
    for task, name, config, lr, head_lr, seed in jobs:
        if f"{task} {seed}" in read(path).get("runs", {}).get(name, {}):
            continue
        if time.perf_counter() - started > budget:
            return
        done = run(task, name, config, lr, head_lr, seed)
        found = read(path)  # again: another process may have added its own
        found.setdefault("runs", {}).setdefault(name, {})[f"{task} {seed}"] = done
        found["hardware"] = hardware.describe()
        keep(path, found)
        print(
            f"{name}, {task}, seed {seed}: {done['accuracy']:.4f} ({done['cpu_seconds']:.0f} s)",
            flush=True,
        )


def jobs_of(what: str, task: str, seeds: int) -> list[Job]:
    """The runs of ``quality`` (of one task, if ``task`` names one) or of ``sweep``."""
    if what == "sweep":
        rows = [("sentiment", n, *SWEEP[n], LORA_RATE) for n in SWEEP]
        return [(*row, seed) for seed in range(seeds) for row in rows]
    methods = {**METHODS, LIBRARY: (None, LORA_RATE)}
    rows = {t: [(t, n, *m, HEAD_RATE) for n, m in methods.items()] for t in TASKS}
    tasks = [task] if task else list(TASKS)
    return [(*row, seed) for t in tasks for seed in range(seeds) for row in rows[t]]


def parts(what: str, args: argparse.Namespace) -> None:
    """One of the four, into its own file."""
    path = args.out / f"peft_{what}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    if what == "costs":
        keep(path, costs(args.repeats, args.wall))
    elif what == "memory":
        command = [sys.executable, __file__, "memory", "--only"]
        names = [*METHODS, LIBRARY, *THEIRS]
        printed = {n: subprocess.check_output([*command, n]) for n in names}
        peaks = {n: float(text.split()[-1]) for n, text in printed.items()}
        keep(path, {"hardware": hardware.describe(), "megabytes_above_the_model": peaks})
    else:
        jobs = jobs_of(what, args.task, args.seeds)
        sweep(path, [j for j in jobs if args.only in ("", j[1])], args.seconds)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    every = ("costs", "memory", "quality", "sweep")
    parser.add_argument("what", nargs="?", choices=(*every, "all"), default="all")
    parser.add_argument("--only", default="", help="one name")
    parser.add_argument("--task", default="", help="one task")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--wall", action="store_true", help="wall clock: on a quiet machine only")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no new run after so long")
    parser.add_argument("--out", type=Path, default=RESULTS, help="a folder")
    args = parser.parse_args()
    if args.what == "memory" and args.only:
        print(memory(args.only))
        return
    for what in every if args.what == "all" else (args.what,):
        parts(what, args)


if __name__ == "__main__":
    main()
