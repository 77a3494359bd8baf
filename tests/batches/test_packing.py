"""Best fit as the plain algorithm does it, every token once, packed outputs equal padded ones."""

import numpy as np
import pytest
import torch

from course_lib.batches import lay_out, plan_rows
from course_lib.encoder import Encoder, EncoderConfig


def plain_best_fit(lengths, width):
    """Best fit decreasing, one document after the other: the rows' fillings, sorted."""
    rooms = []
    for length in sorted(lengths, reverse=True):
        fitting = [r for r in rooms if r >= length]
        room = min(fitting) if fitting else width
        if fitting:
            rooms.remove(room)
        rooms.append(room - length)
    return sorted(rooms)


@pytest.mark.parametrize("seed", range(20))
def test_same_rows_as_the_plain_algorithm(seed):
    random = np.random.default_rng(seed)
    width = int(random.integers(1, 40))
    lengths = random.integers(1, width + 1, size=int(random.integers(1, 200)))
    plan = plan_rows(lengths, width)
    filled = np.bincount(plan.row, weights=plan.length, minlength=plan.n_rows)
    assert sorted(width - filled) == plain_best_fit(lengths.tolist(), width)


@pytest.mark.parametrize("seed", range(5))
def test_every_token_stands_once_and_pieces_are_whole(seed):
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 100, size=300)  # many longer than a row
    first = np.cumsum(lengths) - lengths
    plan = plan_rows(lengths, 32)
    ids, segment, position = lay_out(np.arange(1, lengths.sum() + 1), first, plan, pad_id=0)
    assert np.array_equal(np.sort(ids[ids > 0]), np.arange(1, lengths.sum() + 1))
    assert np.array_equal(segment > 0, ids > 0)
    for row, groups, places in zip(ids, segment, position):
        for group in range(1, groups.max() + 1):
            piece = row[groups == group]
            assert np.array_equal(np.diff(piece), np.ones(len(piece) - 1))
            assert np.array_equal(places[groups == group], np.arange(len(piece)))
            document = np.searchsorted(first, piece[0] - 1, side="right") - 1
            assert piece[-1] <= first[document] + lengths[document]  # one document only


def test_long_documents_fill_whole_rows_first():
    plan = plan_rows(np.array([70]), 32)
    assert plan.length.tolist() == [32, 32, 6] and plan.start.tolist() == [0, 32, 64]


def test_many_documents_leave_less_than_one_percent_empty():
    lengths = np.random.default_rng(0).lognormal(4.0, 0.9, 100_000).astype(int).clip(3)
    assert plan_rows(lengths, 512).utilisation >= 0.99


@pytest.mark.parametrize("lengths", [np.array([], int), np.array([3, 0]), np.array([1.5])])
def test_wrong_lengths(lengths):
    with pytest.raises(ValueError, match="lengths must be"):
        plan_rows(lengths, 8)


@pytest.mark.parametrize("shape", [EncoderConfig.bert, EncoderConfig.modern])
def test_packed_outputs_equal_padded_ones(shape):
    random = np.random.default_rng(1)
    lengths = random.integers(1, 17, size=40)
    first, tokens = np.cumsum(lengths) - lengths, random.integers(5, 90, size=lengths.sum())
    torch.manual_seed(0)
    config = shape(vocab_size=90, d_model=32, n_layers=2, n_heads=4)
    encoder = Encoder(config).eval()
    plan = plan_rows(lengths, 16)
    assert plan.n_rows < len(lengths)
    ids, segment, position = map(torch.from_numpy, lay_out(tokens, first, plan, pad_id=0))
    with torch.no_grad():
        packed = encoder(ids, segment_ids=segment, position_ids=position)
        for document, row, offset, length in zip(plan.document, plan.row, plan.offset, plan.length):
            begin = first[document]
            padded = torch.zeros(1, 16, dtype=torch.int64)
            padded[0, :length] = torch.from_numpy(tokens[begin : begin + length])
            alone = encoder(padded, segment_ids=(torch.arange(16) < length).long()[None])
            torch.testing.assert_close(
                packed[row, offset : offset + length], alone[0, :length], atol=1e-5, rtol=0
            )
