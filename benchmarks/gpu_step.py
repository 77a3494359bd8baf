"""On a GPU: the step at base size, ours beside ``BertForMaskedLM``.

Says so and ends where there is no GPU.

Ours is the whole of chapter 09's second half: packed rows, a constant count of predictions (30 %),
attention by document bounds (FlashAttention's variable-length kernel), ``torch.compile``, bf16,
fused AdamW, and no look at a number between log lines; "ours, lean top" also computes the output
layer and feed-forward of the last block at the masked positions only. Theirs has its best settings
on the same real texts: padded to the longest of a batch, SDPA, bf16, fused AdamW, ``torch.compile``
with dynamic shapes. 12 x 768, vocabulary 30 522. On all sides the batches lie ready on the GPU, so
no side waits for data. Speed counts tokens of text; the share of the peak, measured and of the data
sheet, counts useful operations (``encoder.costs.training_flops``, with the pairs inside documents
only), the same number for both of ours. Memory is each side's own.

    python benchmarks/gpu_step.py --width 128    # or 512
    python benchmarks/gpu_step.py --t4           # fp16, half the rows, for 16 GB without bf16
    python benchmarks/gpu_step.py --quick        # tiny, also without a GPU; written nowhere

NOT YET RUN on a GPU: no record lies in benchmarks/results. The parts are tested on a CPU
(tests/encoder/test_variable_length.py, tests/masking/test_constant.py): equal to the masked
attention, one graph, no recompilation.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from course_lib.batch import Batch
from course_lib.batches import MLMStream, collate
from course_lib.data import load_corpus
from course_lib.encoder import MaskedLanguageModel
from course_lib.encoder.costs import training_flops
from course_lib.encoder.variable_length import document_bounds
from course_lib.hardware import autocast, data_sheet_peak
from course_lib.masking import MaskPolicy
from course_lib.measuring import matrix_peak, speedup, spread, take_turns, write_record
from course_lib.objectives import MaskedLM
from course_lib.optimisation import adamw
from course_lib.pretraining import Prepared, PretrainConfig, prepare

RATE = 0.3


def stepper(model, loss_of, batches: list[Batch], precision: str):
    """Seconds of a step over all batches, as a function; the device is waited for at the end."""
    optimizer, device = adamw(model, lr=1e-4, weight_decay=0.01), batches[0].input_ids.device
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None

    def run() -> float:
        wait()
        started = time.perf_counter()
        for batch in batches:
            with autocast(device, precision):
                loss = loss_of(batch)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad(set_to_none=True)
        wait()
        return (time.perf_counter() - started) / len(batches)

    return run


def padded_batches(prepared: Prepared, config: PretrainConfig, n: int) -> list[Batch]:
    """Theirs: paragraphs in random order, cut at the width, padded to the longest of a batch."""
    texts = [
        p
        for x in load_corpus("english", progress=False).texts("train")
        for p in x.split("\n")
        if p.strip()
    ]
    generator, rows = torch.Generator().manual_seed(0), config.batch_size
    order = torch.randperm(len(texts), generator=generator)[: n * rows].tolist()
    ids = [x[: config.seq_len] for x in prepared.tokenizer.encode_batch([texts[i] for i in order])]
    return [
        collate(ids[i : i + rows], prepared.tokenizer, config.mask, generator=generator)
        for i in range(0, n * rows, rows)
    ]


def graphs() -> int:
    """How many graphs have been compiled so far."""
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


def inner_pairs(batch: Batch, all_pairs: int) -> int:
    """Pairs of tokens of one document: all of a row's, where rows have no documents."""
    if batch.segment_ids is None:
        return all_pairs
    return int(document_bounds(batch.segment_ids).starts.diff().square().sum())


def peak_memory(side: Callable[[], object], device: torch.device) -> dict[str, int] | None:
    """Bytes at the peak of one call that has been compiled, and what all sides held before it.

    None on a CPU. The difference is this side's activations and gradients.
    """
    side()
    if device.type != "cuda":
        return None
    torch.cuda.synchronize()
    held = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    side()
    torch.cuda.synchronize()
    return {"held_by_all": held, "on_top": torch.cuda.max_memory_allocated() - held}


