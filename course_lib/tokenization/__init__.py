"""Text to numbers and back (chapter 03).

Tokenizers, how they are trained, and the two algorithms by hand.
"""

from .tokenizer import Encoding, Tokenizer, train_tokenizer
from .trainers import KINDS, SPECIAL_TOKENS

__all__ = ["KINDS", "SPECIAL_TOKENS", "Encoding", "Tokenizer", "train_tokenizer"]
