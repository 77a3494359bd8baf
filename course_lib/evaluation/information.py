"""Surprise in numbers: entropy, cross-entropy, Kullback-Leibler divergence, and bits per byte.

    H(p) = - sum p log p        H(p, q) = - sum p log q
    KL(p || q) = sum p log(p / q) = H(p, q) - H(p) >= 0

Everything is in nats (natural logarithm) unless it says bits; 1 nat = 1 / ln 2 = 1.4427 bits. A
model's loss on text is a cross-entropy between the text's unknown distribution and the model's:
what remains of it after the best training is the text's own entropy, what can be trained away is
the divergence.

Nats per *token* depend on what a token is: cut the text into half as many pieces and each is about
twice as hard. Bits per *byte* of the original text do not:

    bits per byte = (summed nats over all tokens of the text) / (ln 2 * bytes of the text in UTF-8)

Cost: one pass. Sources: Shannon 1948 (doi:10.1002/j.1538-7305.1948.tb01338.x), Kullback & Leibler
1951 (doi:10.1214/aoms/1177729694).

>>> p, q = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.25, 0.25, 0.5])
>>> [round(nats_to_bits(h.item()), 6) for h in (entropy(p), kl_divergence(p, q))]
[1.0, 1.0]
>>> kl_divergence(q, p).item()  # q calls possible what p rules out
inf
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.tokenization.texts import checked_texts


def entropy(p: Float[Tensor, "... v"]) -> Float[Tensor, ...]:
    """H(p) in nats over the last axis, 0 log 0 = 0; at most ln v, where p is uniform.

    Raises ValueError if a row of ``p`` is not a distribution.
    """
    return -torch.xlogy(_checked("p", p), p).sum(-1)


def cross_entropy(p: Float[Tensor, "... v"], q: Float[Tensor, "... v"]) -> Float[Tensor, ...]:
    """H(p, q) in nats: the mean surprise of one who believes q where p is true.

    Infinite if q excludes what p allows. Raises ValueError if a row of ``p`` or ``q`` is not a
    distribution.
    """
    return -torch.xlogy(_checked("p", p), _checked("q", q)).sum(-1)


def kl_divergence(p: Float[Tensor, "... v"], q: Float[Tensor, "... v"]) -> Float[Tensor, ...]:
    """KL(p || q) in nats: the surprise that believing q costs beyond p's own entropy.

    Not symmetric; 0 only for p = q. Raises ValueError if a row of ``p`` or ``q`` is not a
    distribution.
    """
    return cross_entropy(p, q) - entropy(p)


def _checked(name: str, p: Tensor) -> Tensor:
    off = (p.sum(-1) - 1).abs().max() if p.numel() else 0.0
    if (p < 0).any() or not off < 1e-3:
        raise ValueError(
            f"{name} must hold probabilities that add up to 1 along the last axis (smallest "
            f"{float(p.min()):.3g}, largest error of a sum {float(off):.3g}): apply softmax to "
            "logits first"
        )
    return p


def nats_to_bits(nats: float) -> float:
    """nats / ln 2."""
    return nats / math.log(2)


def utf8_bytes(texts: Iterable[str]) -> int:
    """Length of the texts in bytes of UTF-8: an English letter has 1, most Chinese characters 3.

    Raises TypeError if ``texts`` is one string or holds what is none, ValueError if one holds half
    a character (a lone surrogate), which has no bytes.

    >>> utf8_bytes(["word", "词"])
    7
    """
    return sum(len(text.encode("utf-8")) for text in checked_texts(texts))


def bits_per_byte(total_nats: float, n_bytes: int) -> float:
    """The summed loss over a whole text, per byte of that text: comparable across tokenizers.

    total_nats: sum, not mean, over *every* token of the text (``Evaluation.nll * Evaluation.count``
        of a causal model, or of an n-gram model), end-of-document tokens included. A masked model's
        loss is no probability of the text, so this is for models that give one.
    n_bytes: length of the *original* text (``utf8_bytes``). A tokenizer that lower-cases makes an
        easier text.

    Raises ValueError if n_bytes is not positive.

    >>> bits_per_byte(8 * math.log(2) * 100, 100)  # knows nothing: every byte costs its 8 bits
    8.0
    """
    if n_bytes < 1:
        raise ValueError(f"n_bytes must be positive, got {n_bytes}: the text is empty")
    return nats_to_bits(total_nats) / n_bytes
