"""How probable is a text? Perplexity of a causal model, pseudo-perplexity of a masked one.

    causal    log p(x) = sum over i of log p(x_i | x_1 .. x_{i-1})  chain rule: a true probability
    masked    PLL(x)   = sum over i of log p(x_i | x without x_i)   each position masked alone

    perplexity = exp(- log p(x) / n),     pseudo-perplexity = exp(- PLL(x) / n)

over n tokens of *all* texts together. PLL is not the logarithm of a probability, not even for a
perfect model: each factor is told the other answers, so exp(PLL) does not add up to 1 over all
texts. (Of two words that are always equal, AA and BB have exp(PLL) = 1 each.) A trained model's
conditionals need not fit together either. So the two numbers are not comparable with each other;
each ranks texts and models of its own kind. A word of several pieces flatters a masked
model, which sees the word's other pieces.

Cost: causal, one forward pass; masked, one row per *token*, so n tokens of length t cost t passes
each.

Source: Salazar et al. 2020 (arXiv:1910.14659), equations 1 and 3.

>>> [b.labels.tolist() for b in causal_batches([[2, 7, 8, 3]], max_len=3)]
[[[7, 8, -100], [3, -100, -100]]]
>>> [b.input_ids.tolist() for b in masked_once([[2, 7, 8, 3]], mask_id=4, special_ids=[0, 2, 3, 4])]
[[[2, 4, 8, 3], [2, 7, 4, 3]]]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.batch import IGNORE, Batch
from course_lib.batches import next_token_batch
from course_lib.objectives import CausalLM, MaskedLM, target_logits, targets_of

from .held_out import Evaluation, evaluate


def causal_perplexity(
    model: nn.Module,
    sequences: Sequence[Sequence[int]],
    *,
    max_len: int = 512,
    batch_size: int = 32,
    precision: str = "auto",
) -> Evaluation:
    """Loss of each token given those before it; ``.perplexity`` is over all tokens together.

    sequences: ids, each a document with its [CLS] and [SEP]. Everything but the first token is
    predicted once. Raises ValueError if nothing is predicted.
    """
    batches = causal_batches(sequences, max_len=max_len, batch_size=batch_size)
    return evaluate(model, CausalLM(), batches, precision=precision)


def pseudo_perplexity(
    model: nn.Module,
    sequences: Sequence[Sequence[int]],
    *,
    mask_id: int,
    special_ids: Sequence[int],
    batch_size: int = 32,
    precision: str = "auto",
) -> Evaluation:
    """Loss of each token given all others of its sequence; ``.perplexity`` is pseudo-perplexity.

    sequences: ids with their [CLS] and [SEP], at most as long as the model's ``max_len``. Special
    tokens are not scored. Raises ValueError if nothing is scored.
    """
    batches = masked_once(
        sequences, mask_id=mask_id, special_ids=special_ids, batch_size=batch_size
    )
    return evaluate(model, MaskedLM(), batches, precision=precision)


@torch.no_grad()
def pseudo_log_likelihoods(
    model: nn.Module,
    sequences: Sequence[Sequence[int]],
    *,
    mask_id: int,
    special_ids: Sequence[int],
    batch_size: int = 256,
) -> Float[Tensor, " s"]:
    """PLL of each sequence in nats, float64: to rank sentences.

    Longer ones score lower; divide as you see fit.

    sequences: ids with their [CLS] and [SEP], at most as long as the model's ``max_len``. In
    evaluation mode and float32; the model's mode is left as it was. A sequence without ordinary
    tokens scores 0. Raises TypeError if a sequence holds no ids, such as a text.
    """
    sequences = _checked(sequences)
    device, training = next(model.parameters()).device, model.training
    special, scores = set(special_ids), torch.zeros(len(sequences), dtype=torch.float64)
    jobs = [
        (s, i)
        for s, ids in enumerate(sequences)
        for i, token in enumerate(ids)
        if token not in special
    ]
    # rows of like length together: little padding
    jobs.sort(key=lambda job: len(sequences[job[0]]))
    model.eval()
    for start in range(0, len(jobs), batch_size):
        some = jobs[start : start + batch_size]
        batch = _masked([(sequences[s], i) for s, i in some], mask_id, pad_id=0)
        right = targets_of(batch, "mask a token in each row")
        logits = target_logits(model, batch.to(device)).float().cpu()
        gained = -F.cross_entropy(logits, right, reduction="none").double()
        scores.index_add_(0, torch.tensor([s for s, _ in some]), gained)
    model.train(training)
    return scores


def causal_batches(
    sequences: Iterable[Sequence[int]], *, max_len: int = 512, batch_size: int = 32, pad_id: int = 0
) -> list[Batch]:
    """Padded batches for ``CausalLM`` that predict each token but a sequence's first exactly once.

    A sequence longer than ``max_len`` is cut into windows that share one token: the last of one is
    the first, and so not predicted again, of the next. Rows are sorted by length to save padding.
    Raises ValueError if max_len or batch_size is too small, TypeError for what is no list of ids.
    """
    if max_len < 2 or batch_size < 1:
        raise ValueError(
            f"max_len must be at least 2 and batch_size 1, got {max_len} and {batch_size}: a row "
            "holds a token to see and one to predict"
        )
    windows = [
        list(ids[start : start + max_len])
        for ids in _checked(sequences)
        for start in range(0, max(len(ids) - 1, 0), max_len - 1)
    ]
    windows.sort(key=len, reverse=True)
    starts = range(0, len(windows), batch_size)
    return [_causal(windows[i : i + batch_size], pad_id) for i in starts]


def _checked(sequences: Iterable[Sequence[int]]) -> list[Sequence[int]]:
    """A list of them; texts, and one sequence in place of a list of them, are TypeErrors."""
    if isinstance(sequences, (str, bytes)):
        raise TypeError(
            "sequences must be lists of ids, got one str; write tokenizer.encode_batch([text])"
        )
    sequences = list(sequences)
    for i, ids in enumerate(sequences):
        if not hasattr(ids, "__len__") or getattr(ids, "ndim", 1) == 0:
            raise TypeError(
                f"sequences[{i}] must be a list of ids, got {type(ids).__name__}; of one sequence, "
                "write [ids]"
            )
        if isinstance(ids, (str, bytes)) or (len(ids) and isinstance(ids[0], (str, bytes))):
            raise TypeError(
                f"sequences[{i}] must be a list of ids, got text; write "
                "tokenizer.encode_batch(texts)"
            )
    return sequences


def _causal(rows: list[list[int]], pad_id: int) -> Batch:
    ids = _pad(rows, pad_id)
    # nothing is padded: no mask needed beside the causal one
    if all(len(row) == len(rows[0]) for row in rows):
        return next_token_batch(ids)
    return next_token_batch(ids, segment_ids=_pad([[1] * len(row) for row in rows], 0))


def masked_once(
    sequences: Iterable[Sequence[int]],
    *,
    mask_id: int,
    special_ids: Sequence[int],
    batch_size: int = 32,
    pad_id: int = 0,
) -> Iterator[Batch]:
    """Batches for ``MaskedLM`` with a row for each ordinary token, in which that token is masked.

    Made one after the other, longest sequences first, since together they are as many rows as the
    text has tokens. Raises ValueError if batch_size is not positive, TypeError for what is no list
    of ids.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be positive, got {batch_size}")
    special, rows = set(special_ids), []
    for ids in sorted(_checked(sequences), key=len, reverse=True):
        for place, token in enumerate(ids):
            if token in special:
                continue
            rows.append((ids, place))
            if len(rows) == batch_size:
                yield _masked(rows, mask_id, pad_id)
                rows = []
    if rows:
        yield _masked(rows, mask_id, pad_id)


def _masked(rows: list[tuple[Sequence[int], int]], mask_id: int, pad_id: int) -> Batch:
    ids = _pad([list(row) for row, _ in rows], pad_id)
    places = torch.tensor([place for _, place in rows])[:, None]  # (b, 1)
    labels = torch.full_like(ids, IGNORE).scatter_(1, places, ids.gather(1, places))
    segment_ids = _pad([[1] * len(row) for row, _ in rows], 0)
    padded = (segment_ids == 0).any()
    return Batch(ids.scatter(1, places, mask_id), labels, segment_ids if padded else None)


def _pad(rows: list[list[int]], value: int) -> Tensor:
    """Lists of unequal length as one int64 tensor, filled up with ``value`` on the right."""
    width = max(len(row) for row in rows)
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])
