"""Masking: a text goes in, a corrupted text and the answers come out, as one pure function.

Paper: Devlin et al. 2019 (BERT; tokens, 15 %, 80/10/10), Joshi et al. 2020 (SpanBERT; spans with
geometric lengths).

Formula. Let ``r`` be the rate. A *group* is a token (``unit="token"``) or a word (``"word"``,
``"span"``).

- token, word: every group is taken with probability r, independently of the others.
- span: at every word a span starts with probability q. It is L words long, L geometric and cut off
  at ``max_span``. A word is left alone if none of the spans that could reach it started, so q is
  the root of ``prod_k (1 - q P(L > k)) = 1 - r``, k = 0 .. max_span - 1. Spans that overlap become
  one.
- a taken token becomes [MASK] / a random token / itself with probabilities ``mask`` / ``random`` /
  ``keep``.
- a row from which nothing was taken gives up one of its n groups, drawn uniformly. So the expected
  share is not r but ``r + (1 - r)^n / n``: 20 % instead of 15 % of a row with a single word,
  indistinguishable from r beyond 30.

Special tokens and padding are never taken. Each group's fate depends on its own draw (or on the
starts before it), and not on how many neighbours may be taken: that is why leaving the special ones
out changes no rate.

Special tokens are no words either, and a word ends at one. Cost: one uniform draw per token (words
and spans: per word), one per *taken* token and one per random token; six passes over the batch
(words and spans: ten), no loop over tokens.

>>> import torch
>>> special = torch.zeros(100, dtype=torch.bool)
>>> special[:5] = True
>>> # 2 = [CLS], 3 = [SEP], 0 = [PAD]; the only word of the second row is always predicted
>>> rows = torch.tensor([[2, 50, 51, 52, 3, 0], [2, 60, 3, 0, 0, 0]])
>>> policy, generator = MaskPolicy(mask=1.0, random=0.0, keep=0.0), torch.Generator().manual_seed(0)
>>> masked = mask_tokens(rows, policy, mask_id=4, vocab_size=100, special_mask=special,
...                      generator=generator)
>>> masked.input_ids[1].tolist(), masked.labels[1].tolist()
([2, 4, 3, 0, 0, 0], [-100, 60, -100, -100, -100, -100])
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from course_lib.batch import IGNORE

from .policy import MaskPolicy
from .spans import span_bounds

# added to the score of a special token, so that no level reaches it: torch.rand stays below 1
_BARRIER = 2.0


@dataclass(frozen=True)
class Masked:
    """A corrupted text and the answers, both int64, (b, t).

    input_ids: what the model sees. labels: the right token where it is predicted, -100 elsewhere.
    """

    input_ids: Int[Tensor, "b t"]
    labels: Int[Tensor, "b t"]


def mask_tokens(
    input_ids: Int[Tensor, "b t"],
    policy: MaskPolicy,
    *,
    mask_id: int,
    vocab_size: int,
    special_mask: Bool[Tensor, " v"],
    word_start_mask: Bool[Tensor, " v"] | None = None,
    word_end_mask: Bool[Tensor, " v"] | None = None,
    generator: torch.Generator,
) -> Masked:
    """Corrupt ``input_ids`` by ``policy``; the argument itself is not changed.

    special_mask: True for the ids that are never predicted nor put in (padding, [CLS], [MASK] ...).
    word_start_mask: True for the ids that start a word; needed by the units word and span.
    word_end_mask: True for those that end one whatever follows; special ids do so anyway.
    generator: all randomness. The same state gives the same result.

    A row that holds only special tokens gets no target; every other row gets at least one.

    Raises TypeError for a wrong dtype, ValueError for a wrong shape, an id outside the vocabulary,
    an empty batch, a vocabulary without ordinary tokens, or a missing ``word_start_mask``.
    """
    tables = (special_mask, word_start_mask, word_end_mask)
    check_arguments(input_ids, policy, mask_id, vocab_size, *tables)
    special_ids = _positions(special_mask)
    if policy.unit == "token":
        score, level = _uniform(input_ids.shape, generator), policy.rate
    else:
        score, level = _group_scores(input_ids, policy, tables, generator)
    score += _look_up(_barrier(special_ids, vocab_size, score.device), input_ids)
    where = _taken(score, level)  # (n,): from here on the work is with the taken tokens only
    answers = input_ids.reshape(-1).index_select(0, where)
    shown = replace_answers(answers, policy, mask_id, special_ids, vocab_size, generator)
    corrupted = input_ids.clone(memory_format=torch.contiguous_format)
    corrupted.view(-1).scatter_(0, where, shown)
    labels = torch.full_like(corrupted, IGNORE)
    labels.view(-1).scatter_(0, where, answers)
    return Masked(corrupted, labels)


def _taken(score: Float[Tensor, "b t"], level: float) -> Int[Tensor, " n"]:
    """The flat indices of the tokens up to the level; of a row without one, of its lowest."""
    # (b, 1): the first to be taken where nothing is below the level
    lowest = score.amin(dim=1, keepdim=True)
    return _positions(score <= lowest.clamp_(level, 1.0))


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Float[Tensor, ...]:
    return torch.rand(shape, generator=generator, device=generator.device)


def _positions(flags: Bool[Tensor, ...]) -> Int[Tensor, " n"]:
    """The flat indices of what is True; on a CPU NumPy finds them three times faster than torch."""
    if flags.device.type == "cpu":
        return torch.from_numpy(flags.numpy().ravel().nonzero()[0])
    return flags.reshape(-1).nonzero().view(-1)


def _barrier(
    special_ids: Int[Tensor, " s"], vocab_size: int, device: torch.device
) -> Float[Tensor, " v"]:
    if len(special_ids) == vocab_size:
        raise ValueError(
            f"special_mask marks all {vocab_size} ids: no ordinary token is left to predict"
        )
    return torch.zeros(vocab_size, device=device).index_fill_(0, special_ids, _BARRIER)


def _look_up(table: Shaped[Tensor, " v"], ids: Int[Tensor, "b t"]) -> Shaped[Tensor, "b t"]:
    try:
        return table.index_select(0, ids.reshape(-1)).view(ids.shape)
    except IndexError:
        wrong = next(int(x) for x in ids.aminmax() if not 0 <= x < len(table))
        raise ValueError(
            f"input_ids holds {wrong}, outside the vocabulary of {len(table)}: pass this "
            "tokenizer's ids, not labels"
        ) from None


def _group_scores(
    ids: Int[Tensor, "b t"],
    policy: MaskPolicy,
    tables: tuple[Bool[Tensor, " v"], Bool[Tensor, " v"] | None, Bool[Tensor, " v"] | None],
    generator: torch.Generator,
) -> tuple[Float[Tensor, "b t"], float]:
    """A score for each token, equal within its word, and the level up to which a word is taken.

    The words of all rows stand in one line, and each has one draw. So padding, which holds none,
    costs no draw.
    """
    special_mask, word_start_mask, word_end_mask = tables
    assert word_start_mask is not None, "check_arguments asks for it"
    spans = policy.unit == "span"
    # places around each row: spans reach in and out over its edges
    gap = policy.max_span - 1 if spans else 0
    place = _places(ids, special_mask, word_start_mask, word_end_mask, gap)
    draw = _uniform((int(place[-1]) + 1 + gap,), generator)
    if spans:
        draw.index_fill_(0, _covered(draw, span_bounds(policy, draw.device)), 0.0)
    # where no word is covered, the one with the lowest draw is taken
    level = 0.0 if spans else policy.rate
    return draw.index_select(0, place).view(ids.shape), level


def _places(
    ids: Int[Tensor, "b t"],
    special_mask: Bool[Tensor, " v"],
    word_start_mask: Bool[Tensor, " v"],
    word_end_mask: Bool[Tensor, " v"] | None,
    gap: int,
) -> Int[Tensor, " n"]:
    """Where in a line of all rows' words the word of each token stands.

    ``gap`` places before each row are free. A special token is no word, and it ends one: what
    follows it begins the next.
    """
    special, starts = _look_up(special_mask, ids).view(-1), _look_up(word_start_mask, ids).view(-1)
    ends = special if word_end_mask is None else special | _look_up(word_end_mask, ids).view(-1)
    starts[1:].logical_or_(ends[:-1])
    step = starts.logical_and_(~special).view(torch.uint8)
    step[:: ids.shape[1]] = gap + 1  # a row begins with a word, even inside one
    return step.cumsum(dim=0)


def _covered(draw: Float[Tensor, " w"], bounds: Float[Tensor, " k"]) -> Int[Tensor, " c"]:
    """The words that lie in a span, as indices into ``draw``, with repeats.

    One draw decides both: below ``bounds[0]`` a span begins, and below ``bounds[k]`` it is longer
    than k. What runs over the end of a row falls on the free places before the next one, or after
    the last.
    """
    can_begin = len(draw) - len(bounds) + 1  # not in the places after the last row
    first = _positions(draw[:can_begin] < bounds[0])  # few: most words start no span
    longer = draw.index_select(0, first)[:, None] < bounds  # (spans, max_span)
    # beyond the end of a span stands its first word again
    return (first[:, None] + longer * torch.arange(len(bounds), device=draw.device)).view(-1)


def replace_answers(
    answers: Int[Tensor, " n"],
    policy: MaskPolicy,
    mask_id: int,
    special_ids: Int[Tensor, " s"],
    vocab_size: int,
    generator: torch.Generator,
) -> Int[Tensor, " n"]:
    """What the model sees in place of each taken token, by its own draw.

    That is [MASK], a random token or itself.
    """
    kind = _uniform(answers.shape, generator)
    shown = answers.masked_fill(kind < policy.mask, mask_id)
    swapped = _positions((kind >= policy.mask) & (kind < 1 - policy.keep))
    return shown.scatter_(0, swapped, _random_ids(len(swapped), special_ids, vocab_size, generator))


def _random_ids(
    n: int, special_ids: Int[Tensor, " s"], vocab_size: int, generator: torch.Generator
) -> Int[Tensor, " n"]:
    """n ordinary ids, uniform.

    The rank among them is drawn, then moved up past the special ids at and below it.
    """
    n_special = len(special_ids)
    rank = torch.randint(vocab_size - n_special, (n,), generator=generator, device=generator.device)
    ordinary_below = special_ids - torch.arange(n_special, device=special_ids.device)
    return rank + torch.searchsorted(ordinary_below, rank, right=True)


def check_arguments(
    ids: Tensor,
    policy: MaskPolicy,
    mask_id: int,
    vocab_size: int,
    special_mask: Tensor,
    word_start_mask: Tensor | None,
    word_end_mask: Tensor | None = None,
) -> None:
    """Raises TypeError or ValueError if ``mask_tokens`` cannot work with these, with the remedy.

    ids: int64 (b, t), not empty. special_mask, word_start_mask, word_end_mask: bool, one entry per
    id; the second may be None where the policy's unit is the token, the third always. mask_id must
    be in the vocabulary, and special.
    """
    if ids.dtype != torch.int64:
        raise TypeError(f"input_ids must be int64, got {ids.dtype}: call .long() on them")
    if ids.ndim != 2 or ids.numel() == 0:
        raise ValueError(
            "input_ids must be a batch of shape (rows, tokens) that is not empty, got "
            f"{tuple(ids.shape)}: for one row, add ids[None]"
        )
    _check_table("special_mask", special_mask, vocab_size)
    if not 0 <= mask_id < vocab_size:
        raise ValueError(
            f"mask_id must be an id of the vocabulary, 0 to {vocab_size - 1}, got {mask_id}"
        )
    if not special_mask[mask_id]:
        raise ValueError(f"mask_id {mask_id} is not special: set special_mask[{mask_id}] = True")
    if policy.unit != "token":
        if word_start_mask is None:
            raise ValueError(
                f'word_start_mask is needed for unit="{policy.unit}": '
                "pass tokenizer.word_start_mask"
            )
        _check_table("word_start_mask", word_start_mask, vocab_size)
    if word_end_mask is not None:
        _check_table("word_end_mask", word_end_mask, vocab_size)


def _check_table(name: str, table: Tensor, vocab_size: int) -> None:
    if table.dtype != torch.bool:
        raise TypeError(f"{name} must be bool, got {table.dtype}: call .bool() on it")
    if tuple(table.shape) != (vocab_size,):
        raise ValueError(
            f"{name} must have one entry per id, ({vocab_size},), got {tuple(table.shape)}"
        )
