"""Several processes with the result of one, and what they cost (chapter 13)."""

from .workers import WorkerLostError, Workers, join

__all__ = ["WorkerLostError", "Workers", "join"]
