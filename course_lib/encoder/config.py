"""The shape of an encoder in one record: what BERT and ModernBERT fix, and what is free in both.

Sources: Devlin et al. 2019 (arXiv:1810.04805, BERT), Warner et al. 2024 (arXiv:2412.13663,
ModernBERT).

>>> EncoderConfig.bert(vocab_size=30_522).d_ff
3072
>>> EncoderConfig.modern(vocab_size=4096, d_model=128, n_heads=4).gated
True
"""

from __future__ import annotations

from dataclasses import dataclass

from course_lib.settings import Settings


@dataclass(frozen=True)
class EncoderConfig(Settings):
    """The shape of an encoder. ``bert()`` and ``modern()`` fill in what each tradition fixes.

    vocab_size, n_layers, d_model (width), n_heads, d_ff (inner width of the feed-forward part),
        max_len (longest row).
    norm: "post" (after the addition, as in BERT) or "pre" (before the layer, with one more norm at
        the end).
    positions: "learned" (a vector per place, at most ``max_len``), "sinusoidal" (a fixed one),
        "rotary" or "none".
    gated: feed-forward with a gate, act(x W_a) * (x W_g), which has one more matrix of
        d_model * d_ff.
    bias: whether linear layers and norms have biases.
    n_token_types: 2 for BERT's sentence A and B, or 0.
    dropout: on embeddings, attention weights and before each addition.
    norm_eps: inside LayerNorm's root.
    rotary_base: the slowest rotary angle turns once in about 2 pi * base tokens.
    init_std: of the first weights.
    pad_id: only remembered, for ``to_transformers``.

    Raises ValueError or TypeError naming the field that can't be.
    """

    vocab_size: int
    n_layers: int
    d_model: int
    n_heads: int
    d_ff: int
    max_len: int
    norm: str = "post"
    positions: str = "learned"
    gated: bool = False
    bias: bool = True
    n_token_types: int = 0
    dropout: float = 0.0
    norm_eps: float = 1e-12
    rotary_base: float = 10_000.0
    init_std: float = 0.02
    pad_id: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("vocab_size", "n_layers", "d_model", "n_heads", "d_ff", "max_len"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name, allowed in (
            ("norm", ("post", "pre")),
            ("positions", ("learned", "sinusoidal", "rotary", "none")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")
        if self.d_model % self.n_heads:
            raise ValueError(
                f"d_model ({self.d_model}) must be a multiple of n_heads ({self.n_heads})"
            )
        if self.positions == "sinusoidal" and self.d_model % 2:
            raise ValueError(
                "sinusoidal positions are pairs of numbers: d_model must be even, got "
                f"{self.d_model}"
            )
        if self.positions == "rotary" and self.d_head % 2:
            raise ValueError(
                "rotary positions turn pairs of numbers: d_model / n_heads must be even, got "
                f"{self.d_head}; choose another n_heads"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")

    @property
    def d_head(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.n_heads

    @classmethod
    def bert(
        cls, *, vocab_size: int, n_layers: int = 12, d_model: int = 768, n_heads: int = 12, **others
    ) -> EncoderConfig:
        """BERT (Devlin et al. 2019): post-norm, learned positions, GELU, biases.

        The defaults are BERT-base.
        """
        defaults = dict(d_ff=4 * d_model, max_len=512, n_token_types=2, dropout=0.1)
        return cls(vocab_size, n_layers, d_model, n_heads, **{**defaults, **others})

    @classmethod
    def modern(
        cls, *, vocab_size: int, n_layers: int = 12, d_model: int = 768, n_heads: int = 12, **others
    ) -> EncoderConfig:
        """ModernBERT (Warner et al. 2024), full attention: pre-norm, rotary, gated GELU, no biases.

        ``d_ff`` defaults to 8/3 of ``d_model``, rounded to 32, so that the gated part has as many
        weights as BERT's. ``init_std`` defaults to ``d_model ** -0.5``, which keeps the scale of a
        vector through a layer; BERT's 0.02 does so at widths near 1 000, and a narrow model that
        starts with it stays longer at the unigram distribution.
        """
        d_ff = max(32, round(d_model * 8 / 3 / 32) * 32)
        defaults = dict(d_ff=d_ff, max_len=1024, bias=False, norm_eps=1e-5, init_std=d_model**-0.5)
        defaults |= dict(norm="pre", positions="rotary", gated=True)
        return cls(vocab_size, n_layers, d_model, n_heads, **{**defaults, **others})