def measure(
    config: PretrainConfig, device: torch.device, precision: str, n: int, repeats: int
) -> dict:
    """Let the three sides take turns."""
    prepared = prepare(config)
    rows, width = config.batch_size, config.seq_len
    targets = int(0.98 * RATE * rows * width)
    model = MaskedLanguageModel(config.encoder(prepared.tokenizer.vocab_size)).to(device)
    theirs = model.to_transformers().to(device).train()
    # FlashAttention needs compute capability 8; a T4 has 7.5, and a CPU takes the bounds one
    # document at a time
    model.encoder.variable_length = precision != "fp16"
    lean = copy.deepcopy(model)
    lean.top_at_targets = True
    how = dict(backend="inductor" if device.type == "cuda" else "aot_eager")
    other = torch.compile(theirs, dynamic=True, **how)  # the loss is a part of theirs
    stream = MLMStream(
        prepared.tokens,
        prepared.tokenizer,
        seq_len=width,
        batch_size=rows,
        policy=config.mask,
        targets=targets,
    )
    packed = [stream.batch(i).to(device) for i in range(n)]
    padded = [x.to(device) for x in padded_batches(prepared, config, n)]

    def our_loss(m: MaskedLanguageModel):
        return torch.compile(lambda b: MaskedLM()(m, b).mean, **how)

    def their_loss(b: Batch) -> torch.Tensor:
        return other(input_ids=b.input_ids, labels=b.labels, attention_mask=b.segment_ids).loss

    sides = {
        "BertForMaskedLM": stepper(theirs, their_loss, padded, precision),
        "ours": stepper(model, our_loss(model), packed, precision),
        "ours, lean top": stepper(lean, our_loss(lean), packed, precision),
    }
    memory = {name: peak_memory(side, device) for name, side in sides.items()}
    # everything is compiled by now; what comes on top within the timed turns is a recompilation
    before = graphs()
    seconds = take_turns(sides, repeats=repeats)
    recompilations = graphs() - before
    text = {name: rows * width for name in sides}  # packed rows are full
    text["BertForMaskedLM"] = sum(int(b.segment_ids.sum()) for b in padded) / n
    places = sum(b.input_ids.numel() for b in padded) / n
    rates = {k: [text[k] / s for s in v] for k, v in seconds.items()}
    half = torch.float16 if precision == "fp16" else torch.bfloat16
    peak = matrix_peak(half, size=8192 if device.type == "cuda" else 512, device=device.type)
    pairs = sum(inner_pairs(b, rows * width**2) for b in packed) // n
    flops = training_flops(model.config, rows=rows, seq_len=width, targets=targets, pairs=pairs)
    own = ("ours", "ours, lean top")
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    sheet = data_sheet_peak(gpu)
    return {
        "clock": "wall clock",
        "precision": precision,
        "rows": rows,
        "width": width,
        "targets": targets,
        "pairs": pairs,
        "text_share_of_padded": text["BertForMaskedLM"] / places,
        "matrix_peak_flops": peak,
        "tokens_per_second": {k: spread(v) for k, v in rates.items()},
        "speedup": {k: speedup(rates[k], rates["BertForMaskedLM"]) for k in own},
        "share_of_peak": {k: spread([flops / s / peak for s in seconds[k]]) for k in own},
        "data_sheet_flops": sheet,
        "share_of_data_sheet": sheet
        and {k: spread([flops / s / sheet for s in seconds[k]]) for k in own},
        "recompilations": recompilations,
        "peak_memory": memory,
    }


def main() -> None:
    """Take turns on the GPU, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument(
        "--t4", action="store_true", help="fp16 and half the rows, for a GPU of 16 GB without bf16"
    )
    parser.add_argument("--quick", action="store_true", help="tiny, also on a CPU; written nowhere")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results", help="a folder"
    )
    args = parser.parse_args()
    if not args.quick and not torch.cuda.is_available():
        print(
            "gpu_step: there is no GPU here, nothing was measured; "
            "run it on Colab (a T4: --t4) or a larger one"
        )
        sys.exit(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision, rows = ("fp16", args.rows // 2) if args.t4 else ("bf16", args.rows)
    config = PretrainConfig(
        shape="bert",
        n_layers=12,
        d_model=768,
        n_heads=12,
        vocab_size=30_522,
        seq_len=args.width,
        batch_size=rows,
        mask=MaskPolicy(rate=RATE),
    )
    if args.quick:
        small = dict(n_layers=2, d_model=32, n_heads=2, vocab_size=4096, seq_len=32, batch_size=8)
        config = replace(config, **small)
    result = measure(config, device, precision, *((3, 1) if args.quick else (20, 5)))
    ratios = {
        k: {n: x["median"] for n, x in result[k].items()} for k in ("speedup", "share_of_peak")
    }
    also = ("rows", "width", "pairs", "peak_memory", "recompilations")
    print(json.dumps({**ratios, **{k: result[k] for k in also}}))
    if not args.quick:
        write_record(args.out / f"gpu_step_{args.width}_{precision}.json", result)


if __name__ == "__main__":
    main()
