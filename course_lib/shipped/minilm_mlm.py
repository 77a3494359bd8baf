"""A head for ``[MASK]`` on MiniLM: all-MiniLM-L6-v2 as a masked language model.

``load_pretrained("minilm")`` gives an encoder that learnt to imitate a larger BERT's attention and
then to compare sentences. It never had a head for ``[MASK]``; its teacher had. Here one is trained
on the course's own text, with the encoder frozen but for LoRA:

    logits = norm(gelu(h W + b)) E^T + c    W, b, norm and c are new; E is the encoder's own token
                                            table (tied)
    every linear layer of the encoder       W_i + s B_i A_i, rank 16

What is learnt is an adapter of 3.4 MB, shipped beside this file with a card that says how it was
made and how good it is. Trained on this text it can know the language of encyclopaedia, software
documentation and film reviews, and little of the world.

    python -m course_lib.shipped minilm-mlm --minutes 20      # makes it again

As good, not bit for bit: the budget is in minutes.

Cost: the encoder's and 2 (d^2 + d v) operations for each masked token, v = 30 522.

Sources: Devlin et al. 2019 (arXiv:1810.04805, the head), Hu et al. 2021 (arXiv:2106.09685, LoRA).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

from course_lib import data, hardware
from course_lib.batches import MLMStream, TokenArray, encode_corpus, fixed_batches
from course_lib.encoder import Encoder, MaskedLanguageModel
from course_lib.evaluation import evaluate, lines_of_nothing, token_counts
from course_lib.generation import fill_mask
from course_lib.masking import MaskPolicy
from course_lib.objectives import MaskedLM
from course_lib.peft import Handle, LoRAConfig, attach, load
from course_lib.peft.targets import EVERY_LINEAR
from course_lib.tokenization import Tokenizer
from course_lib.training import TrainConfig, TrainResult, train

from .minilm import load_pretrained

COMMAND = "python -m course_lib.shipped minilm-mlm"
FILE = Path(__file__).parent / "minilm_mlm.safetensors"
CONFIG = LoRAConfig(rank=16, alpha=32.0, targets=EVERY_LINEAR)
SEQ_LEN, BATCH_SIZE = 64, 32
SENTENCES = (
    "The [MASK] of the film is boring, and the actors are even worse.",
    "The river flows through the [MASK] of the city.",
    "He was born in 1912 and [MASK] in 1987.",
    "Specifies the name of the [MASK] to delete.",
    "This movie was [MASK].",
    "The capital of France is [MASK].",
)


def load_minilm_mlm(
    path: Path = FILE, *, merged: bool = True
) -> tuple[MaskedLanguageModel, Tokenizer]:
    """MiniLM with the head that was learnt here, in evaluation mode, and its tokenizer.

    merged: put the adapter into the weights, so that the model is a plain one; else it stays
        attached, under the name "mlm".

    Raises AdapterError if the adapter is missing or damaged, and what ``load_pretrained`` raises.
    """
    encoder, tokenizer = load_pretrained("minilm")
    model = MaskedLanguageModel(encoder.config, encoder=encoder)
    handle = load(model, path, name="mlm")
    if merged:
        handle.merge(keep=False)
    return model.eval(), tokenizer


def prepared(
    encoder: Encoder, tokenizer: Tokenizer
) -> tuple[MaskedLanguageModel, Handle, dict[str, TokenArray]]:
    """The model before training, its adapter, and the encoded text by split.

    The model has a new head that starts from the tokens' frequencies, and the adapter is LoRA.
    """
    corpus = data.load_corpus("english")
    folder = data.cache_dir() / "encoded" / f"{corpus.name}-{corpus.fingerprint[:12]}-minilm"
    arrays = {
        split: encode_corpus(
            corpus.texts(split),
            tokenizer,
            folder / split,
            fingerprint=f"{corpus.fingerprint}-{split}-minilm",
        )
        for split in ("train", "validation")
    }
    torch.manual_seed(0)
    model = MaskedLanguageModel(encoder.config, encoder=encoder)
    counts = token_counts(arrays["train"].tokens, tokenizer.vocab_size, tokenizer.special_ids)
    model.start_from_frequencies(torch.from_numpy(counts).double())
    return model, attach(model, CONFIG, name="mlm"), arrays


def learn(path: Path, *, seconds: float, lr: float = 1e-3) -> dict:
    """Train head and LoRA for so many seconds, write the adapter to ``path``, its card beside it.

    Returns the card.
    """
    encoder, tokenizer = load_pretrained("minilm")
    model, handle, arrays = prepared(encoder, tokenizer)
    stream = MLMStream(arrays["train"], tokenizer, SEQ_LEN, BATCH_SIZE, MaskPolicy(rate=0.2))
    held_out = fixed_batches(
        arrays["validation"], tokenizer, seq_len=SEQ_LEN, batch_size=BATCH_SIZE, max_tokens=40_000
    )
    config = TrainConfig(seconds=seconds, lr=lr, warmup=0.03, weight_decay=0.01, log_every=50)
    started = time.process_time()
    result = train(model, MaskedLM(), stream, config)
    handle.save(path)
    card = {
        "command": f"{COMMAND} --minutes {seconds / 60:g} --lr {lr:g}",
        "what": "head and LoRA of MaskedLanguageModel on all-MiniLM-L6-v2; the base is not in the "
        "file",
        "data": [
            "load_corpus('english'), split train",
            *data.load_corpus("english").describe().splitlines()[1:],
        ],
        "cpu_seconds": round(time.process_time() - started),
        **_measured(model, held_out, arrays, tokenizer, result),
        "adapter": str(handle.summary()).splitlines(),
        "limits": "English only; encyclopaedia articles, cloud documentation and film reviews; "
        "little knowledge of the world (look at the capital of France); trained on rows of 64 "
        "tokens",
        "licence": "base Apache-2.0; text as load_corpus('english') says",
        "hardware": hardware.describe(),
    }
    path.with_suffix(".json").write_text(
        json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8"
    )
    return card


def _measured(
    model: MaskedLanguageModel,
    held_out: list,
    arrays: dict,
    tokenizer: Tokenizer,
    result: TrainResult,
) -> dict:
    """Held-out loss beside the lines of "no language", and some sentences filled in."""
    found = evaluate(model, MaskedLM(tokenizer.mask_id), held_out, precision="fp32")
    lines = lines_of_nothing(
        arrays["train"].tokens,
        held_out,
        vocab_size=tokenizer.vocab_size,
        mask_id=tokenizer.mask_id,
        special_ids=tokenizer.special_ids,
    )
    samples = {
        text: [f"{p.token} {p.probability:.2f}" for p in fill_mask(model, tokenizer, text, 5)[0]]
        for text in SENTENCES
    }
    return {
        "seconds": round(result.seconds),
        "steps": result.steps,
        "held_out": {
            "nll": found.nll,
            "nll_mask": found.parts["mask"].nll,
            "accuracy": found.accuracy,
            "unigram_nll": lines.unigram,
            "unigram_nll_mask": lines.unigram_mask,
            "copying_nll": lines.copying,
            "tokens": found.count,
        },
        "fill_mask": samples,
    }


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    summary = str(__doc__).partition("\n")[0]
    parser = argparse.ArgumentParser(prog=COMMAND, description=summary)
    parser.add_argument("--minutes", type=float, default=20, help="of training (default 20)")
    parser.add_argument("--lr", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--out", type=Path, default=FILE, help="where to write the adapter")
    args = parser.parse_args(arguments)
    print(
        json.dumps(
            learn(args.out, seconds=60 * args.minutes, lr=args.lr), indent=1, ensure_ascii=False
        )
    )


if __name__ == "__main__":
    main()
