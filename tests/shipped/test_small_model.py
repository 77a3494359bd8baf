"""The shipped model loads, is what its card says, and is far better than frequencies."""

import json

import pytest
import torch

from course_lib.generation import fill_mask
from course_lib.pretraining import PretrainConfig
from course_lib.shipped import load_small_model, small_model
from course_lib.shipped.small_model import FOLDER, RECIPE


@pytest.fixture(scope="module")
def shipped():
    return load_small_model()


@pytest.fixture(scope="module")
def result() -> dict:
    return json.loads((FOLDER / "result.json").read_text("utf-8"))


def test_it_is_small_and_in_evaluation_mode(shipped):
    model, tokenizer = shipped
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) < 8e6
    assert not model.training and model.config.vocab_size == tokenizer.vocab_size == 4096
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_it_fills_in_what_documentation_says(shipped):
    guesses = fill_mask(*shipped, "You can use this operation to [MASK] a list of resources.")[0]
    assert guesses[0].token in {"get", "view", "retrieve", "list", "return"}


def test_the_record_is_of_the_recipe(result):
    assert PretrainConfig.of(result["config"]) == RECIPE
    assert result["curve"][-1]["nll"] == pytest.approx(result["validation_nll"], abs=1e-4)
    losses = [point["nll"] for point in result["curve"]]
    assert losses == sorted(losses, reverse=True)


def test_the_card_tells_the_same_numbers(result):
    card = (FOLDER / "CARD.md").read_text("utf-8")
    for number in (
        f"{result['validation_nll']:.3f}",
        f"{result['validation_nll_mask']:.3f}",
        f"{result['validation_nll_itself']:.3f}",
        f"{result['unigram_nll']:.3f}",
        f"{result['unigram_nll_mask']:.3f}",
        f"{result['copying_nll']:.3f}",
        f"{result['validation_accuracy'] * 100:.1f} %",
        f"{result['parameters']:,}".replace(",", " "),
        f"{result['validation_targets']:,}".replace(",", " "),
    ):
        assert number in card, number


@pytest.mark.slow
def test_held_out_loss_is_the_recorded_one(shipped, result):
    from course_lib.pretraining import judge, prepare

    model, tokenizer = shipped
    prepared = prepare(RECIPE, progress=False)
    assert prepared.tokenizer.fingerprint == tokenizer.fingerprint
    found = judge(model, prepared, precision="fp32")
    assert found["validation_targets"] == result["validation_targets"]
    for name in found.keys() - {"validation_targets"}:
        # some were recorded in bfloat16
        assert found[name] == pytest.approx(result[name], abs=0.005), name


def test_export_of_a_run_loads(shipped, tmp_path, monkeypatch):
    """The command, with a recipe of two steps."""
    from dataclasses import replace

    tiny = replace(
        RECIPE,
        steps=2,
        n_layers=1,
        d_model=16,
        n_heads=2,
        seq_len=16,
        batch_size=4,
        evaluate_every=1,
        validation_tokens=64,
        precision="fp32",
        corpus="films",
        vocab_size=2000,
    )
    monkeypatch.setattr(small_model, "RECIPE", tiny)
    small_model.main([str(tmp_path)])
    monkeypatch.setattr(small_model, "FOLDER", tmp_path / "shipped")
    model, _ = load_small_model()
    assert sum(p.numel() for p in model.parameters()) > 0
    record = json.loads((tmp_path / "shipped/result.json").read_text())
    assert [point["step"] for point in record["curve"]] == [1, 2]
