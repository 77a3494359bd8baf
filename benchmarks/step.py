"""One training step, ours beside ``transformers``, bare and under ``Trainer``: same weights, batch.

First they must agree: the same loss to 1e-5 and the same gradients to 1e-4, in fp32. Then they take
turns. A step is forward, backward, clipping and fused AdamW. ``BertForMaskedLM`` computes logits at
every position (SDPA, nothing logged, batches ready in memory), ours at the masked ones; that is the
whole difference. "ours, lean top" also computes the output layer and feed-forward of the last block
at the masked positions only (``model.top_at_targets``). Peak memory is that of one step above what
the process held before it, each side in a process of its own.

``modern``: the same beside ``ModernBertForMaskedLM``, which can leave out the other logits too
(``sparse_prediction``). Whoever sets that has most of the gain already, and what is left is the
measure of the rest.

    python benchmarks/step.py                 # --wall: wall clock, all cores
    python benchmarks/step.py --quick         # a small one, written nowhere
    python benchmarks/step.py --only modern   # this part; the others stay as they are recorded

``share_of_peak`` counts useful operations only (``encoder.costs.training_flops``, the head at
masked positions), for both sides.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from transformers import (
    ModernBertForMaskedLM,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.utils import logging

from course_lib.batch import Batch
from course_lib.encoder import EncoderConfig, MaskedLanguageModel
from course_lib.encoder.costs import training_flops
from course_lib.hardware import autocast
from course_lib.masking import MaskPolicy, mask_tokens
from course_lib.measuring import (
    choose_clock,
    forget_peak,
    matrix_peak,
    resident_bytes,
    speedup,
    spread,
    take_turns,
    write_record,
)
from course_lib.objectives import MaskedLM
from course_lib.optimisation import adamw
from course_lib.training import TrainConfig, train

ROWS, WIDTH, STEPS = 32, 128, 3
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def ready(vocab_size: int, form: str = "bert") -> tuple[MaskedLanguageModel, Batch]:
    """Our model (4 layers of 256, no dropout) and a batch with 15 % masked."""
    torch.manual_seed(0)
    shape = dict(n_layers=4, d_model=256, n_heads=4, dropout=0.0)
    model = MaskedLanguageModel(getattr(EncoderConfig, form)(vocab_size=vocab_size, **shape))
    special = torch.zeros(vocab_size, dtype=torch.bool)
    special[:5] = True
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, vocab_size, (ROWS, WIDTH), generator=generator)
    options = dict(mask_id=4, vocab_size=vocab_size, special_mask=special, generator=generator)
    masked = mask_tokens(ids, MaskPolicy(), **options)
    return model, Batch(masked.input_ids, masked.labels)


def library(ours: MaskedLanguageModel) -> PreTrainedModel:
    """The model of ``transformers`` with our weights, ready to train; ModernBERT's head sparse."""
    theirs = ours.to_transformers().train()
    if isinstance(theirs, ModernBertForMaskedLM):
        theirs.sparse_prediction = True
    return theirs


def disagreement(
    ours: MaskedLanguageModel, theirs: PreTrainedModel, batch: Batch
) -> dict[str, float]:
    """Difference of the losses, and largest one of a gradient relative to the largest gradient."""
    own = MaskedLM()(ours, batch).mean
    own.backward()
    other = theirs(input_ids=batch.input_ids, labels=batch.labels).loss
    other.backward()
    # carries gradients through the renaming of the weights
    carrier = MaskedLanguageModel(ours.config)
    grads = {name: p.grad for name, p in ours.named_parameters()}
    carrier.load_state_dict(grads)
    expected = dict(carrier.to_transformers().named_parameters())
    used = {name: p.grad for name, p in theirs.named_parameters() if p.grad is not None}
    largest = max(float(g.abs().max()) for g in used.values())
    gap = max(float((expected[name].detach() - g).abs().max()) for name, g in used.items())
    for model in (ours, theirs):
        model.zero_grad(set_to_none=True)
    return {"loss": float((own - other).detach().abs()), "gradient": gap / largest}


class Ticks(TrainerCallback):
    """The clock after each of Trainer's steps."""

    def __init__(self, clock) -> None:
        self.clock, self.times = clock, []

    def on_step_end(self, args, state, control, **kwargs) -> None:
        self.times.append(self.clock())


class Ready(Trainer):
    """Trainer with one batch that is ready, again and again."""

    def get_train_dataloader(self) -> DataLoader:
        return DataLoader(self.train_dataset, batch_size=None)


