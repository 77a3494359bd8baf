"""What is made ready before the first step."""

import pytest

from course_lib import hardware
from course_lib.batches import MLMStream
from course_lib.objectives import MaskedLM
from course_lib.training import TrainConfig, train


@pytest.mark.parametrize(("precision", "times"), [("fp32", 1), ("bf16", 0)])
def test_float32_asks_for_tf32(monkeypatch, small_model, tokens, tokenizer, precision, times):
    asked = []
    monkeypatch.setattr(hardware, "allow_tf32", asked.append)
    stream = MLMStream(tokens, tokenizer, seq_len=16, batch_size=8)
    config = TrainConfig(steps=1, precision=precision)
    train(small_model, MaskedLM(), stream, config, progress=False, device="cpu")
    assert [where.type for where in asked] == ["cpu"] * times
