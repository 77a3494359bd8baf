"""Optimisers, schedules, and rates by layer (chapter 07)."""

from .gradient_noise import gradient_noise_scale
from .layer_rates import rate_scales, scale_rates
from .optimisers import OPTIMIZERS, Muon, adamw, muon, sgd
from .range_test import lr_range_test
from .schedules import SCHEDULES

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "Muon",
    "adamw",
    "gradient_noise_scale",
    "lr_range_test",
    "muon",
    "rate_scales",
    "scale_rates",
    "sgd",
]
