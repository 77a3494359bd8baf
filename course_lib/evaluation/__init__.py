"""How good, and how sure: losses, baselines, scores of tasks, intervals (chapters 05 and 14)."""

from .held_out import Evaluation, evaluate, perplexity
from .intervals import Interval, bootstrap_interval, seed_interval
from .likelihood import pseudo_perplexity
from .lines import Lines, copying_probabilities, lines_of_nothing
from .metrics import classification_scores, entity_scores, span_scores
from .ngrams import fit_ngrams, token_counts, unigram_nll

__all__ = [
    "Evaluation",
    "Interval",
    "Lines",
    "bootstrap_interval",
    "classification_scores",
    "copying_probabilities",
    "entity_scores",
    "evaluate",
    "fit_ngrams",
    "lines_of_nothing",
    "perplexity",
    "pseudo_perplexity",
    "seed_interval",
    "span_scores",
    "token_counts",
    "unigram_nll",
]
