"""From a corpus' name to a trained masked language model (chapter 09)."""

from .config import PretrainConfig
from .recipe import Prepared, build_model, prepare, pretrain
from .start import Start, load_start

__all__ = [
    "Prepared",
    "PretrainConfig",
    "Start",
    "build_model",
    "load_start",
    "prepare",
    "pretrain",
]
