"""Which tokens are predicted, and what the model sees in their place, in one record.

The defaults are BERT's (Devlin et al. 2019, arXiv:1810.04805): 15 % of the tokens; of these 80 %
become [MASK], 10 % a random token, 10 % stay as they are. Spans and their lengths are SpanBERT's
(Joshi et al. 2020, arXiv:1907.10529).

>>> MaskPolicy(rate=0.3).rate, MaskPolicy.from_json(MaskPolicy(unit="word").to_json()).unit
(0.3, 'word')
"""

from __future__ import annotations

from dataclasses import dataclass

from course_lib.settings import Settings

UNITS = ("token", "word", "span")


@dataclass(frozen=True)
class MaskPolicy(Settings):
    """Which positions are predicted, and what the model sees there. The defaults are BERT's.

    rate: expected share of the tokens that are predicted, in (0, 1].
    mask, random, keep: shares of the predicted tokens that are shown as [MASK], as a random token,
        as themselves.
    unit: ``"token"``, ``"word"`` (all of its pieces or none) or ``"span"`` (runs of whole words).
    mean_span, max_span: mean and largest length of a span in words; 3.8 and 10 are SpanBERT's
        (geometric, p = 0.2).

    Raises ValueError or TypeError for a field outside its range or of another type.
    """

    rate: float = 0.15
    mask: float = 0.8
    random: float = 0.1
    keep: float = 0.1
    unit: str = "token"
    mean_span: float = 3.8
    max_span: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.rate <= 1:
            raise ValueError(
                f"rate must be in (0, 1], got {self.rate}: it is a share, 0.15 for 15 %"
            )
        shares = (self.mask, self.random, self.keep)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
            raise ValueError(
                f"mask, random and keep must not be negative and must add up to 1, got {shares}, "
                f"sum {sum(shares):.6g}: they are shares of the predicted tokens, 0.8, 0.1 and 0.1 "
                "in BERT"
            )
        if self.unit not in UNITS:
            raise ValueError(f"unit must be one of {UNITS}, got {self.unit!r}")
        if not 1 <= self.max_span <= 255:
            raise ValueError(
                f"max_span must be a whole number of words from 1 to 255, got {self.max_span}"
            )
        if self.unit == "span" and not 1 <= self.mean_span <= (self.max_span + 1) / 2:
            raise ValueError(
                "mean_span must be at least 1 and at most (max_span + 1) / 2 = "
                f"{(self.max_span + 1) / 2}, got {self.mean_span}: raise max_span or lower "
                "mean_span"
            )
