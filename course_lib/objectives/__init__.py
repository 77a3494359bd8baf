"""What is minimised: objectives that need no labels, and the loss that they share (chapter 05)."""

from .loss import Loss, Objective, target_logits, targets_of
from .self_supervised import CausalLM, MaskedLM, NextSentence, ReplacedToken

__all__ = [
    "CausalLM",
    "Loss",
    "MaskedLM",
    "NextSentence",
    "Objective",
    "ReplacedToken",
    "target_logits",
    "targets_of",
]
