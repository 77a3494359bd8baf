"""How good, and how sure: losses, baselines, scores of tasks, intervals (chapters 05 and 14)."""

from .held_out import Evaluation, evaluate, perplexity
from .intervals import Interval, bootstrap_interval, seed_interval
from .likelihood import pseudo_perplexity
from .metrics import classification_scores, entity_scores, span_scores
from .ngrams import fit_ngrams, token_counts, unigram_nll

__all__ = [
    "Evaluation",
    "Interval",
    "bootstrap_interval",
    "classification_scores",
    "entity_scores",
    "evaluate",
    "fit_ngrams",
    "perplexity",
    "pseudo_perplexity",
    "seed_interval",
    "span_scores",
    "token_counts",
    "unigram_nll",
]
