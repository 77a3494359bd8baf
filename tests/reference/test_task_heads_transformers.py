"""Heads and losses against transformers' own: the same weights, logits, losses and gradients.

For spans on rows without padding: transformers lets padding take part in the softmax over places,
ours does not.
"""

from __future__ import annotations

import pytest
import torch
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
)

from course_lib.batch import Batch
from course_lib.encoder import Encoder, TransformersEncoder
from course_lib.finetuning import SequenceClassifier, SpanExtractor, TokenClassifier
from course_lib.finetuning.objectives import Classification, SpanExtraction, TokenClassification

CONFIG = dict(
    vocab_size=60,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    attn_implementation="sdpa",
)
IDS = torch.tensor([[2, 7, 9, 11, 3], [2, 8, 3, 0, 0]])
REAL = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
TYPES = torch.tensor([[0, 0, 1, 1, 1], [0, 0, 0, 0, 0]])


def theirs(kind):
    torch.manual_seed(0)
    n_labels = 2 if kind is BertForQuestionAnswering else 3
    model = kind(BertConfig(**CONFIG, num_labels=n_labels))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return model.eval()


def ours(model, kind, wrapped):
    """Our head with their weights, on their encoder or on ours with their weights."""
    encoder = TransformersEncoder(model.bert) if wrapped else Encoder.from_transformers(model.bert)
    if kind is SequenceClassifier:
        mine = kind(encoder, 3, pooling="first", transform=True)
        mine.head.transform.load_state_dict(model.bert.pooler.dense.state_dict())
    else:
        mine = kind(encoder) if kind is SpanExtractor else kind(encoder, 3)
    last = model.qa_outputs if kind is SpanExtractor else model.classifier
    mine.head.output.load_state_dict(last.state_dict())
    return mine.eval()


def real_tokens(kind):
    return torch.ones_like(REAL) if kind == "span" else REAL


def labelled(kind, rows):
    return Batch(IDS, torch.tensor(rows), segment_ids=real_tokens(kind), token_type_ids=TYPES)


N = -100
CASES = {
    "text": (
        BertForSequenceClassification,
        SequenceClassifier,
        Classification,
        [[2, N, N, N, N], [0, N, N, N, N]],
    ),
    "words": (
        BertForTokenClassification,
        TokenClassifier,
        TokenClassification,
        [[N, 1, 0, 2, N], [N, 2, N, N, N]],
    ),
    "span": (
        BertForQuestionAnswering,
        SpanExtractor,
        SpanExtraction,
        [[2, 3, N, N, N], [0, 1, N, N, N]],
    ),
}


def their_loss(kind, model, labels):
    labels = torch.tensor(labels)
    given = {
        "text": dict(labels=labels[:, 0]),
        "words": dict(labels=labels),
        "span": dict(start_positions=labels[:, 0], end_positions=labels[:, 1]),
    }[kind]
    return model(input_ids=IDS, attention_mask=real_tokens(kind), token_type_ids=TYPES, **given)


@pytest.mark.parametrize("wrapped", [True, False], ids=["their encoder", "our encoder"])
@pytest.mark.parametrize("kind", CASES)
def test_the_same_loss_and_gradients(kind, wrapped):
    their_kind, our_kind, objective, labels = CASES[kind]
    model = theirs(their_kind)
    mine = ours(model, our_kind, wrapped)
    expected = their_loss(kind, model, labels).loss
    expected.backward()
    last = model.qa_outputs if kind == "span" else model.classifier
    embedding = model.bert.embeddings.word_embeddings.weight
    gradients = last.weight.grad.clone(), embedding.grad.clone()
    model.zero_grad()
    loss = objective()(mine, labelled(kind, labels))
    mean = loss.total / loss.count
    torch.testing.assert_close(mean, expected, atol=1e-6, rtol=1e-5)
    mean.backward()
    torch.testing.assert_close(mine.head.output.weight.grad, gradients[0], atol=1e-6, rtol=1e-4)
    if wrapped:
        torch.testing.assert_close(embedding.grad, gradients[1], atol=1e-6, rtol=1e-4)


def test_the_same_span_logits_where_there_is_text():
    model = theirs(BertForQuestionAnswering)
    found = model(input_ids=IDS, attention_mask=REAL, token_type_ids=TYPES)
    logits = ours(model, SpanExtractor, False)(IDS, segment_ids=REAL, token_type_ids=TYPES)
    expected = torch.stack([found.start_logits, found.end_logits], 1)
    kept = REAL[:, None].expand_as(logits) == 1
    torch.testing.assert_close(logits[kept], expected[kept], atol=1e-5, rtol=1e-5)
