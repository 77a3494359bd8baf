import math

import pytest
import torch

from course_lib.batch import IGNORE
from course_lib.evaluation import pseudo_perplexity
from course_lib.evaluation.likelihood import (
    causal_batches,
    causal_perplexity,
    masked_once,
    pseudo_log_likelihoods,
)


@pytest.fixture
def model(small_model):
    with torch.no_grad():
        for weight in small_model.encoder.blocks.parameters():
            weight.mul_(8)  # so that the context matters
    return small_model.double().eval()


@pytest.fixture
def sequences(texts, tokenizer):
    return [ids for text in texts[:7] for ids in [tokenizer.encode_batch([text])[0]]]


@torch.no_grad()
def pll_written_out(model, ids, tokenizer) -> list[float]:
    """One forward pass per position, one row each."""
    found = []
    for i, token in enumerate(ids):
        if token in tokenizer.special_ids:
            continue
        row = torch.tensor([ids])
        row[0, i] = tokenizer.mask_id
        found.append(float(model(row)[0, i].log_softmax(-1)[token]))
    return found


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_pseudo_perplexity_equals_the_slow_loop(model, sequences, tokenizer, batch_size):
    logs = [x for ids in sequences for x in pll_written_out(model, ids, tokenizer)]
    got = pseudo_perplexity(
        model,
        sequences,
        mask_id=tokenizer.mask_id,
        special_ids=tokenizer.special_ids,
        batch_size=batch_size,
        precision="fp32",
    )
    assert got.count == len(logs)
    assert got.perplexity == pytest.approx(math.exp(-sum(logs) / len(logs)), rel=1e-6)


def test_each_position_is_masked_once_and_alone(sequences, tokenizer):
    options = dict(mask_id=tokenizer.mask_id, special_ids=tokenizer.special_ids, batch_size=9)
    rows = []
    for batch in masked_once(sequences, **options):
        full = torch.full((99,), 99)
        widths = full if batch.segment_ids is None else batch.segment_ids.sum(1)
        for ids, labels, width in zip(batch.input_ids, batch.labels, widths):
            text = ids.where(labels == IGNORE, labels)[: int(width)]
            rows.append((tuple(text.tolist()), int((labels != IGNORE).nonzero())))
    special = tokenizer.special_ids
    want = [(tuple(s), i) for s in sequences for i, x in enumerate(s) if x not in special]
    assert sorted(rows) == sorted(want)


def test_masking_all_at_once_is_something_else(model, sequences, tokenizer):
    """Planted: hiding every token at once gives another number."""
    options = dict(mask_id=tokenizer.mask_id, special_ids=tokenizer.special_ids, precision="fp32")
    right = pseudo_perplexity(model, sequences, **options).nll
    wrong = []
    for ids in sequences:
        row = torch.tensor([ids])
        hidden = ~torch.isin(row, torch.tensor(tokenizer.special_ids))
        with torch.no_grad():
            logs = model(row.masked_fill(hidden, tokenizer.mask_id)).log_softmax(-1)
        wrong += logs[0].gather(1, row[0, :, None])[hidden[0]].flatten().tolist()
    assert abs(right + sum(wrong) / len(wrong)) > 1e-3


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_causal_perplexity_equals_the_chain_rule(model, sequences, batch_size):
    logs = []
    with torch.no_grad():
        for ids in sequences:
            p = model(torch.tensor([ids]), causal=True)[0].log_softmax(-1)
            logs += [float(p[i - 1, ids[i]]) for i in range(1, len(ids))]
    got = causal_perplexity(model, sequences, batch_size=batch_size, precision="fp32")
    assert got.count == len(logs) and got.nll == pytest.approx(-sum(logs) / len(logs), rel=1e-6)


@pytest.mark.parametrize("max_len", [2, 3, 7, 500])
def test_every_token_but_the_first_is_predicted_once(sequences, max_len):
    found = []
    for batch in causal_batches(sequences, max_len=max_len, batch_size=4):
        assert batch.input_ids.shape[1] <= max_len
        for ids, labels in zip(batch.input_ids, batch.labels):
            for i in (labels != IGNORE).nonzero().flatten().tolist():
                assert ids[i + 1] == labels[i] if i + 1 < len(ids) else False
                found.append(int(labels[i]))
    assert sorted(found) == sorted(x for ids in sequences for x in ids[1:])


def test_edges(model, tokenizer):
    assert causal_batches([[], [2]]) == []
    with pytest.raises(ValueError, match="nothing to evaluate"):
        causal_perplexity(model, [[2]])
    with pytest.raises(ValueError, match="nothing to evaluate"):
        pseudo_perplexity(model, [[2, 3]], mask_id=4, special_ids=[2, 3, 4])
    with pytest.raises(ValueError, match="max_len must be at least 2"):
        causal_batches([[2, 3]], max_len=1)
    with pytest.raises(ValueError, match="batch_size"):
        next(masked_once([[7]], mask_id=4, special_ids=[], batch_size=0))


def test_pseudo_log_likelihoods_are_sums_of_the_slow_loop_in_the_given_order(
    model, sequences, tokenizer
):
    options = dict(mask_id=tokenizer.mask_id, special_ids=tokenizer.special_ids)
    wanted = [sum(pll_written_out(model, ids, tokenizer)) for ids in sequences]
    model.train()
    got = pseudo_log_likelihoods(model, [*sequences, [2, 3]], batch_size=7, **options)
    assert got[:-1].tolist() == pytest.approx(wanted, rel=1e-6) and got[-1] == 0
    assert model.training and len({len(ids) for ids in sequences}) > 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("ban dol", r"got one str; write tokenizer.encode_batch\(\[text\]\)"),
        (["ban dol"], r"sequences\[0\] must be a list of ids, got text"),
        ([[2, 7, 3], ["ban", "dol"]], r"sequences\[1\] must be a list of ids, got text"),
        ([2, 7, 3], r"sequences\[0\] must be a list of ids, got int; .*write \[ids\]"),
        (torch.tensor([2, 7, 3]), r"sequences\[0\] must be a list of ids, got Tensor"),
    ],
)
@pytest.mark.not_strict("wrong types")
def test_texts_and_a_single_sequence_are_no_sequences(small_model, wrong, says):
    options = dict(mask_id=4, special_ids=(0, 1, 2, 3, 4))
    for call in (
        lambda: pseudo_log_likelihoods(small_model, wrong, **options),
        lambda: pseudo_perplexity(small_model, wrong, **options),
        lambda: causal_perplexity(small_model, wrong),
    ):
        with pytest.raises(TypeError, match=says):
            call()
