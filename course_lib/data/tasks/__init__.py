"""Labelled tasks by name, and what they are made of."""

from .loading import TASKS, AnyTask, load_task

__all__ = ["TASKS", "AnyTask", "load_task"]
