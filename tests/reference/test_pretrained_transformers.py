"""The public MiniLM checkpoint in our encoder gives what ``transformers`` does, on real text."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from course_lib.data import FetchError, UnknownName, load_task
from course_lib.shipped import load_pretrained
from course_lib.shipped.minilm import pretrained_folder


@pytest.fixture(scope="module")
def folder():
    try:
        return pretrained_folder("minilm", progress=False)
    except FetchError as error:
        pytest.skip(f"no network: {error}")


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    examples = load_task("film-reviews", progress=False).test
    # longer than the 128 that its file cuts at
    return [e.text for e in examples[:8]] + ["word " * 300]


def test_tokens_are_those_of_transformers_uncut_and_unpadded(folder, sentences):
    _, tokenizer = load_pretrained("minilm", progress=False)
    theirs = AutoTokenizer.from_pretrained(folder)
    wanted = theirs(sentences, truncation=False, padding=False)["input_ids"]
    assert tokenizer.encode_batch(sentences) == wanted
    assert tokenizer.encode(sentences[-1]).ids == wanted[-1]
    assert len(wanted[-1]) == 302


def test_hidden_states_are_those_of_transformers(folder, sentences):
    encoder, tokenizer = load_pretrained("minilm", progress=False)
    theirs = AutoModel.from_pretrained(folder).eval()
    rows = tokenizer.encode_batch(sentences)
    longest = max(map(len, rows))
    ids = torch.tensor([row + [tokenizer.pad_id] * (longest - len(row)) for row in rows])
    real = ids != tokenizer.pad_id
    inside = []
    for block in encoder.blocks:
        block.register_forward_hook(lambda module, given, got: inside.append(got))
    with torch.no_grad():
        ours = encoder(ids, segment_ids=real.long())
        wanted = theirs(input_ids=ids, attention_mask=real.long(), output_hidden_states=True)
    torch.testing.assert_close(ours[real], wanted.last_hidden_state[real], atol=1e-5, rtol=1e-5)
    for got, want in zip(inside, wanted.hidden_states[1:], strict=True):
        torch.testing.assert_close(got[real], want[real], atol=1e-5, rtol=1e-5)
    assert not encoder.training


def test_unknown_names_are_refused_with_what_there_is():
    with pytest.raises(UnknownName, match="minilm"):
        load_pretrained("minilmm")
