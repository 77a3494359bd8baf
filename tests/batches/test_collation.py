"""Ragged rows become the batch that one would write by hand."""

import numpy as np
import pytest
import torch

from course_lib.batch import IGNORE
from course_lib.batches import collate, pad_rows
from course_lib.masking import MaskPolicy


@pytest.fixture
def rows(texts, tokenizer) -> list[list[int]]:
    return tokenizer.encode_batch(texts[:40])


def test_padding_equals_the_loop(rows, tokenizer):
    ids, text = pad_rows(rows, tokenizer.pad_id)
    width = max(map(len, rows))
    assert ids.shape == text.shape == (40, width)
    for row, found, inside in zip(rows, ids.tolist(), text.tolist(), strict=True):
        assert found == row + [tokenizer.pad_id] * (width - len(row))
        assert inside == [1] * len(row) + [0] * (width - len(row))


def test_padding_equals_transformers(rows, tokenizer):
    theirs = tokenizer.to_transformers().pad({"input_ids": rows}, return_tensors="pt")
    ids, text = pad_rows(rows, tokenizer.pad_id)
    assert torch.equal(ids, theirs["input_ids"]) and torch.equal(text, theirs["attention_mask"])


def test_arrays_and_lists_give_the_same(rows):
    as_arrays = pad_rows([np.array(r, dtype=np.uint16) for r in rows], 0)
    assert all(torch.equal(a, b) for a, b in zip(as_arrays, pad_rows(rows, 0), strict=True))


def test_an_empty_row_is_all_padding():
    ids, text = pad_rows([[2, 5, 3], []], pad_id=9)
    assert ids.tolist() == [[2, 5, 3], [9, 9, 9]] and text.tolist() == [[1, 1, 1], [0, 0, 0]]


@pytest.mark.parametrize("unit", ["token", "word", "span"])
def test_the_batch_keeps_the_text(rows, tokenizer, unit):
    batch = collate(
        rows, tokenizer, MaskPolicy(rate=0.3, unit=unit), generator=torch.Generator().manual_seed(1)
    )
    original = torch.where(batch.labels == IGNORE, batch.input_ids, batch.labels)
    assert torch.equal(original, pad_rows(rows, tokenizer.pad_id)[0])
    assert (batch.labels[batch.segment_ids == 0] == IGNORE).all() and batch.n_targets > 40


def test_no_token_is_an_error():
    for rows in ([], [[]]):
        with pytest.raises(ValueError, match="rows hold no token"):
            pad_rows(rows, 0)
