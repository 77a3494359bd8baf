"""One training loop for every objective: steps, checkpoints, exact resuming (chapter 09)."""

from .checkpoint import CheckpointError, latest_checkpoint
from .config import LoopConfig, TrainConfig
from .interruption import Interrupted
from .loop import train
from .run import NonFiniteError, TrainResult
from .saved_model import load_model, save_model

__all__ = [
    "CheckpointError",
    "Interrupted",
    "LoopConfig",
    "NonFiniteError",
    "TrainConfig",
    "TrainResult",
    "latest_checkpoint",
    "load_model",
    "save_model",
    "train",
]
