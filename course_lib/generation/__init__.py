"""Text out of a model: filling gaps (chapters 09 and 10)."""

from .filling import Prediction, fill_mask

__all__ = ["Prediction", "fill_mask"]
