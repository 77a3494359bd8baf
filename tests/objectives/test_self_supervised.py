import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.batch import IGNORE, Batch
from course_lib.batches import MLMStream, next_token_batch
from course_lib.encoder import BinaryClassifier, EncoderConfig
from course_lib.objectives import CausalLM, MaskedLM, NextSentence, ReplacedToken


def test_equals_cross_entropy_over_all_positions(small_model, tokens, tokenizer):
    model = small_model.double()
    batch = MLMStream(tokens, tokenizer, seq_len=16, batch_size=4).batch(0)
    logits = model(batch.input_ids, segment_ids=batch.segment_ids, position_ids=batch.position_ids)
    flat = logits.flatten(0, 1).float()
    want = F.cross_entropy(flat, batch.labels.flatten(), ignore_index=IGNORE)
    loss = MaskedLM()(model, batch)
    torch.testing.assert_close(loss.mean, want)
    assert loss.count == (batch.labels != IGNORE).sum() and loss.correct is None
    with torch.no_grad():
        hits = (logits.argmax(-1) == batch.labels).sum()
        assert MaskedLM()(model, batch).correct == hits


# -- causal ----------------------------------------------------------------------------------------


@pytest.fixture
def attentive_model(small_model):
    """One layer in float64 whose attention matters (first weights are small, and little flows)."""
    with torch.no_grad():
        for weight in small_model.encoder.blocks.parameters():
            weight.mul_(8)
    return small_model.double()


def causal_loss_written_out(model, ids):
    """Chain rule with one forward pass per prefix: no mask where the future is cut off.

    One layer only: with two, the earlier tokens of a prefix would see the later ones.
    """
    total = torch.zeros((), dtype=torch.float64)
    for row in ids:
        for i in range(1, len(row)):
            logits = model(row[None, :i])[0, -1]
            total -= logits.double().log_softmax(-1)[row[i]]
    return total


def test_causal_equals_the_chain_rule_prefix_by_prefix(attentive_model):
    model = attentive_model
    ids = torch.randint(5, 80, (3, 9), generator=torch.Generator().manual_seed(0))
    loss = CausalLM()(model, next_token_batch(ids))
    assert loss.count == 3 * 8
    expected = causal_loss_written_out(model, ids)
    torch.testing.assert_close(loss.total.double(), expected, rtol=1e-6, atol=0)
    # planted: the same labels, and the answer in sight
    unmasked = MaskedLM()(model, next_token_batch(ids))
    assert abs(unmasked.total - loss.total) > 0.01


def test_causal_does_not_cross_documents(attentive_model):
    model, generator = attentive_model, torch.Generator().manual_seed(0)
    parts = [torch.randint(5, 80, (1, n), generator=generator) for n in (4, 5)]
    segments = torch.tensor([[1] * 4 + [2] * 5 + [0] * 2])
    places = torch.tensor([[*range(4), *range(5), 0, 1]])
    row = F.pad(torch.cat(parts, 1), (0, 2))
    batch = next_token_batch(row, segment_ids=segments, position_ids=places)
    assert batch.n_targets == 3 + 4
    alone = sum(CausalLM()(model, next_token_batch(p)).total for p in parts)
    torch.testing.assert_close(CausalLM()(model, batch).total, alone)


def test_causal_accuracy_and_missing_labels(small_model):
    batch = next_token_batch(torch.randint(5, 80, (2, 6)))
    with torch.no_grad():
        logits = small_model(batch.input_ids, causal=True)
        hits = (logits[:, :-1].argmax(-1) == batch.input_ids[:, 1:]).sum()
        assert CausalLM()(small_model, batch).correct == hits
    with pytest.raises(ValueError, match="next_token_batch"):
        CausalLM()(small_model, Batch(batch.input_ids))


# -- yes or no -------------------------------------------------------------------------------------


def detector(tokenizer, **others) -> BinaryClassifier:
    torch.manual_seed(0)
    shape = dict(vocab_size=tokenizer.vocab_size, n_layers=1, d_model=16, n_heads=2, dropout=0.0)
    return BinaryClassifier(EncoderConfig.bert(**shape), **others).double()


def binary_cross_entropy(logits, labels):
    """With probabilities, as in the formula (the objective works on logits)."""
    signed = [z if y else -z for z, y in zip(logits, labels, strict=True)]
    return sum(-math.log(1 / (1 + math.exp(-z))) for z in signed)


def test_replaced_token_equals_the_formula(tokenizer):
    model = detector(tokenizer)
    ids = torch.tensor([[2, 9, 8, 7, 3], [2, 6, 5, 3, 0]])
    labels = torch.tensor([[IGNORE, 0, 1, 0, IGNORE], [IGNORE, 1, 0, IGNORE, IGNORE]])
    batch = Batch(ids, labels, segment_ids=(ids > 0).long())
    with torch.no_grad():
        loss, logits = ReplacedToken()(model, batch), model(ids, segment_ids=batch.segment_ids)
    seen = labels != IGNORE
    answers, right = logits[seen].tolist(), labels[seen].tolist()
    assert loss.count == 5
    assert float(loss.total) == pytest.approx(binary_cross_entropy(answers, right), rel=1e-5)
    assert loss.correct == sum((z > 0) == bool(y) for z, y in zip(answers, right, strict=True))


def test_binary_gradient_is_the_sigmoid_minus_the_label():
    """And 0 where the label is -100; not what a softmax over the vocabulary gives."""
    logits = torch.tensor([[0.3, -2.0, 1.5, 40.0]], requires_grad=True)
    labels = torch.tensor([[1, 0, IGNORE, 0]])

    class Model(nn.Module):
        def forward(self, ids, *, positions, **_):
            return logits.flatten()[positions]

    loss = ReplacedToken()(Model(), Batch(torch.ones(1, 4).long(), labels))
    loss.total.backward()
    want = torch.sigmoid(logits.detach()) - labels
    want[0, 2] = 0
    torch.testing.assert_close(logits.grad, want)
    # 1 - sigmoid(40) is 0 in float32: the formula in probabilities overflows
    assert torch.isfinite(loss.total)


def test_next_sentence_reads_the_first_column(tokenizer):
    model = detector(tokenizer, activation="tanh")
    ids = torch.randint(5, 80, (3, 7), generator=torch.Generator().manual_seed(0))
    types = torch.tensor([[0, 0, 0, 0, 1, 1, 1]] * 3)
    labels = torch.full((3, 7), IGNORE)
    labels[:, 0] = torch.tensor([1, 0, 1])
    loss = NextSentence()(model, Batch(ids, labels, token_type_ids=types))
    answers = model(ids, token_type_ids=types)[:, 0].tolist()
    expected = binary_cross_entropy(answers, [1, 0, 1])
    assert loss.count == 3 and loss.total.item() == pytest.approx(expected, rel=1e-5)
    for wrong in (labels.roll(1, 1), labels.index_fill(0, torch.tensor([1]), IGNORE)):
        with pytest.raises(ValueError, match="first column"):
            NextSentence()(model, Batch(ids, wrong))


def test_binary_objectives_refuse_a_language_models_labels(tokenizer):
    model, ids = detector(tokenizer), torch.full((1, 4), 7)
    for objective in (ReplacedToken(), NextSentence()):
        with pytest.raises(ValueError, match="no labels"):
            objective(model, Batch(ids))
    with pytest.raises(ValueError, match="0, 1 or -100"):
        ReplacedToken()(model, Batch(ids, torch.full((1, 4), 7)))
