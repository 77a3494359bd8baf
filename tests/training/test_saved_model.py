"""A model and its tokenizer in one folder."""

import json

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


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"config": []}, "config must be dict"),
        ({"config": {}}, "also needs vocab_size"),
        ({"tokenizer": None}, "tokenizer must be str"),
        ({"d_model": "32"}, "d_model must be a whole number"),
        ({"d_ff": 64}, "its weights are not those of its config"),
        (None, "not a whole checkpoint"),
    ],
)
@pytest.mark.not_strict("wrong types")
def test_a_damaged_configuration_is_a_clear_error(small_model, tokenizer, tmp_path, change, says):
    save_model(tmp_path, small_model, tokenizer)
    file = tmp_path / "model" / "state.json"
    info = json.loads(file.read_text())
    # as an older file, which has no sum over the JSON
    del info["info_sha256"]
    if change is None:
        info = [info]
    elif "d_model" in change or "d_ff" in change:
        info["config"] |= change
    else:
        info |= change
    file.write_text(json.dumps(info))
    with pytest.raises(CheckpointError, match=says):
        load_model(tmp_path)
