import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from course_lib.batch import IGNORE
from course_lib.batches import MLMStream, TokenArray, fixed_batches
from course_lib.masking import MaskPolicy


@pytest.fixture
def stream(tokens, tokenizer):
    return MLMStream(tokens, tokenizer, seq_len=16, batch_size=8, seed=3)


def test_a_step_does_not_depend_on_what_was_asked_before(stream):
    forward = [stream.batch(s) for s in range(6)]
    for s in (5, 2, 0):
        again = stream.batch(s)
        assert torch.equal(again.input_ids, forward[s].input_ids)
        assert torch.equal(again.labels, forward[s].labels)


def test_another_process_sees_the_same_masks(tokens, tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer")
    script = (
        "import sys; from course_lib.batches import MLMStream, TokenArray\n"
        "from course_lib.tokenization import Tokenizer\n"
        "tokens, tokenizer = TokenArray.open(sys.argv[1]), Tokenizer.load(sys.argv[2])\n"
        "s = MLMStream(tokens, tokenizer, seq_len=16, batch_size=8, seed=3)\n"
        "print(s.fingerprint, s.batch(41).input_ids.flatten().tolist())"
    )
    path = str(tokens.tokens.filename).removesuffix("tokens.bin")
    run = [sys.executable, "-c", script, path, str(tmp_path / "tokenizer")]
    out = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    here = MLMStream(tokens, tokenizer, seq_len=16, batch_size=8, seed=3)
    assert out.strip() == f"{here.fingerprint} {here.batch(41).input_ids.flatten().tolist()}"


def test_an_epoch_shows_every_row_once_and_the_next_cuts_elsewhere(tokenizer):
    numbered = TokenArray(np.arange(3000, dtype=np.uint16), n_documents=1, fingerprint="numbered")
    stream = MLMStream(numbered, tokenizer, seq_len=16, batch_size=8, seed=0)
    n = stream.n_rows
    assert (stream.epoch_of(n // 8), stream.epoch_of(n // 8 + 1)) == (0, 1)
    rows = np.concatenate([stream.token_rows(step) for step in range(2 * n // 8 + 1)])
    assert (np.diff(rows, axis=1) == 1).all()  # each row is a stretch of the text
    first, second = (np.sort(part[:, 0]) for part in (rows[:n], rows[n : 2 * n]))
    assert len(first) == n and set(np.diff(first)) == {16} and set(np.diff(second)) == {16}
    assert first[0] % 16 != second[0] % 16


def test_masks_change_with_step_epoch_and_seed(stream):
    masks = [stream.batch(s).labels for s in (0, 1)] + [replace(stream, seed=4).batch(0).labels]
    assert not torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])


def test_labels_are_the_text_under_the_masks(stream):
    rows, batch = torch.from_numpy(stream.token_rows(7)), stream.batch(7)
    hit = batch.labels != IGNORE
    assert torch.equal(batch.labels[hit], rows[hit])
    assert torch.equal(batch.input_ids[~hit], rows[~hit])
    assert hit.any(1).all()


def test_documents_keep_apart_unless_told_otherwise(stream):
    batch = stream.batch(0)
    assert (batch.segment_ids.max(1).values > 1).any()
    begins = batch.segment_ids.diff(dim=1, prepend=batch.segment_ids[:, :1] - 1) > 0
    assert (batch.position_ids[begins] == 0).all()
    free = replace(stream, respect_documents=False).batch(0)
    assert free.segment_ids is None and torch.equal(free.input_ids, batch.input_ids)


def test_the_fingerprint_changes_with_all_that_changes_a_batch(stream):
    changes = [
        dict(seed=9),
        dict(seq_len=8),
        dict(batch_size=4),
        dict(policy=MaskPolicy(rate=0.3)),
        dict(respect_documents=False),
    ]
    prints = {stream.fingerprint, *(replace(stream, **c).fingerprint for c in changes)}
    assert len(prints) == len(changes) + 1


def test_evaluation_masks_do_not_depend_on_the_batch_size(held_out, tokenizer):
    one, many = (fixed_batches(held_out, tokenizer, seq_len=16, batch_size=b) for b in (3, 64))
    for name in ("input_ids", "labels", "segment_ids"):
        a, b = (torch.cat([getattr(batch, name) for batch in found]) for found in (one, many))
        assert torch.equal(a, b)
    rows = torch.cat([b.input_ids for b in one]).shape[0]
    assert rows == len(held_out) // 16
    part = fixed_batches(held_out, tokenizer, seq_len=16, max_tokens=100)
    assert sum(b.n_tokens for b in part) == 96


def test_clear_errors(tokens, tokenizer, stream):
    with pytest.raises(ValueError, match="too few for one batch of 9000 rows"):
        MLMStream(tokens, tokenizer, batch_size=9000)
    with pytest.raises(ValueError, match="seq_len must be at least 1"):
        MLMStream(tokens, tokenizer, seq_len=0)
    with pytest.raises(ValueError, match="must not be negative"):
        stream.batch(-1)
    with pytest.raises(ValueError, match="too few for one row"):
        fixed_batches(tokens, tokenizer, seq_len=10**6)


def test_a_part_of_the_held_out_text_is_spread_over_all_of_it(held_out, tokenizer):
    whole = torch.cat([b.input_ids for b in fixed_batches(held_out, tokenizer, seq_len=16)])
    original = torch.from_numpy(held_out.tokens[: len(whole) * 16].astype(np.int64)).view(-1, 16)
    part = fixed_batches(held_out, tokenizer, seq_len=16, max_tokens=len(held_out) // 4)
    shown = torch.cat([b.input_ids for b in part])
    labels = torch.cat([b.labels for b in part])
    right = torch.where(labels == IGNORE, shown, labels)
    found = [int((original == row).all(dim=1).nonzero()[0]) for row in right]
    gaps = np.diff(found)
    assert found[0] == 0 and min(gaps) >= 3 and max(gaps) <= 6 and found[-1] > 0.9 * len(original)
