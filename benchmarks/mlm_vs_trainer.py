"""This course's loop beside ``transformers.Trainer``: same text, masks, seconds and size of model.

Each side at its best settings:

* ours: ``EncoderConfig.modern``, the recipe of ``PretrainConfig``'s defaults;
* theirs: ``BertForMaskedLM`` (the masked language model that a user of Trainer would take) of the
  same layers, width and vocabulary, attention by SDPA, bf16 where the machine has it, fused AdamW,
  nothing logged inside the loop, and the best peak learning rate of a sweep. Its batches come
  masked from our stream, so it pays for no collator, and packed, so it pays for no padding. Its
  learning rate follows the clock as ours does. Documents in a row are not kept apart, which is
  cheaper for it.

Both are evaluated on the same fixed masks by the same code (its weights are converted, exactly),
and compared by the loss on targets that are shown as [MASK], where copying does not help.
Evaluation spends no budget. After the sweep the sides take turns, one seed after the other; a seed
draws the first weights and the order. ``paired`` holds the differences seed by seed, with Student's
95 % interval.

    python benchmarks/mlm_vs_trainer.py    # 90 s a run: about half an hour on two cores
    python benchmarks/mlm_vs_trainer.py --seconds 5 --seeds 1 --rates 1e-3 --out /tmp/quick.json
    python benchmarks/mlm_vs_trainer.py --extend --rates 1e-2    # more of the sweep, the same file

The third side, ``course_lib, bert``, is our loop and nothing else of ours: their architecture, the
very first weights that Trainer starts from, their batches (documents not kept apart) and their
learning rate. Beside Trainer it tells what the loop is worth, beside ``course_lib`` what the recipe
is.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.utils import logging

from course_lib import hardware
from course_lib.batches import MLMStream
from course_lib.encoder import MaskedLanguageModel
from course_lib.evaluation import evaluate, seed_interval
from course_lib.objectives import MaskedLM
from course_lib.optimisation import adamw
from course_lib.optimisation.schedules import linear
from course_lib.pretraining import Prepared, PretrainConfig, build_model, prepare
from course_lib.pretraining.judgement import lines_of
from course_lib.training import train

N_POINTS = 10  # evaluations along each curve


class Batches(IterableDataset):
    """The stream's masked batches as Trainer wants them."""

    def __init__(self, prepared: Prepared, seed: int) -> None:
        self.stream = replace(prepared.stream, seed=seed, respect_documents=False)

    def __iter__(self):
        step = 0
        while True:
            batch = self.stream.batch(step)
            yield {"input_ids": batch.input_ids, "labels": batch.labels}
            step += 1


class Clock(TrainerCallback):
    """Counts training seconds, stops when they are spent; evaluating on the way spends none."""

    def __init__(self, seconds: float, held_out) -> None:
        self.budget, self.held_out, self.curve = seconds, held_out, []
        self.spent, self.steps, self.started = 0.0, 0, None

    @property
    def elapsed(self) -> float:
        return self.spent + (time.perf_counter() - self.started if self.started else 0.0)

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self.started = time.perf_counter()

    def on_step_end(self, args, state, control, model=None, **kwargs) -> None:
        self.spent, self.started, self.steps = self.elapsed, None, state.global_step
        due = self.budget * (len(self.curve) + 1) / N_POINTS
        if self.spent >= self.budget or self.spent >= due:
            self.curve.append({"seconds": self.spent, **self.held_out(model)})
        control.should_training_stop = self.spent >= self.budget
        self.started = time.perf_counter()


class MaskedTrainer(Trainer):
    """Trainer with ready batches."""

    def get_train_dataloader(self) -> DataLoader:
        return DataLoader(self.train_dataset, batch_size=None)


def held_out_of(model: nn.Module, prepared: Prepared) -> dict[str, float]:
    """Held-out loss over all targets, and over those that are shown as [MASK]."""
    found = evaluate(model, MaskedLM(prepared.tokenizer.mask_id), prepared.validation)
    return {"nll": found.nll, "nll_mask": found.parts["mask"].nll}


def their_model(config: PretrainConfig, prepared: Prepared, shape: str, seed: int) -> nn.Module:
    """``BertForMaskedLM`` or ``ModernBertForMaskedLM``, with their own first weights.

    The latter computes its head at the masked positions only.
    """
    torch.manual_seed(seed)
    ours = MaskedLanguageModel(replace(config, shape=shape).encoder(prepared.tokenizer.vocab_size))
    theirs = ours.to_transformers()
    if shape == "modern":
        theirs.config.sparse_prediction = True
    return type(theirs)(theirs.config)


def run_trainer(
    config: PretrainConfig,
    prepared: Prepared,
    lr: float,
    seed: int,
    folder: str,
    shape: str = "bert",
) -> dict:
    """One run of transformers.Trainer for ``config.seconds``."""
    model = their_model(config, prepared, shape, seed)
    where = hardware.device()

    def held_out(trained) -> dict[str, float]:
        return held_out_of(MaskedLanguageModel.from_transformers(trained), prepared)

    clock = Clock(config.seconds, held_out)
    arguments = TrainingArguments(
        output_dir=folder,
        max_steps=10**7,
        bf16=hardware.precision(where) == "bf16",
        fp16=hardware.precision(where) == "fp16",
        use_cpu=where.type == "cpu",
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        seed=seed,
        max_grad_norm=1.0,
    )
    optimizer = adamw(model, lr=lr, weight_decay=config.weight_decay)  # PyTorch's, fused, as ours
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda _: linear(min(1.0, clock.elapsed / config.seconds), warmup=config.warmup)
    )
    trainer = MaskedTrainer(
        model=model,
        args=arguments,
        train_dataset=Batches(prepared, seed),
        callbacks=[clock],
        optimizers=(optimizer, schedule),
    )
    trainer.train()
    name = "transformers.Trainer" + (", ModernBERT" if shape == "modern" else "")
    return _run(name, seed, lr, clock.steps, clock.spent, clock.curve, config, model)


