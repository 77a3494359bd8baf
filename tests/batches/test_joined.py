import resource

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.batches import MLMStream, TokenArray, encode_corpus, join_arrays
from course_lib.batches.joined import JoinedTokens


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=5).filter(sum), st.data())
def test_equals_concatenation(lengths, data):
    parts = [np.arange(n, dtype=np.uint16) + 100 * k for k, n in enumerate(lengths)]
    whole = np.concatenate(parts)
    drawn = data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=8))
    index = np.array(drawn, dtype=np.int64)
    joined = JoinedTokens(parts)
    assert len(joined) == len(whole) and np.array_equal(joined[index], whole[index])
    some = slice(*sorted(data.draw(st.tuples(st.integers(0, 30), st.integers(0, 30)))))
    assert np.array_equal(joined[some], whole[some])


def test_a_stream_over_parts_is_the_stream_over_the_whole(texts, tokenizer, tmp_path, tokens):
    cuts = [texts[:150], texts[150:155], texts[155:]]  # each could be encoded by another worker
    parts = [
        encode_corpus(t, tokenizer, tmp_path / str(i), fingerprint=str(i), progress=False)
        for i, t in enumerate(cuts)
    ]
    joined = join_arrays(parts)
    assert len(joined) == len(tokens) and joined.n_documents == tokens.n_documents
    a, b = (MLMStream(t, tokenizer, seq_len=16, batch_size=8) for t in (tokens, joined))
    for step in (0, 5, 1000):
        assert torch.equal(a.batch(step).input_ids, b.batch(step).input_ids)
    assert join_arrays(parts[::-1]).fingerprint != joined.fingerprint


def test_refuses_what_cannot_be_joined(tokens):
    with pytest.raises(ValueError, match="parts is empty"):
        JoinedTokens([])
    with pytest.raises(ValueError, match="has no fingerprint"):
        join_arrays([TokenArray(tokens.tokens, 1, "")])
    with pytest.raises(IndexError, match=r"0 .. 2, got -1 .. 0"):
        JoinedTokens([np.arange(3)])[np.array([-1, 0])]


def test_a_corpus_larger_than_memory_is_streamed(tokenizer, tmp_path):
    """Three sparse files of 40 GB each: batches come, memory does not grow.

    No disk is used where nothing was written.
    """
    parts = []
    for k in range(3):
        with open(tmp_path / f"{k}.bin", "wb") as file:
            file.truncate(40_000_000_000)
            file.seek(20_000_000_000)
            file.write(np.full(1000, 7 + k, dtype=np.uint16).tobytes())
        mapped = np.memmap(tmp_path / f"{k}.bin", dtype=np.uint16, mode="r")
        assert mapped[10_000_000_000] == 7 + k
        parts.append(TokenArray(mapped, 1, f"part {k}"))
    joined = join_arrays(parts)
    assert len(joined) == 60_000_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stream = MLMStream(joined, tokenizer, seq_len=128, batch_size=64)
    rows = [stream.token_rows(step) for step in (0, 1, 10_000, 7_000_000)]
    assert all(r.shape == (64, 128) for r in rows) and stream.epoch_of(7_000_000) == 0
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 200e6
