"""MiniLM's relearnt head: it loads, it is small, its card is true, it beats word frequencies."""

import json

import pytest
import torch

from course_lib.batches import encode_corpus, fixed_batches
from course_lib.data import load_corpus
from course_lib.evaluation import evaluate, unigram_nll
from course_lib.generation import fill_mask
from course_lib.masking import targets_shown_as
from course_lib.objectives import MaskedLM
from course_lib.peft import handles
from course_lib.shipped import load_minilm_mlm
from course_lib.shipped.minilm_mlm import FILE

pytestmark = pytest.mark.skipif(
    not FILE.exists(), reason="the adapter is made by python -m course_lib.shipped minilm-mlm"
)


@pytest.fixture(scope="module")
def loaded():
    return load_minilm_mlm(merged=False)


def test_it_is_small_and_its_card_says_where_it_is_from(loaded):
    model, _ = loaded
    n = handles(model)["mlm"].summary().n_trained
    assert 4 * n < FILE.stat().st_size < 4 * n + 2048 < 4_000_000
    card = json.loads(FILE.with_suffix(".json").read_text("utf-8"))
    for field in ("command", "data", "seconds", "held_out", "fill_mask", "limits", "licence"):
        assert card[field], field
    held_out = card["held_out"]
    assert held_out["nll"] < held_out["copying_nll"] < held_out["unigram_nll"]
    assert held_out["nll_mask"] < held_out["unigram_nll_mask"] - 1


def test_held_out_films_are_guessed_far_better_than_by_frequency(loaded, tmp_path):
    model, tokenizer = loaded
    texts = load_corpus("films", progress=False).texts("validation")[:60]
    array = encode_corpus(texts, tokenizer, tmp_path / "films", progress=False)
    batches = fixed_batches(array, tokenizer, seq_len=64, batch_size=16, max_tokens=4096)
    asked = [targets_shown_as(batch, "mask", tokenizer.mask_id) for batch in batches]
    found = evaluate(model, MaskedLM(), asked, precision="fp32")
    # the frequencies are the text's own: a bound that no unigram model from elsewhere reaches
    unigram = unigram_nll(array.tokens, asked, tokenizer.vocab_size, tokenizer.special_ids)
    assert found.nll < unigram


def test_merged_it_is_a_plain_model_that_says_the_same(loaded):
    model, tokenizer = loaded
    plain, _ = load_minilm_mlm()
    names = [name for name, _ in plain.named_parameters()]
    assert not handles(plain) and not any("adapters" in name for name in names)
    ids = torch.tensor([tokenizer.encode("This movie was [MASK].").ids])
    assert (plain(ids) - model(ids)).abs().max() < 1e-3
    assert len(fill_mask(plain, tokenizer, "This movie was [MASK].", 3)[0]) == 3
