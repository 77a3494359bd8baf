"""From a corpus' name to a trained masked language model (chapter 09)."""

from .config import PretrainConfig
from .judgement import judge, no_language
from .preparation import Prepared, prepare
from .recipe import build_model, pretrain
from .start import Start, load_start

__all__ = [
    "Prepared",
    "PretrainConfig",
    "Start",
    "build_model",
    "judge",
    "load_start",
    "no_language",
    "prepare",
    "pretrain",
]
