"""A store of features: what the encoder says in evaluation mode, once."""

import pytest
import torch

from course_lib.encoder import Encoder, EncoderConfig
from course_lib.finetuning import SequenceClassifier, TokenClassifier
from course_lib.finetuning.frozen_features import FeatureStore
from course_lib.finetuning.rows import Row

ROWS = [Row((2, 7, 9, 3), (0,)), Row((2, 8, 3), (1,))]


def encoder() -> Encoder:
    torch.manual_seed(0)
    shape = dict(vocab_size=50, n_layers=1, d_model=8, n_heads=2, dropout=0.5)
    return Encoder(EncoderConfig.bert(**shape)).train()


@pytest.mark.parametrize("kind", [SequenceClassifier, TokenClassifier])
def test_dropout_is_off_and_the_mode_comes_back(kind):
    """Features with dropout would be other features each time, and a table keeps one of them."""
    model = kind(encoder(), 3)
    first, again = (FeatureStore(model).of(ROWS) for _ in range(2))
    assert model.encoder.training
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    model.encoder.eval()
    quiet = FeatureStore(model).of(ROWS)
    assert all(torch.equal(a, b) for a, b in zip(first, quiet, strict=True))


def test_the_mode_comes_back_after_an_error_too():
    model = SequenceClassifier(encoder(), 3)
    with pytest.raises(ValueError, match="outside the vocabulary"):
        FeatureStore(model).of([Row((2, 99, 3), (0,))])
    assert model.encoder.training
