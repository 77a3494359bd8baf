"""Runs of ``train`` for tests, by one worker or under torchrun: distributed_run.py OUT NAME [...].

Each name is a key of ``RUNS``. The model computes in float64, so that rounding is far below any
mistake. The first worker leaves the weights and the history of each run in OUT/NAME-COUNT.pt; a
resumed run goes on from OUT/NAME-COUNT/run.
"""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from small_language import small_language

from course_lib.batches import MLMStream, encode_corpus, fixed_batches
from course_lib.distributed import Workers, join
from course_lib.distributed.sharding import local_bytes, whole
from course_lib.encoder import EncoderConfig, MaskedLanguageModel
from course_lib.objectives import MaskedLM
from course_lib.optimisation import adamw
from course_lib.optimisation.schedules import linear
from course_lib.tokenization import train_tokenizer
from course_lib.training import TrainConfig, checkpoint, train

STEPS = 8
RUNS = {  # what differs from the plain run
    "plain": {},
    "accumulated": {"accumulation": 3},
    "sharded": {"sharded": True},
    "sharded_accumulated": {"sharded": True, "accumulation": 3},
    "accelerated": {"accelerated": True},
    "means": {"means": True},  # the fault: each worker's mean, averaged over workers
    "stopped": {"until": 5},
    "stopped_sharded": {"until": 5, "sharded": True},
    "resumed": {"resume": True},
    "resumed_sharded": {"resume": True, "sharded": True},
}


class MeanOfOwn(MaskedLM):
    """The loss that makes backward average the workers' means."""

    def __init__(self, stream: MLMStream, workers: Workers) -> None:
        self.stream, self.count, self.step = stream, workers.count, 0

    def __call__(self, model, batch):
        loss = super().__call__(model, batch)
        if not torch.is_grad_enabled():
            return loss
        targets = self.stream.batch(self.step).n_targets
        self.step += 1
        return replace(loss, total=loss.total / loss.count * targets / self.count)


def accelerated_run(model, stream: MLMStream, config: TrainConfig, workers: Workers) -> None:
    """The loop as users of ``accelerate`` write it, loss weighted by the whole batch's tokens."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    optimizer = adamw(
        model, lr=config.lr, weight_decay=config.weight_decay, betas=config.betas, eps=config.eps
    )
    wrapped, optimizer = accelerator.prepare(model, optimizer)
    for step in range(STEPS):
        batch = stream.batch(step)
        loss = MaskedLM()(wrapped, workers.share(batch))
        accelerator.backward(loss.total * accelerator.num_processes / batch.n_targets)
        accelerator.clip_grad_norm_(model.parameters(), config.clip)
        for group in optimizer.param_groups:
            group["lr"] = config.lr * linear(step / STEPS, warmup=config.warmup)
        optimizer.step()
        optimizer.zero_grad()


class Stopping:
    """A stream that ends a run without a last checkpoint, as a lost machine would."""

    def __init__(self, stream: MLMStream, until: int) -> None:
        self.stream, self.until, self.fingerprint = stream, until, stream.fingerprint

    def batch(self, step: int):
        if step == self.until:
            raise InterruptedError
        return self.stream.batch(step)


def one_run(
    out: Path,
    workers: Workers,
    *,
    means=False,
    accelerated=False,
    sharded=False,
    until=STEPS,
    resume=False,
    **changes,
) -> dict:
    texts = small_language(100, seed=1)
    tokenizer = train_tokenizer(texts, vocab_size=90)
    tokens = encode_corpus(texts, tokenizer, out / f"tokens-{workers.rank}", progress=False)
    stream = MLMStream(tokens, tokenizer, seq_len=16, batch_size=8)
    # a last batch of one row
    validation = fixed_batches(tokens, tokenizer, seq_len=16, batch_size=8, max_tokens=400)
    torch.manual_seed(1)
    shape = dict(n_layers=2, d_model=16, n_heads=2, max_len=16, dropout=0.0)
    encoder = EncoderConfig.modern(vocab_size=tokenizer.vocab_size, **shape)
    model = MaskedLanguageModel(encoder).double()
    if sharded:
        workers = replace(workers, sharded=True)
    config = TrainConfig(
        steps=STEPS,
        lr=1e-2,
        precision="fp32",
        log_every=2,
        evaluate_every=4,
        checkpoint_every=3,
        clip=0.5,
        **changes,
    )
    objective = MeanOfOwn(stream, workers) if means else MaskedLM()
    if accelerated:
        accelerated_run(model, stream, config, workers)
        return {"weights": model.state_dict()}
    try:
        run = train(
            model,
            objective,
            Stopping(stream, until),
            config,
            validation=validation,
            out=out / "run",
            resume=resume,
            progress=True,
            device="cpu",
            workers=workers,
        )
        history = run.history
    except InterruptedError:
        history = []
    return {
        "weights": {k: whole(v) for k, v in model.state_dict().items()},
        "history": history,
        "bytes": local_bytes(*model.parameters()),
    }


def forbidden(*_, **__):
    raise AssertionError("a worker other than the first wrote a checkpoint")


def main(out: Path, names: list[str]) -> None:
    with join() as workers:
        if not workers.first:
            checkpoint.write_folder = forbidden
        for name in names:
            found = one_run(out / f"{name}-{workers.count}", workers, **RUNS[name])
            if workers.first:
                torch.save(found, out / f"{name}-{workers.count}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
