"""From a corpus' name to a trained masked language model (chapter 09)."""

from .config import PretrainConfig
from .recipe import Prepared, build_model, prepare, pretrain

__all__ = ["Prepared", "PretrainConfig", "build_model", "prepare", "pretrain"]
