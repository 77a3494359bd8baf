"""Which tokens are hidden and what stands in their place (chapter 04)."""

from .constant import mask_constant
from .policy import MaskPolicy
from .replacement import replace_tokens
from .shown import SHOWN, shown_as, targets_shown_as
from .spans import span_law
from .tokens import Masked, mask_tokens

__all__ = [
    "SHOWN",
    "MaskPolicy",
    "Masked",
    "mask_constant",
    "mask_tokens",
    "replace_tokens",
    "shown_as",
    "span_law",
    "targets_shown_as",
]
