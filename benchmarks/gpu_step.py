"""On a GPU: the step at base size, ours beside ``BertForMaskedLM``. Ends with a clear word where there is no GPU.

Ours is the whole of chapter 09's second half: packed rows, a constant count of predictions (30 %), attention by
document bounds (FlashAttention's variable-length kernel), ``torch.compile``, bf16, fused AdamW, and no look at a number between
log lines. Theirs has its best settings on the same real texts: padded to the longest of a batch, SDPA, bf16, fused AdamW,
``torch.compile`` with dynamic shapes. 12 x 768, vocabulary 30 522. Speed counts tokens of text; the share of the peak
counts useful operations (``costs.training_flops``).

    python benchmarks/gpu_step.py --width 128    # or 512; --t4: fp16, half the rows, for 16 GB without bf16

NOT YET RUN on a GPU: no record lies in benchmarks/results. On a CPU the parts are tested (tests/test_varlen.py,
tests/test_constant_masking.py): equal to the masked attention, one graph, no recompilation.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import torch

from course_lib.collation import collate
from course_lib.convert import mlm_to_transformers
from course_lib.costs import training_flops
from course_lib.data import load_corpus
from course_lib.evaluation import autocast
from course_lib.heads import MaskedLanguageModel
from course_lib.masking import MaskPolicy
from course_lib.measuring import matrix_peak, speedup, spread, take_turns, write_record
from course_lib.objectives import MaskedLM
from course_lib.optim import adamw
from course_lib.pretraining import PretrainConfig, prepare
from course_lib.streaming import MLMStream

RATE, STEPS = 0.3, 20


def stepper(model, loss_of, batches, precision: str):
    """Seconds of a step over STEPS batches, as a function; the device is waited for once, at the end."""
    optimizer, device = adamw(model, lr=1e-4, weight_decay=0.01), torch.device("cuda")
    scaler, turn = torch.amp.GradScaler("cuda", enabled=precision == "fp16"), [0]

    def run() -> float:
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(STEPS):
            batch, turn[0] = batches(turn[0]), turn[0] + 1
            with autocast(device, precision):
                loss = loss_of(batch)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        return (time.perf_counter() - started) / STEPS

    return run


def ragged_texts(tokenizer, width: int) -> list[list[int]]:
    """Paragraphs of the corpus as ids, cut at ``width``, in a random order."""
    texts = [
        p for x in load_corpus("english", progress=False).texts("train") for p in x.split("\n") if p.strip()
    ]
    order = torch.randperm(len(texts), generator=torch.Generator().manual_seed(0)).tolist()[:20_000]
    return [ids[:width] for ids in tokenizer.encode_batch([texts[i] for i in order])]


def main() -> None:
    """Take turns on the GPU, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument(
        "--t4", action="store_true", help="fp16 and half the rows, for a GPU of 16 GB without bf16"
    )
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print(
            "gpu_step: there is no GPU here, nothing was measured; run it on Colab (a T4: --t4) or a larger one"
        )
        sys.exit(0)
    precision, rows = ("fp16", args.rows // 2) if args.t4 else ("bf16", args.rows)
    config = PretrainConfig(shape="bert", n_layers=12, d_model=768, n_heads=12, vocab_size=30_522,
                            seq_len=args.width, batch_size=rows, mask=MaskPolicy(rate=RATE))  # fmt: skip
    prepared = prepare(config)
    tokenizer, targets = prepared.tokenizer, int(0.98 * RATE * rows * args.width)
    model = MaskedLanguageModel(config.encoder(tokenizer.vocab_size)).cuda()
    theirs = mlm_to_transformers(model).cuda().train()
    model.encoder.variable_length = not args.t4  # FlashAttention needs compute capability 8
    compiled, other = torch.compile(model), torch.compile(theirs, dynamic=True)
    stream = MLMStream(
        prepared.tokens, tokenizer, seq_len=args.width, batch_size=rows, policy=config.mask, targets=targets
    )
    texts, generator = ragged_texts(tokenizer, args.width), torch.Generator().manual_seed(0)

    def padded(turn: int):
        at = turn * rows % (len(texts) - rows)
        return collate(texts[at : at + rows], tokenizer, config.mask, generator=generator).to("cuda")

    def their_loss(b) -> torch.Tensor:
        return other(input_ids=b.input_ids, labels=b.labels, attention_mask=b.segment_ids).loss

    sides = {
        "BertForMaskedLM": stepper(theirs, their_loss, padded, precision),
        "ours": stepper(
            model, lambda b: MaskedLM()(compiled, b).mean, lambda n: stream.batch(n).to("cuda"), precision
        ),
    }
    seconds = take_turns(sides, repeats=5)
    graphs_before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    sides["ours"]()
    again = torch._dynamo.utils.counters["stats"]["unique_graphs"] - graphs_before
    text = {"ours": rows * args.width, "BertForMaskedLM": sum(map(len, texts)) / len(texts) * rows}
    rates = {k: [text[k] / s for s in v] for k, v in seconds.items()}
    peak = matrix_peak(torch.float16 if args.t4 else torch.bfloat16, size=8192, device="cuda")
    flops = training_flops(model.config, rows=rows, seq_len=args.width, targets=targets)
    result = {
        "precision": precision, "rows": rows, "width": args.width, "targets": targets, "matrix_peak_flops": peak,
        "tokens_per_second": {k: spread(v) for k, v in rates.items()},
        "speedup": speedup(rates["ours"], rates["BertForMaskedLM"]),
        "share_of_peak": spread([flops / s / peak for s in seconds["ours"]]), "recompilations": again,
        "peak_memory": torch.cuda.max_memory_allocated(),
    }  # fmt: skip
    print(json.dumps({k: result[k] for k in ("speedup", "share_of_peak", "recompilations")}, indent=1))
    write_record(Path(__file__).parent / "results" / f"gpu_step_{args.width}_{precision}.json", result)


if __name__ == "__main__":
    main()
