"""A small run in its own process, for tests that kill it: training_run.py OUT STEPS RESUME KILL_AT.

KILL_AT: a step after which the process ends itself with SIGKILL (-1: never).
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from small_language import small_language

from course_lib.batches import MLMStream, encode_corpus, fixed_batches
from course_lib.encoder import EncoderConfig, MaskedLanguageModel
from course_lib.objectives import MaskedLM
from course_lib.tokenization import train_tokenizer
from course_lib.training import TrainConfig, train


def main(out: str, steps: int, resume: bool, kill_at: int) -> None:
    torch.use_deterministic_algorithms(True)
    texts = small_language(100, seed=1)
    tokenizer = train_tokenizer(texts, vocab_size=90)
    tokens = encode_corpus(texts, tokenizer, Path(out) / "tokens", fingerprint="x", progress=False)
    stream = MLMStream(tokens, tokenizer, seq_len=16, batch_size=8)
    validation = fixed_batches(tokens, tokenizer, seq_len=16, batch_size=8, max_tokens=400)
    torch.manual_seed(1)
    shape = dict(vocab_size=tokenizer.vocab_size, n_layers=1, d_model=16, n_heads=2, max_len=16)
    model = MaskedLanguageModel(EncoderConfig.bert(**shape, dropout=0.2))
    original = stream.batch

    class Killing:
        fingerprint = stream.fingerprint

        def batch(self, step: int):
            if step == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(step)

    config = TrainConfig(
        steps=steps,
        lr=3e-3,
        accumulation=2,
        precision="bf16",
        log_every=3,
        evaluate_every=4,
        patience=50,
        checkpoint_every=5,
    )
    options = dict(validation=validation, out=out, resume=resume, progress=False)
    train(model, MaskedLM(), Killing(), config, **options)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "resume", int(sys.argv[4]))
