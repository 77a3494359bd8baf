"""The models that come with the course:

MiniLM from a Python package, its head learnt again, and a small one of our own.
"""

from .minilm import load_pretrained
from .minilm_mlm import load_minilm_mlm
from .small_model import load_small_model

__all__ = ["load_minilm_mlm", "load_pretrained", "load_small_model"]
