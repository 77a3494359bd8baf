"""Our masking against ``DataCollatorForLanguageModeling``: where both agree, where they differ.

Agree: which share of long rows is taken, the 80/10/10 shares, the labels. Differ, by its documented
design: its random replacements range over all ids, special ones included, and a row from which
nothing was drawn has no target.
"""

from __future__ import annotations

import math

import pytest
import torch

from course_lib.batch import IGNORE
from course_lib.masking import MaskPolicy, mask_tokens

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

K = 5.0
V, MASK = 40, 4
SPECIAL = torch.arange(V) < 5
TEXT = 5 + torch.arange(4_000 * 50).view(4_000, 50) % (V - 5)
PADDING = torch.zeros(4_000, 4, dtype=torch.int64)
ROWS = torch.cat([torch.full((4_000, 1), 2), TEXT, torch.full((4_000, 1), 3), PADDING], 1)


@pytest.fixture(scope="module")
def collator():
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(V - 5))]
    vocabulary = {name: i for i, name in enumerate(names)}
    model = tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]")
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer(model),
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
    return transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=0)


def theirs(collator, rows):
    collator.generator = torch.Generator().manual_seed(0)
    return collator.torch_mask_tokens(rows.clone(), special_tokens_mask=SPECIAL[rows])


def ours(rows, policy=MaskPolicy(), seed=1):  # noqa: B008 (frozen)
    options = dict(mask_id=MASK, vocab_size=V, special_mask=SPECIAL)
    generator = torch.Generator().manual_seed(seed)
    masked = mask_tokens(rows, policy, **options, generator=generator)
    return masked.input_ids, masked.labels


def counts(rows, ids, labels):
    """How many tokens are (not taken, hidden, replaced, kept); replaced by itself looks kept."""
    taken = labels != IGNORE
    assert (labels[taken] == rows[taken]).all() and (ids[~taken] == rows[~taken]).all()
    hidden, same = taken & (ids == MASK), taken & (ids == rows)
    return torch.stack(
        [(~SPECIAL[rows] & ~taken).sum(), hidden.sum(), (taken & ~hidden & ~same).sum(), same.sum()]
    )


def same_share(ours, theirs, n):
    """z of the difference of two shares, ours and theirs of n each (two samples, pooled)."""
    pooled = (ours + theirs) / (2 * n)
    return (ours - theirs) / math.sqrt(2 * n * pooled * (1 - pooled))


def test_same_law_on_long_rows(collator):
    # the replacements: 35 ordinary ids for us, 40 ids for them, of which one is [MASK] and one the
    # token itself
    n = int((~SPECIAL[ROWS]).sum())
    a, b = (counts(ROWS, *result).tolist() for result in (ours(ROWS), theirs(collator, ROWS)))
    assert abs(same_share(n - a[0], n - b[0], n)) < K
    for kind, corrected in enumerate([0.8 + 0.1 / V, 0.1 * (V - 2) / V, 0.1 + 0.1 / V], start=1):
        taken = n - b[0]
        error = math.sqrt(taken * corrected * (1 - corrected))
        assert abs(b[kind] - corrected * taken) < K * error, kind
    for kind, expected in enumerate([0.8, 0.1 * 34 / 35, 0.1 + 0.1 / 35], start=1):
        taken = n - a[0]
        error = math.sqrt(taken * expected * (1 - expected))
        assert abs(a[kind] - expected * taken) < K * error, kind


def test_both_leave_specials_alone_and_ours_the_input(collator):
    special = SPECIAL[ROWS]
    for ids, labels in (ours(ROWS), theirs(collator, ROWS)):
        assert (labels[special] == IGNORE).all() and (ids[special] == ROWS[special]).all()
    given = ROWS.clone()
    collator.torch_mask_tokens(given, special_tokens_mask=SPECIAL[given])
    assert not torch.equal(given, ROWS), (
        "the collator no longer writes into its argument: the chapter says it does"
    )
    given = ROWS.clone()
    ours(given)
    assert torch.equal(given, ROWS)


def test_their_random_replacements_may_be_special_ours_never(collator):
    def special_replacements(ids, labels):
        return int((SPECIAL[ids] & (ids != MASK) & (labels != IGNORE)).sum())

    ids, labels = theirs(collator, ROWS)
    expected = 0.1 * (labels != IGNORE).sum().item() * 4 / V  # [PAD] [UNK] [CLS] [SEP]
    assert abs(special_replacements(ids, labels) - expected) < K * math.sqrt(expected)
    assert special_replacements(*ours(ROWS)) == 0


def test_their_short_rows_may_have_no_target_ours_never(collator):
    short = ROWS[:, :6].clone()  # [CLS] and five words
    empty = (theirs(collator, short)[1] == IGNORE).all(1).double().mean().item()
    expected = 0.85**5
    assert abs(empty - expected) < K * math.sqrt(expected * (1 - expected) / len(short))
    assert not (ours(short)[1] == IGNORE).all(1).any()