def run_ours(config: PretrainConfig, prepared: Prepared, seed: int, name: str) -> dict:
    """One run of this course's loop and recipe for ``config.seconds``."""
    config = replace(config, seed=seed)
    stream = replace(prepared.stream, seed=seed)
    return _our_loop(config, prepared, build_model(config, prepared), stream, name)


def run_our_loop(config: PretrainConfig, prepared: Prepared, lr: float, seed: int) -> dict:
    """Our loop, with all else as in ``run_trainer``: model, first weights, batches and rate."""
    model = MaskedLanguageModel.from_transformers(their_model(config, prepared, "bert", seed))
    config = replace(config, shape="bert", lr=lr, seed=seed)
    return _our_loop(config, prepared, model, Batches(prepared, seed).stream, "course_lib, bert")


def _our_loop(
    config: PretrainConfig, prepared: Prepared, model: nn.Module, stream: MLMStream, name: str
) -> dict:
    curve: list[dict] = []

    def watch(record: dict) -> None:
        """Evaluate along the way, outside of the training clock."""
        if record["seconds"] >= config.seconds * (len(curve) + 1) / N_POINTS:
            curve.append({"seconds": record["seconds"], **held_out_of(model, prepared)})

    settings = replace(config.training(), evaluate_every=None)
    result = train(model, MaskedLM(), stream, settings, progress=False, on_record=watch)
    curve.append({"seconds": result.seconds, **held_out_of(model, prepared)})
    return _run(name, config.seed, config.lr, result.steps, result.seconds, curve, config, model)


def _run(name, seed, lr, steps, seconds, curve, config, model) -> dict:
    found = {
        "name": name,
        "seed": seed,
        "lr": lr,
        "steps": steps,
        "seconds": seconds,
        "tokens_per_second": steps * config.seq_len * config.batch_size / seconds,
        "parameters": sum(p.numel() for p in model.parameters()),
        "validation_nll": curve[-1]["nll"],
        "validation_nll_mask": curve[-1]["nll_mask"],
        "curve": curve,
    }
    print(
        f"{name:22s} seed {seed} lr {lr:.0e}: {found['tokens_per_second']:8.0f} tokens/s, "
        f"NLL on [MASK] {found['validation_nll_mask']:.3f}",
        flush=True,
    )
    return found


def summary(runs: list[dict]) -> dict:
    """Median and range over the seeds, by side."""
    sides: dict[str, dict] = {}
    for name in dict.fromkeys(r["name"] for r in runs):
        mine = [r for r in runs if r["name"] == name]
        sides[name] = {
            key: {
                "median": statistics.median(r[key] for r in mine),
                "min": min(r[key] for r in mine),
                "max": max(r[key] for r in mine),
            }
            for key in ("tokens_per_second", "validation_nll", "validation_nll_mask")
        }
    return sides


def paired(runs: list[dict]) -> dict[str, dict]:
    """By how much one side ends above another on targets shown as [MASK], seed by seed, in nats."""
    nll = {(run["name"], run["seed"]): run["validation_nll_mask"] for run in runs}
    found = {}
    for one, other in combinations(dict.fromkeys(run["name"] for run in runs), 2):
        seeds = sorted(s for name, s in nll if name == one and (other, s) in nll)
        if len(seeds) > 2:
            gaps = [nll[other, seed] - nll[one, seed] for seed in seeds]
            found[f"{other} - {one}"] = asdict(seed_interval(gaps)) | {"seeds": len(seeds)}
    return found


def best_rate(sweep: list[dict]) -> float:
    """The peak rate whose run ends lowest on targets shown as [MASK]."""
    return min(sweep, key=lambda run: run["validation_nll_mask"])["lr"]


def extend(out: Path, sweep: list[dict]) -> None:
    """Add runs to the recorded sweep.

    Stops where one of them is better than the rate of the recorded runs.
    """
    result = json.loads(out.read_text("utf-8"))
    result["sweep"] += sweep
    best = best_rate(result["sweep"])
    if best != result["best_lr_of_trainer"]:
        raise SystemExit(
            f"lr {best:g} is better than the recorded runs': "
            "run everything again with it in --rates"
        )
    out.write_text(json.dumps(result, indent=1), "utf-8")


def main() -> None:
    """Sweep, take turns, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rates", type=float, nargs="+", default=[3e-4, 1e-3, 3e-3, 1e-2])
    parser.add_argument(
        "--extend", action="store_true", help="only run these rates, and add them to --out"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "mlm_vs_trainer.json"
    )
    args = parser.parse_args()
    logging.set_verbosity_error()
    config = PretrainConfig(seconds=args.seconds)
    prepared = prepare(config)
    with tempfile.TemporaryDirectory() as folder:
        sweep = [run_trainer(config, prepared, lr, 100, folder) for lr in args.rates]
        if args.extend:
            return extend(args.out, sweep)
        best = best_rate(sweep)
        runs = []
        for seed in range(args.seeds):
            runs.append(run_ours(config, prepared, seed, "course_lib"))
            runs.append(run_our_loop(config, prepared, best, seed))
            runs.append(run_trainer(config, prepared, best, seed, folder))
    result = {
        **lines_of(prepared),
        "config": asdict(config),
        "hardware": hardware.describe(),
        "sweep": sweep,
        "best_lr_of_trainer": best,
        "runs": runs,
        "summary": summary(runs),
        "paired": paired(runs),
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1), "utf-8")
    print(json.dumps(result["summary"], indent=1))


if __name__ == "__main__":
    main()
