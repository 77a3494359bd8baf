import numpy as np
import pytest

from course_lib.batch import IGNORE
from course_lib.batches import CausalStream, MLMStream
from course_lib.evaluation import fit_ngrams
from course_lib.evaluation.likelihood import causal_perplexity
from course_lib.objectives import CausalLM
from course_lib.training import TrainConfig, train


@pytest.fixture
def rows(tokens, tokenizer):
    return MLMStream(tokens, tokenizer, seq_len=32, batch_size=16)


def test_same_rows_as_the_masked_stream_with_shifted_labels(rows, tokenizer):
    stream = CausalStream(rows)
    for step in (5, 0, 5):
        batch, ids = stream.batch(step), rows.token_rows(step)
        assert np.array_equal(batch.input_ids.numpy(), ids)
        for r in range(ids.shape[0]):
            for c in range(ids.shape[1]):
                ends = c + 1 == ids.shape[1] or ids[r, c + 1] == tokenizer.cls_id
                assert batch.labels[r, c] == (IGNORE if ends else ids[r, c + 1])


def test_without_documents_only_the_last_column_has_no_target(rows, tokens, tokenizer):
    whole = MLMStream(tokens, tokenizer, seq_len=32, batch_size=16, respect_documents=False)
    batch = CausalStream(whole).batch(0)
    assert batch.segment_ids is None and batch.n_targets == 16 * 31
    prints = {CausalStream(whole).fingerprint, CausalStream(rows).fingerprint, rows.fingerprint}
    assert len(prints) == 3


def test_training_with_it_beats_the_unigram_and_sees_no_answer(
    small_model, rows, held_out, tokens, tokenizer, tmp_path
):
    config = TrainConfig(steps=120, lr=1e-2, precision="fp32")
    result = train(
        small_model, CausalLM(), CausalStream(rows), config, progress=False, device="cpu"
    )
    assert result.steps == 120
    starts = np.flatnonzero(held_out.tokens == tokenizer.cls_id)
    documents = [x.tolist() for x in np.split(np.asarray(held_out.tokens, np.int64), starts[1:])]
    found = causal_perplexity(small_model, documents, max_len=32)
    never = [i for i in tokenizer.special_ids if i != tokenizer.sep_id]
    unigram = fit_ngrams(tokens.tokens, tokenizer.vocab_size, order=1, never=never)
    flat = np.asarray(held_out.tokens, np.int64)
    # both are asked for the same tokens
    assert found.count == np.isin(flat, never, invert=True).sum()
    bigram = fit_ngrams(tokens.tokens, tokenizer.vocab_size, order=2, never=never)
    # a leak of the answer would bring it near 0
    assert bigram.nll(flat) - 0.4 < found.nll < unigram.nll(flat) - 1
