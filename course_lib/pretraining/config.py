"""What to pre-train, on what, for how long: every setting of the recipe, checked when it is made.

>>> PretrainConfig(steps=100, seconds=None).training().steps
100
>>> PretrainConfig.of({"lr": 0.1, "mask": {"rate": 0.2}}).mask.rate
0.2
>>> PretrainConfig().n_layers, PretrainConfig(init="runs/first").n_layers
(2, None)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from course_lib.encoder import EncoderConfig
from course_lib.masking import MaskPolicy
from course_lib.tokenization import KINDS
from course_lib.training import LoopConfig, TrainConfig

SHAPE = {
    "shape": "modern",
    "n_layers": 2,
    "d_model": 128,
    "n_heads": 4,
    "vocab_size": 4096,
    "kind": "wordpiece",
}
"""What a new model and its tokenizer are, where nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(LoopConfig):
    """What to pre-train, on what, for how long.

    corpus: a name or a path for ``load_corpus``.  text: the field or column of your own text.
    init: go on from the model in this folder, with its tokenizer (see ``start``). The fields of
        ``SHAPE`` are then the model's; what is said here must agree with it. A model that has
        learnt wants a smaller ``lr``, a tenth or less.
    steps or seconds: the budget (seconds of training).
    shape: "modern" or "bert"; n_layers, d_model, n_heads as in ``EncoderConfig``.
    vocab_size, kind: of the tokenizer. These six are ``None`` where ``init`` decides and ``SHAPE``
        where nobody does.
    seq_len, batch_size: of a batch.
    mask: the ``MaskPolicy`` of the training batches; 30 % learns faster in a short run than BERT's
        15 % (chapter 09). Held-out text is always masked by ``MaskPolicy()``, 15 %, so that runs
        can be compared.
    validation_tokens: held-out text that is evaluated.
    The others: see ``LoopConfig``; ``seed`` is of the first weights and of the order, too.

    Raises ValueError or TypeError naming the field that can't be.
    """

    corpus: str = "english"
    text: str = "text"
    init: str | None = None
    seconds: float | None = 90.0
    steps: int | None = None
    shape: str | None = None
    n_layers: int | None = None
    d_model: int | None = None
    n_heads: int | None = None
    vocab_size: int | None = None
    kind: str | None = None
    seq_len: int = 64
    batch_size: int = 32
    mask: MaskPolicy = field(default_factory=lambda: MaskPolicy(rate=0.3))
    validation_tokens: int = 100_000
    lr: float = 3e-3
    warmup: float = 0.05
    evaluate_every: int | None = 500
    checkpoint_seconds: float | None = 30.0

    def __post_init__(self) -> None:
        for name, value in SHAPE.items() if self.init is None else ():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        super().__post_init__()
        if self.shape not in ("modern", "bert") and (self.shape or self.init is None):
            raise ValueError(f"shape must be 'modern' or 'bert', got {self.shape!r}")
        for name in ("seq_len", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.kind is not None and self.kind not in KINDS:
            raise ValueError(f"kind must be one of {sorted(KINDS)}, got {self.kind!r}")
        if self.validation_tokens < self.seq_len:
            raise ValueError(
                f"validation_tokens must be at least seq_len, got {self.validation_tokens}"
            )
        # these raise where a field of the encoder or of the loop can't be
        if self.init is None:
            assert self.vocab_size is not None, "SHAPE has filled it"
            self.encoder(self.vocab_size)
        self.training()

    def training(self) -> TrainConfig:
        """The part of this configuration that ``train`` needs."""
        return TrainConfig(**self.loop(steps=self.steps, seconds=self.seconds))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> PretrainConfig:
        """The configuration that ``dataclasses.asdict`` made, also after a way through JSON.

        Raises ValueError for a field that there is not.
        """
        return cls.from_values(values)

    def encoder(self, vocab_size: int) -> EncoderConfig:
        """The encoder for a vocabulary of this size."""
        make = EncoderConfig.modern if self.shape == "modern" else EncoderConfig.bert
        # where ``init`` decides they are None until it has: EncoderConfig says so
        shape: dict[str, Any] = dict(
            n_layers=self.n_layers,
            d_model=self.d_model,
            n_heads=self.n_heads,
            max_len=max(512, self.seq_len),
        )
        # no text is seen often enough to need dropout
        return make(vocab_size=vocab_size, dropout=0.0, **shape)
