"""A model and its tokenizer in one folder."""

import pytest
import torch

from course_lib.tokenization import train_tokenizer
from course_lib.training import CheckpointError, load_model, save_model


def test_model_and_tokenizer_travel_together(small_model, tokenizer, tmp_path):
    save_model(tmp_path, small_model, tokenizer)
    model, same = load_model(tmp_path)
    assert same.fingerprint == tokenizer.fingerprint
    assert not model.training and model.config == small_model.config
    pairs = zip(model.parameters(), small_model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    train_tokenizer(["another text entirely"], vocab_size=40).save(tmp_path / "tokenizer")
    with pytest.raises(CheckpointError, match="not the tokenizer"):
        load_model(tmp_path)
    with pytest.raises(CheckpointError, match="not a whole checkpoint"):
        load_model(tmp_path / "nothing")
