"""How good is fine-tuning, with how many labels, at which rate, and what does it forget?

On sentences from film reviews.

    python benchmarks/finetuning.py   # writes results/finetuning.json; goes on where it was stopped

curve       accuracy against the number of labels: all of MiniLM tuned, a head on frozen MiniLM, the
            same architecture and a small one from random weights, logistic regression on TF-IDF,
            the commonest class
choice      epochs and rate for 2 000 labels, of everything and of LoRA, by accuracy on *validation*
            sentences
chosen      what was best there, on the test films
rates       accuracy on *validation* sentences and what is forgotten, for learning rates a factor of
            about three apart
layers      how many blocks are trained, and layer-wise decay of the rate; the new head learns at
            HEAD_RATE in all of them

All runs with one seed draw the same labels, and fewer labels are the first of more, so methods are
compared in pairs. What is forgotten is measured by a probe: a new linear head on the *frozen* tuned
encoder must tell the 30 classes of ``cloud-topics``, which the tuning never saw; beside it stands
how far the weights moved.

Nothing here is timed: seconds are recorded, but a busy machine changes no score. Runs are stored
one by one, the most telling first. Cost: about half an hour on two quiet cores.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from course_lib import hardware
from course_lib.data import Task, load_task
from course_lib.encoder import Encoder, EncoderConfig
from course_lib.finetuning import FineTuneConfig, finetune
from course_lib.finetuning.baselines import bag_of_words, majority
from course_lib.finetuning.frozen_features import FeatureStore
from course_lib.finetuning.kinds import judge
from course_lib.finetuning.tuning import build_model, draw, feature_store
from course_lib.peft import LoRAConfig, attach
from course_lib.shipped import load_pretrained
from course_lib.tokenization import Tokenizer

RESULT = Path(__file__).parent / "results" / "finetuning.json"
SIZES = (16, 64, 256, 1000, 2000, None)  # None: all
SEEDS = (0, 1, 2)
# with few labels, more epochs: fewer steps do not leave the starting point (Mosbach et al. 2021)
LEAST_STEPS = 40
RATES = (1e-5, 1e-4, 3e-4, 1e-3)
SMALL = dict(n_layers=2, d_model=128, n_heads=4)
PROBE = FineTuneConfig(tune="head", epochs=40, n_labels=600, max_len=64)
# of the head alone, and of the head above whatever is tuned in ``layers``
HEAD_RATE = 5e-3
CHOICES = {  # epochs, rate; four each
    "full": ((2, 1e-4), (4, 1e-4), (2, 3e-4), (4, 3e-4)),
    "LoRA": ((2, 1e-3), (4, 1e-3), (2, 2e-3), (4, 2e-3)),
}
LORA = LoRAConfig(rank=8)


def epochs_for(n: int, epochs: float, batch_size: int = 32, least: int = LEAST_STEPS) -> float:
    """``epochs``, or more where that would be fewer than ``least`` steps."""
    return max(epochs, least / -(-n // batch_size))


def settings(method: str, n: int | None, n_train: int) -> FineTuneConfig:
    """The setting of each method: usual values, fixed before the runs.

    ``choice`` and ``rates`` check them on validation.
    """
    size = n or n_train
    if method == "full":
        return FineTuneConfig(n_labels=n, epochs=epochs_for(size, 2 if n else 1))
    if method == "frozen":
        return FineTuneConfig(n_labels=n, tune="head", epochs=epochs_for(size, 10, least=200))
    if method == "scratch":
        return FineTuneConfig(n_labels=n, epochs=epochs_for(size, 4), lr=3e-4)
    return FineTuneConfig(n_labels=n, epochs=epochs_for(size, 8 if n else 4, least=100), lr=1e-3)


def plan() -> Iterator[dict]:
    """Every run, the most telling first."""
    yield from (_point("full", 2000, seed) for seed in SEEDS)
    yield from (_choice(method, *pair) for method, pairs in CHOICES.items() for pair in pairs)
    yield from (
        {"part": "chosen", "method": m, "n": 2000, "seed": s} for s in SEEDS for m in CHOICES
    )
    yield from _rates(0)
    yield from (_point("full", 256, seed) for seed in SEEDS)
    for seed in SEEDS:
        for method in ("majority", "bag of words", "frozen"):
            yield from (_point(method, n, seed) for n in SIZES)
    yield from (_point("full", n, seed) for n in (64, 1000, 16) for seed in SEEDS)
    yield from (_point("small", n, seed) for n in (2000, 256, 1000, 64, 16) for seed in SEEDS)
    yield from (
        _point(method, n, 0) for method, n in (("scratch", 2000), ("full", None), ("small", None))
    )
    for methods in (("top 1", "top 3"), ("all",), ("decay 0.8",)):
        yield from (
            {"part": "layers", "method": m, "n": 1000, "head_lr": HEAD_RATE, "seed": seed}
            for seed in SEEDS
            for m in methods
        )
    yield from (run for seed in SEEDS[1:] for run in _rates(seed))
    for seed in SEEDS[1:]:
        yield from (
            _point(method, n, seed)
            for method, n in (("full", None), ("scratch", 2000), ("small", None))
        )


def _rates(seed: int) -> Iterator[dict]:
    yield {"part": "rates", "method": "none", "n": None, "seed": seed}
    yield from (
        {"part": "rates", "method": "full", "n": 1000, "lr": lr, "seed": seed} for lr in RATES
    )


def _point(method: str, n: int | None, seed: int) -> dict:
    return {"part": "curve", "method": method, "n": n, "seed": seed}


def _choice(method: str, epochs: float, lr: float) -> dict:
    return {"part": "choice", "method": method, "n": 2000, "epochs": epochs, "lr": lr, "seed": 10}


class Bench:
    """The data, the encoders, and what frozen ones said.

    path: of the report, where the choice is read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.task = load_task("film-reviews", progress=False)
        self.encoder, self.tokenizer = load_pretrained("minilm", progress=False)
        self.store: FeatureStore | None = None

    def run(self, spec: dict) -> dict:
        """The scores of one run, and what else is known of it."""
        if spec["method"] in ("majority", "bag of words"):
            return self._baseline(spec)
        if spec["part"] == "rates":
            return self._rate(spec)
        config = replace(self._settings(spec), seed=spec["seed"])
        features = self._features(config) if config.tune == "head" else None
        split = "validation" if spec["part"] == "choice" else "test"
        adapt = (lambda model: attach(model, LORA)) if spec["method"] == "LoRA" else None
        done = finetune(
            self.task,
            self._encoder(spec),
            self.tokenizer,
            config,
            split=split,
            adapt=adapt,
            features=features,
            progress=False,
        )
        if spec["part"] != "chosen":
            return found(done)
        return found(done) | {"with": {"epochs": config.epochs, "lr": config.rate}}

    def _settings(self, spec: dict) -> FineTuneConfig:
        if spec["part"] == "choice":
            return FineTuneConfig(n_labels=spec["n"], epochs=spec["epochs"], lr=spec["lr"])
        if spec["part"] == "chosen":
            place = ("choice", spec["method"])
            tried = [r for r in stored(self.path)["runs"] if (r["part"], r["method"]) == place]
            best = max(tried, key=lambda r: r["accuracy"])
            return FineTuneConfig(n_labels=spec["n"], epochs=best["epochs"], lr=best["lr"])
        if spec["part"] != "layers":
            return settings(spec["method"], spec["n"], len(self.task.train))
        base = settings("full", spec["n"], len(self.task.train))
        base = replace(base, head_scale=HEAD_RATE / base.rate)
        kind, _, number = spec["method"].partition(" ")
        if kind == "top":
            return replace(base, tune=int(number))
        return replace(base, layer_decay=float(number or 1))

    def _encoder(self, spec: dict) -> nn.Module:
        if spec["method"] not in ("scratch", "small"):
            return self.encoder
        torch.manual_seed(spec["seed"])
        config = self.encoder.config
        if spec["method"] == "small":
            config = EncoderConfig.modern(vocab_size=config.vocab_size, dropout=0.1, **SMALL)
        return Encoder(config)

    def _features(self, config: FineTuneConfig) -> FeatureStore:
        if self.store is None:
            model = build_model(self.encoder, "text", len(self.task.labels), config)
            self.store = feature_store(model, self.tokenizer, config)
        return self.store

    def _baseline(self, spec: dict) -> dict:
        train = draw(self.task.train, spec["n"], spec["seed"])
        method = majority if spec["method"] == "majority" else bag_of_words
        guessed = method(train, self.task.test)
        generator = torch.Generator().manual_seed(0)
        scores = judge("text", self.task.test, guessed, self.task.labels, generator=generator)
        return {name: score.estimate for name, score in scores.items()}

    def _rate(self, spec: dict) -> dict:
        if spec["method"] == "none":
            return {"probe": probe(self.encoder, self.tokenizer, spec["seed"]), "moved": 0.0}
        config = replace(settings("full", spec["n"], 0), lr=spec["lr"], seed=spec["seed"])
        done = finetune(
            self.task, self.encoder, self.tokenizer, config, split="validation", progress=False
        )
        kept = {"probe": probe(done.model.encoder, self.tokenizer, spec["seed"])}
        return found(done) | kept | {"moved": moved(self.encoder, done.model.encoder)}


