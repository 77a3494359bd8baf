"""A task that can't be scored or read is refused before the training."""

import pytest
import torch

from course_lib.data import Example, PairExample, Task
from course_lib.encoder import Encoder, EncoderConfig
from course_lib.finetuning import FineTuneConfig, finetune
from course_lib.training import loop


@pytest.fixture
def steps(monkeypatch):
    seen, real = [], loop.step
    monkeypatch.setattr(loop, "step", lambda run: (seen.append(1), real(run)))
    return seen


def part(name, n, text="ban dol"):
    return tuple(Example(text, i % 2, f"{name}{i}") for i in range(n))


def tune(tokenizer, test, *, validation=None, split="test", vocab_size=None, **options):
    validation = part("v", 4) if validation is None else validation
    task = Task("t", "none", ("neg", "pos"), part("a", 8), validation, test)
    shape = dict(n_layers=1, d_model=16, n_heads=2, max_len=32)
    encoder = Encoder(EncoderConfig.bert(vocab_size=vocab_size or tokenizer.vocab_size, **shape))
    config = FineTuneConfig(epochs=2, batch_size=4, patience=2, **options.pop("config", {}))
    options |= dict(progress=False, device="cpu", split=split)
    return finetune(task, encoder, tokenizer, config, **options)


LONG = "ban dol " * 60


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        (dict(test=()), ValueError, "split 'test' is empty"),
        (dict(test=part("t", 1)), ValueError, "'test' has 1 examples of one group, 't0'"),
        (dict(test=tuple(Example(f"ban {i}", i % 2, "same") for i in range(4))), ValueError,
         "4 examples of one group, 'same'.*at least two independent"),
        (dict(test=part("t", 4), validation=part("v", 1), split="validation"), ValueError,
         "split 'validation' has 1 examples"),
        (dict(test=part("t", 4, LONG)), ValueError, "scored rows.*max_len is 32.*smaller max_len"),
        (dict(test=part("t", 4), validation=part("v", 4, LONG)), ValueError, "validation rows"),
        (dict(test=part("t", 4), vocab_size=8), ValueError, "training rows.*tokenizer"),
        (dict(test=(PairExample("a", "b", 0, "x"), PairExample("a", "b", 1, "y"))), TypeError,
         "split 'test' holds examples of kind 'pair', train 'text'"),
        (dict(test=part("t", 4), adapt="lora"), TypeError, "adapt must be a function"),
    ],
)  # fmt: skip
@pytest.mark.not_strict("wrong types")
def test_what_cannot_be_scored_or_read(tokenizer, steps, given, error, says):
    with pytest.raises(error, match=says):
        tune(tokenizer, **given)
    assert not steps


def test_a_folder_that_cannot_be_written_to(tokenizer, steps, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match="can't be written to"):
        tune(tokenizer, part("t", 4), out=tmp_path / "file")
    assert not steps


def test_looking_before_changes_nothing(tokenizer, steps):
    torch.manual_seed(0)
    one = tune(tokenizer, part("t", 4))
    torch.manual_seed(0)
    other = tune(tokenizer, part("t", 4))
    assert steps and one.guesses == other.guesses
