"""The likeliest words for each gap in a text: what a masked language model is trained for.

    p(x_i | the text with [MASK] at i) = softmax over the vocabulary of the model's logits at i

Several gaps are filled one by one, as if the others stayed empty. Cost: one forward pass; logits at
the gaps only.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from course_lib.encoder import MaskedLanguageModel
from course_lib.tokenization import Tokenizer


class Prediction(NamedTuple):
    """A guess for a masked token and how probable the model holds it."""

    token: str
    probability: float


@torch.no_grad()
def fill_mask(
    model: MaskedLanguageModel, tokenizer: Tokenizer, text: str, k: int = 5
) -> list[list[Prediction]]:
    """The ``k`` likeliest tokens for each ``[MASK]`` in ``text``, in order.

    Raises ValueError if there is no ``[MASK]``, if the text is longer than the model can see, or
    for k < 1.
    """
    if not 1 <= k <= tokenizer.vocab_size:
        raise ValueError(f"k must lie in 1 .. {tokenizer.vocab_size}, got {k}")
    mask = tokenizer.token(tokenizer.mask_id)
    ids = torch.tensor([tokenizer.encode(text).ids], device=next(model.parameters()).device)
    positions = (ids.flatten() == tokenizer.mask_id).nonzero().flatten()
    if not len(positions):
        raise ValueError(
            f"the text has no {mask} to fill: {text!r}; write for example 'The capital of France "
            f"is {mask}.'"
        )
    training = model.training
    probabilities = model.eval()(ids, positions=positions).float().softmax(-1)  # (n, v)
    model.train(training)
    top = probabilities.topk(k, dim=-1)
    return [
        [Prediction(tokenizer.token(i), p) for p, i in zip(values, indices, strict=True)]
        for values, indices in zip(top.values.tolist(), top.indices.tolist(), strict=True)
    ]
