"""From encoded text to batches by number (chapters 04, 09, 09b).

Files of tokens, packing, padding, and streams that can seek.
"""

from .causal import CausalStream, next_token_batch
from .collation import collate, pad_rows
from .encoded import TokenArray, encode_corpus
from .joined import join_arrays
from .packing import lay_out, plan_rows, segments
from .shuffling import generator_for, seed_of, shuffled
from .stream import MLMStream, Stream, fixed_batches

__all__ = [
    "CausalStream",
    "MLMStream",
    "Stream",
    "TokenArray",
    "collate",
    "encode_corpus",
    "fixed_batches",
    "generator_for",
    "join_arrays",
    "lay_out",
    "next_token_batch",
    "pad_rows",
    "plan_rows",
    "seed_of",
    "segments",
    "shuffled",
]