def bare_step(model, batch: Batch, precision: str):
    """One step of theirs without Trainer, as a function."""
    optimizer = adamw(model, lr=1e-4, weight_decay=0.01)

    def step() -> None:
        with autocast(torch.device("cpu"), precision):
            loss = model(input_ids=batch.input_ids, labels=batch.labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def trainer_step(model, batch: Batch, precision: str, clock, folder: str):
    """Seconds of one step of Trainer, as a function: of STEPS + 1 steps the first is left out."""
    row = {"input_ids": batch.input_ids, "labels": batch.labels}
    arguments = TrainingArguments(
        output_dir=folder,
        max_steps=STEPS + 1,
        bf16=precision == "bf16",
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
    )

    def step() -> float:
        ticks = Ticks(clock)
        rows = [row] * (STEPS + 1)
        trainer = Ready(model=model, args=arguments, train_dataset=rows, callbacks=[ticks])
        trainer.train()
        return (ticks.times[-1] - ticks.times[0]) / STEPS

    return step


def our_step(model, batch: Batch, precision: str, clock):
    """Seconds of one step of ``train``, measured in the same way."""

    def step() -> float:
        times = []

        class Same:
            fingerprint = ""

            def batch(self, number: int) -> Batch:
                times.append(clock())
                return batch

        config = TrainConfig(steps=STEPS + 2, lr=1e-4, precision=precision, log_every=100)
        train(model, MaskedLM(), Same(), config, progress=False)
        return (times[-1] - times[1]) / STEPS

    return step


def compare(vocab_size: int, precision: str, repeats: int, clock, form: str = "bert") -> dict:
    """Agreement, speeds and ratios at one vocabulary in one number format."""
    ours, batch = ready(vocab_size, form)
    lean, theirs, bare = copy.deepcopy(ours), library(ours), library(ours)
    name = type(theirs).__name__
    lean.top_at_targets = True
    gaps = [disagreement(model, theirs, batch) for model in (ours, lean)]
    gap = {key: max(g[key] for g in gaps) for key in gaps[0]}
    assert gap["loss"] < 1e-5 and gap["gradient"] < 1e-4, gaps
    with tempfile.TemporaryDirectory() as folder:
        sides = {
            "Trainer": trainer_step(theirs, batch, precision, clock, folder),
            name: bare_step(bare, batch, precision),
            "ours": our_step(ours, batch, precision, clock),
            "ours, lean top": our_step(lean, batch, precision, clock),
        }
        seconds = take_turns(sides, repeats=repeats, clock=clock)
    peak = matrix_peak(DTYPES[precision], clock=clock)
    flops = training_flops(ours.config, rows=ROWS, seq_len=WIDTH, targets=batch.n_targets)
    return {
        "vocab_size": vocab_size,
        "precision": precision,
        "disagreement_fp32": gap,
        "matrix_peak_flops": peak,
        "seconds": {k: spread(v) for k, v in seconds.items()},
        "tokens_per_second": {k: spread([ROWS * WIDTH / s for s in v]) for k, v in seconds.items()},
        "share_of_peak": {k: spread([flops / s / peak for s in v]) for k, v in seconds.items()},
        "speedup": {k: speedup(seconds[k], seconds["ours"]) for k in ("Trainer", name)},
        "speedup_lean_top": {
            k: speedup(seconds[k], seconds["ours, lean top"]) for k in ("Trainer", name, "ours")
        },
    }


def peak_of(side: str, vocab_size: int) -> int:
    """Bytes that two fp32 steps need above what the process, one of its own, holds before them."""
    ours, batch = ready(vocab_size)
    model = ours if side == "ours" else library(ours)
    clock = choose_clock()[0]
    forget_peak()
    before = resident_bytes()[0]
    if side == "ours":
        step = our_step(model, batch, "fp32", clock)
    else:
        step = bare_step(model, batch, "fp32")
    step(), step()
    return resident_bytes()[1] - before


def memory(vocab_size: int) -> dict:
    """Peak memory of both sides, and their ratio."""
    command = [sys.executable, __file__, "--peak", str(vocab_size)]
    found = {}
    for side in ("BertForMaskedLM", "ours"):
        done = subprocess.run([*command, side], capture_output=True, text=True, check=True)
        found[side] = int(done.stdout)
    return {
        "vocab_size": vocab_size,
        "bytes": found,
        "ratio": found["ours"] / max(1, found["BertForMaskedLM"]),
    }


def report(found: dict) -> dict:
    """Print a case in one line, and give it back."""
    ratios = {k: round(v["median"], 2) for k, v in found["speedup"].items()}
    ratios |= {f"lean, {k}": round(v["median"], 2) for k, v in found["speedup_lean_top"].items()}
    share = {k: round(v["median"], 3) for k, v in found["share_of_peak"].items()}
    case = {
        "v": found["vocab_size"],
        "precision": found["precision"],
        "speedup": ratios,
        "share": share,
    }
    print(json.dumps(case), flush=True)
    return found


def main() -> None:
    """Compare, and write; with ``--only`` the other part stays as it was recorded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--wall", action="store_true", help="wall clock and all cores; needs a quiet machine"
    )
    parser.add_argument("--only", choices=("bert", "modern"))
    parser.add_argument("--peak", nargs=2, metavar=("VOCABULARY", "SIDE"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "step.json")
    args = parser.parse_args()
    logging.set_verbosity_error()
    if args.peak:
        print(peak_of(args.peak[1], int(args.peak[0])))
        return
    clock, clock_name = choose_clock(args.wall)
    kept = json.loads(args.out.read_text("utf-8")) if args.only and args.out.exists() else {}
    result = {k: kept[k] for k in ("cases", "memory", "modern") if k in kept}
    result |= {"clock": clock_name, "rows": ROWS, "width": WIDTH}
    repeats = 1 if args.quick else 5
    if args.only != "modern":
        cases = [(8192, "bf16")] if args.quick else [(v, p) for v in (30_522, 8192) for p in DTYPES]
        result["cases"] = [report(compare(v, p, repeats, clock)) for v, p in cases]
        result["memory"] = [memory(v) for v in ([8192] if args.quick else [30_522, 8192])]
        print(json.dumps(result["memory"]))
    if args.only != "bert":
        cases = [(8192, "bf16")] if args.quick else [(30_522, p) for p in DTYPES]
        result["modern"] = [report(compare(v, p, repeats, clock, "modern")) for v, p in cases]
    if not args.quick:
        write_record(args.out, result)


if __name__ == "__main__":
    main()
