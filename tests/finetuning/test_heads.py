"""Heads: pooling against a slow definition, padding without influence, weights from the seed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from course_lib.encoder import Encoder, EncoderConfig
from course_lib.finetuning import SequenceClassifier, SpanExtractor, TokenClassifier
from course_lib.finetuning.heads import POOLINGS, LinearHead, pool

IDS = torch.tensor([[2, 7, 9, 3], [2, 8, 3, 0]])
REAL = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])


def encoder(**options):
    torch.manual_seed(0)
    return Encoder(
        EncoderConfig.bert(vocab_size=50, n_layers=1, d_model=8, n_heads=2, dropout=0.0, **options)
    ).eval()


def model(kind, **options):
    generator = torch.Generator().manual_seed(1)
    if kind is SpanExtractor:
        return kind(encoder(), generator=generator, **options).eval()
    return kind(encoder(), 3, generator=generator, **options).eval()


def test_pooling_is_over_real_tokens():
    hidden = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))
    for i, length in enumerate((4, 3)):
        part = hidden[i, :length]
        for how, expected in (
            ("first", part[0]),
            ("mean", part.mean(0)),
            ("max", part.max(0).values),
        ):
            torch.testing.assert_close(pool(hidden, REAL, how)[i], expected)
    everywhere = torch.ones(2, 4, dtype=torch.long)
    for how in POOLINGS:
        assert torch.equal(pool(hidden, None, how), pool(hidden, everywhere, how))
    poisoned = hidden.clone()
    poisoned[1, 3] = torch.nan
    assert all(torch.isfinite(pool(poisoned, REAL, how)).all() for how in POOLINGS)


@pytest.mark.parametrize("how", POOLINGS)
def test_padding_changes_no_class(how):
    classify = model(SequenceClassifier, pooling=how)
    padded = classify(IDS, segment_ids=REAL)
    torch.testing.assert_close(padded[1:], classify(IDS[1:, :3]), atol=1e-6, rtol=0)


def test_padding_changes_no_span():
    extract = model(SpanExtractor)
    padded = extract(IDS, segment_ids=REAL)
    assert padded.shape == (2, 2, 4) and padded[1, :, 3].eq(-torch.inf).all()
    alone = extract(IDS[1:, :3])
    torch.testing.assert_close(padded[1:, :, :3].log_softmax(-1), alone.log_softmax(-1))


def test_positions_pick_tokens():
    tag = model(TokenClassifier)
    everywhere = tag(IDS)
    some = tag(IDS, positions=torch.tensor([1, 6]))
    torch.testing.assert_close(some, everywhere.flatten(0, 1)[[1, 6]])


def test_first_weights_depend_on_the_generator_alone():
    heads = []
    for noise in (0, 1):
        torch.manual_seed(noise)
        heads.append(LinearHead(64, 4, transform=True, generator=torch.Generator().manual_seed(5)))
    one, other = (head.state_dict().values() for head in heads)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    both = (heads[0].transform.weight, heads[0].output.weight)
    weight = torch.cat([w.flatten() for w in both]).detach()
    assert weight.abs().max() <= 0.04 and not heads[0].output.bias.any()
    expected = 0.02 * 0.8796  # a normal cut at two deviations is narrower
    assert abs(weight.std() - expected) < 4 * expected / (2 * weight.numel()) ** 0.5


def test_a_twin_shares_its_head_on_another_encoder():
    first = model(SequenceClassifier)
    twin = first.on(nn.Identity())
    assert twin.head is first.head and twin.encoder is not first.encoder
    assert isinstance(first.encoder, Encoder)


def test_what_cannot_be():
    with pytest.raises(ValueError, match="pooling must be one of .*got 'cls'"):
        SequenceClassifier(encoder(), 2, pooling="cls")
    with pytest.raises(ValueError, match="at least one output, got 0"):
        TokenClassifier(encoder(), 0)
    with pytest.raises(ValueError, match="a row has no real token"):
        pool(torch.zeros(1, 2, 3), torch.zeros(1, 2, dtype=torch.long))
    with pytest.raises(ValueError, match="does not say how wide"):
        SequenceClassifier(nn.Identity(), 2)