def found(done) -> dict:
    """What is stored of a run."""
    scores = {name: score.estimate for name, score in done.scores.items()}
    return scores | {
        "steps": done.run.steps,
        "precision": hardware.precision(hardware.device()),
        "seconds": round(done.seconds, 1),
        "trainable": done.n_trainable,
    }


def probe(encoder: nn.Module, tokenizer: Tokenizer, seed: int) -> float:
    """Accuracy of a linear head on the frozen ``encoder`` for a task that the tuning never saw."""
    task = load_task("cloud-topics", progress=False)
    small = Task(task.name, task.licence, task.labels, task.train, (), task.test[::2][:400])
    config = replace(PROBE, seed=seed)
    return finetune(small, encoder, tokenizer, config, progress=False).score.estimate


def moved(before: nn.Module, after: nn.Module) -> float:
    """|after - before| / |before| over all weights."""
    theirs = dict(after.named_parameters())
    pairs = [(p.detach(), theirs[name].detach().cpu()) for name, p in before.named_parameters()]
    change = sum(float((b - a).square().sum()) for a, b in pairs)
    return (change / sum(float(a.square().sum()) for a, _ in pairs)) ** 0.5


def stored(path: Path) -> dict:
    """The report so far, or a new one."""
    if path.exists():
        return json.loads(path.read_text("utf-8"))
    return {"hardware": hardware.describe(), "runs": []}


def carry_on(path: Path, specs: list[dict], run: Callable[[dict], dict], seconds: float) -> None:
    """Begin runs that the report at ``path`` lacks for so many seconds, and store each at once."""
    report = stored(path)
    keys = ("part", "method", "n", "seed", "lr", "head_lr", "epochs")
    have = [{k: r.get(k) for k in keys} for r in report["runs"]]
    until = time.monotonic() + seconds
    for spec in specs:
        if time.monotonic() > until:
            return
        if {"lr": None, "head_lr": None, "epochs": None, **spec} in have:
            continue
        report["runs"].append(spec | run(spec))
        print(report["runs"][-1], flush=True)
        scratch = path.with_suffix(".tmp")
        scratch.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        os.replace(scratch, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument(
        "--part", choices=("curve", "choice", "chosen", "rates", "layers"), help="only this part"
    )
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="begin no run after so long"
    )
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    specs = [spec for spec in plan() if args.part in (None, spec["part"])]
    carry_on(args.out, specs, Bench(args.out).run, args.seconds)


if __name__ == "__main__":
    main()
