"""Gradients by hand, and the check that they are right (chapter 06)."""

from .checking import GradientError, Report, check_gradients, compare

__all__ = ["GradientError", "Report", "check_gradients", "compare"]
