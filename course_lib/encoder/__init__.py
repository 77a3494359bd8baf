"""The encoder, its heads, its costs, and its way from and to ``transformers`` (chapter 08)."""

from .config import EncoderConfig
from .heads import BinaryClassifier, MaskedLanguageModel
from .model import Encoder
from .transformers_encoder import TransformersEncoder

__all__ = [
    "BinaryClassifier",
    "Encoder",
    "EncoderConfig",
    "MaskedLanguageModel",
    "TransformersEncoder",
]
