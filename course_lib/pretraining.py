"""From a corpus' name to a trained masked language model: the whole recipe in one function.

    corpus -> tokenizer -> flat array on disk -> stream of masked batches -> train -> evaluate -> result.json

Each stage is one call of the file that is named after it; read this page first and those after it.

The defaults are a sketch for two CPU cores and 90 seconds. Source of the recipe for a fixed budget of time: Geiping
& Goldstein 2023 (arXiv:2212.14034, "Cramming").
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import NamedTuple

import torch

from . import checkpoint, data, hardware
from .distributed import Workers
from .encoder import EncoderConfig
from .evaluation import evaluate, token_counts, unigram_nll
from .heads import MaskedLanguageModel
from .masking import MaskPolicy
from .objectives import MaskedLM
from .packing import TokenArray, encode_corpus
from .sharding import whole
from .streaming import MLMStream, fixed_batches
from .tokenization import Tokenizer, train_tokenizer
from .training import TrainConfig, train
from .types import Batch


@dataclass(frozen=True)
class PretrainConfig:
    """What to pre-train, on what, for how long.

    corpus: a name for ``load_corpus``.  steps or seconds: the budget (seconds of training).
    shape: "modern" or "bert"; n_layers, d_model, n_heads as in ``EncoderConfig``.  vocab_size, kind: of the tokenizer.
    seq_len, batch_size: of a batch.  validation_tokens: held-out text that is evaluated.
    mask: the ``MaskPolicy`` of the training batches; 30 % learns faster in a short run than BERT's 15 % (chapter 09).
        Held-out text is always masked by ``MaskPolicy()``, 15 %, so that runs can be compared.
    The others are those of ``TrainConfig``.
    """

    corpus: str = "english"
    seconds: float | None = 90.0
    steps: int | None = None
    shape: str = "modern"
    n_layers: int = 2
    d_model: int = 128
    n_heads: int = 4
    vocab_size: int = 4096
    kind: str = "wordpiece"
    seq_len: int = 64
    batch_size: int = 32
    mask: MaskPolicy = field(default_factory=lambda: MaskPolicy(rate=0.3))
    optimizer: str = "adamw"
    lr: float = 3e-3
    schedule: str = "linear"
    warmup: float = 0.05
    weight_decay: float = 0.01
    accumulation: int = 1
    precision: str = "auto"
    compile: bool = False
    evaluate_every: int | None = 500
    patience: int | None = None
    checkpoint_every: int | None = None
    checkpoint_seconds: float | None = 30.0
    validation_tokens: int = 100_000
    tensorboard: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.shape not in ("modern", "bert"):
            raise ValueError(f"shape must be 'modern' or 'bert', got {self.shape!r}")
        if self.validation_tokens < self.seq_len:
            raise ValueError(f"validation_tokens must be at least seq_len, got {self.validation_tokens}")
        self.training()  # raises where a field of it can't be

    def training(self) -> TrainConfig:
        """The part of this configuration that ``train`` needs."""
        shared = {f.name for f in fields(TrainConfig)} & {f.name for f in fields(self)}
        return TrainConfig(**{name: getattr(self, name) for name in shared})

    def encoder(self, vocab_size: int) -> EncoderConfig:
        """The encoder for a vocabulary of this size."""
        make = EncoderConfig.modern if self.shape == "modern" else EncoderConfig.bert
        shape = dict(
            n_layers=self.n_layers, d_model=self.d_model, n_heads=self.n_heads, max_len=max(512, self.seq_len)
        )
        return make(
            vocab_size=vocab_size, dropout=0.0, **shape
        )  # no text is seen often enough to need dropout


class Prepared(NamedTuple):
    """Everything that training needs: see ``prepare``."""

    tokenizer: Tokenizer
    tokens: TokenArray
    stream: MLMStream
    validation: list[Batch]


def prepare(config: PretrainConfig, *, progress: bool = True) -> Prepared:
    """Corpus, tokenizer and encoded text, each made once and then taken from the cache; the stream over them."""
    corpus = data.load_corpus(config.corpus, progress=progress)
    folder = (
        data.cache_dir()
        / "encoded"
        / f"{corpus.name}-{corpus.fingerprint[:12]}-{config.kind}-{config.vocab_size}"
    )
    tokenizer = _tokenizer(folder / "tokenizer", corpus, config, progress)
    arrays = {
        split: encode_corpus(
            corpus.texts(split),
            tokenizer,
            folder / split,
            fingerprint=f"{corpus.fingerprint}-{split}",
            progress=progress,
        )
        for split in ("train", "validation")
    }
    rows = dict(seq_len=config.seq_len, batch_size=config.batch_size)
    stream = MLMStream(arrays["train"], tokenizer, seed=config.seed, policy=config.mask, **rows)
    # Judged with the same 15 % masks whatever the seed and the policy: only so can runs be compared.
    validation = fixed_batches(
        arrays["validation"],
        tokenizer,
        seed=0,
        max_tokens=config.validation_tokens,
        policy=MaskPolicy(),
        **rows,
    )
    return Prepared(tokenizer, arrays["train"], stream, validation)


def _tokenizer(path: Path, corpus, config: PretrainConfig, progress: bool) -> Tokenizer:
    try:
        return Tokenizer.load(path)
    except (ValueError, OSError):
        tokenizer = train_tokenizer(corpus.texts("train"), config.vocab_size, config.kind, progress=progress)
        tokenizer.save(path)
        return tokenizer


def build_model(config: PretrainConfig, prepared: Prepared) -> MaskedLanguageModel:
    """A new model that starts from the tokens' frequencies; its weights depend on ``config.seed``."""
    torch.manual_seed(config.seed)
    tokenizer = prepared.tokenizer
    model = MaskedLanguageModel(replace(config.encoder(tokenizer.vocab_size), pad_id=tokenizer.pad_id))
    counts = token_counts(prepared.tokens.tokens, tokenizer.vocab_size, tokenizer.special_ids)
    model.start_from_frequencies(torch.from_numpy(counts).double())
    return model


