"""What to pre-train, on what, for how long: every setting of the recipe in one record, checked when it is made.

>>> PretrainConfig(steps=100, seconds=None).training().steps
100
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from course_lib.encoder import EncoderConfig
from course_lib.masking import MaskPolicy
from course_lib.training import TrainConfig


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
