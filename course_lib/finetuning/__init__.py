"""A pre-trained encoder learns a labelled task (chapter 14)."""

from .baselines import baseline_scores
from .config import FineTuneConfig
from .heads import SequenceClassifier, SpanExtractor, TokenClassifier
from .rows import encode_examples
from .seeds import SeedRuns, finetune_seeds
from .stream import TaskStream
from .tuning import FineTuned, finetune

__all__ = [
    "FineTuneConfig",
    "FineTuned",
    "SeedRuns",
    "SequenceClassifier",
    "SpanExtractor",
    "TaskStream",
    "TokenClassifier",
    "baseline_scores",
    "encode_examples",
    "finetune",
    "finetune_seeds",
]