def pretrain(
    config: PretrainConfig,
    out: str | os.PathLike,
    *,
    resume: bool = False,
    progress: bool = True,
    workers: Workers = Workers(),  # noqa: B008  (frozen)
) -> dict[str, object]:
    """Pre-train, and write checkpoints, ``metrics.jsonl``, the model with its tokenizer, and ``result.json`` to ``out``.

    Returns what ``result.json`` holds: ``unigram_nll`` and ``validation_nll`` (nats per masked token),
    ``tokens_per_second``, ``steps``, ``seconds``, ``parameters``, the configuration, hardware and versions.
    workers: from ``distributed.join``; all call this function, the first writes.

    Raises ValueError if ``out`` already holds a run and ``resume`` is not set.
    """
    out = Path(out)
    if not resume and (checkpoint.checkpoints(out) or (out / "result.json").exists()):
        raise ValueError(
            f"{out} already holds a run: go on with it (resume, on the command line --resume) or choose another folder"
        )
    with workers.in_turn():
        prepared = prepare(config, progress=progress and workers.first)
    model = build_model(config, prepared)
    run = train(
        model, MaskedLM(), prepared.stream, config.training(), validation=prepared.validation, out=out,
        resume=resume, progress=progress, workers=workers,
    )  # fmt: skip
    found = evaluate(model, MaskedLM(), prepared.validation, precision=config.precision, workers=workers)
    if workers.sharded:
        model = unsharded(model)
    tokenizer = prepared.tokenizer
    unigram = unigram_nll(
        prepared.tokens.tokens, prepared.validation, tokenizer.vocab_size, tokenizer.special_ids
    )
    result = {
        "unigram_nll": unigram,
        "validation_nll": found.nll,
        "validation_accuracy": found.accuracy,
        "validation_targets": found.count,
        "tokens_per_second": round(run.tokens_per_second),
        "tokens": run.tokens,
        "steps": run.steps,
        "seconds": round(run.seconds, 2),
        "parameters": sum(p.numel() for p in model.parameters()),
        "stopped": run.stopped,
        "config": asdict(config),
        "hardware": hardware.describe(),
        "workers": workers.count,
        "sharded": workers.sharded,
    }
    if workers.first:
        _write(out, model, tokenizer, result)
    return result


def unsharded(model: MaskedLanguageModel) -> MaskedLanguageModel:
    """A model of its own with the whole weights of a sharded one, on the CPU (all workers must call)."""
    copy = MaskedLanguageModel(model.config)
    copy.load_state_dict({name: whole(tensor).cpu() for name, tensor in model.state_dict().items()})
    return copy.eval()


def _write(out: Path, model: MaskedLanguageModel, tokenizer: Tokenizer, result: dict) -> None:
    checkpoint.save_model(out, model, tokenizer)
    work = out / ".result.json"
    work.write_text(json.dumps(result, indent=2), "utf-8")
    os.replace(work, out / "result.json")


class Prediction(NamedTuple):
    """A guess for a masked token and how probable the model holds it."""

    token: str
    probability: float


@torch.no_grad()
def fill_mask(
    model: MaskedLanguageModel, tokenizer: Tokenizer, text: str, k: int = 5
) -> list[list[Prediction]]:
    """The ``k`` likeliest tokens for each ``[MASK]`` in ``text``, in order.

    Raises ValueError if there is no ``[MASK]``, if the text is longer than the model can see, or for k < 1.
    """
    if not 1 <= k <= tokenizer.vocab_size:
        raise ValueError(f"k must lie in 1 .. {tokenizer.vocab_size}, got {k}")
    mask = tokenizer.token(tokenizer.mask_id)
    ids = torch.tensor([tokenizer.encode(text).ids], device=next(model.parameters()).device)
    positions = (ids.flatten() == tokenizer.mask_id).nonzero().flatten()
    if not len(positions):
        raise ValueError(
            f"the text has no {mask} to fill: {text!r}; write for example 'The capital of France is {mask}.'"
        )
    training = model.training
    probabilities = model.eval()(ids, positions=positions).float().softmax(-1)  # (n, v)
    model.train(training)
    top = probabilities.topk(k, dim=-1)
    return [
        [Prediction(tokenizer.token(i), p) for p, i in zip(values, indices, strict=True)]
        for values, indices in zip(top.values.tolist(), top.indices.tolist(), strict=True)
    ]
