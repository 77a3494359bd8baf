"""Our losses against those that ``transformers`` computes, with the same weights."""

import pytest
import torch

transformers = pytest.importorskip("transformers")

from course_lib.batch import IGNORE, Batch
from course_lib.batches import next_token_batch
from course_lib.encoder import BinaryClassifier, Encoder, MaskedLanguageModel
from course_lib.objectives import CausalLM, NextSentence, ReplacedToken

SHAPE = dict(
    vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
)
ids = torch.randint(5, 60, (3, 9), generator=torch.Generator().manual_seed(0))
lengths = torch.tensor([[9], [6], [4]])
mask = (torch.arange(9) < lengths).long()  # (3, 9)


def test_causal_loss_equals_the_decoders():
    """BertLMHeadModel is a decoder: a causal mask, and labels that the model shifts by itself."""
    torch.manual_seed(0)
    config = transformers.BertConfig(**SHAPE, is_decoder=True)
    theirs = transformers.BertLMHeadModel(config).double().eval()
    encoder_only = transformers.BertForMaskedLM(transformers.BertConfig(**SHAPE)).double()
    encoder_only.load_state_dict(theirs.state_dict())
    ours = MaskedLanguageModel.from_transformers(encoder_only).double().eval()
    want = theirs(ids, attention_mask=mask, labels=ids.masked_fill(mask == 0, IGNORE))
    got = CausalLM()(ours, next_token_batch(ids, segment_ids=mask))
    assert got.count == int((lengths - 1).sum())
    torch.testing.assert_close(got.mean.double(), want.loss.double(), rtol=1e-6, atol=1e-6)
    shifted = next_token_batch(ids, segment_ids=mask).labels
    shifted_once = theirs(ids, attention_mask=mask, labels=shifted)
    assert abs(shifted_once.loss - got.mean) > 1e-3  # planted: shifted here and shifted there again


def test_replaced_token_loss_equals_electras():
    torch.manual_seed(0)
    config = transformers.ElectraConfig(**SHAPE, embedding_size=16)
    theirs = transformers.ElectraForPreTraining(config).double().eval()
    shape = transformers.BertConfig(**SHAPE)
    bert = transformers.BertModel(shape, add_pooling_layer=False).double()
    bert.load_state_dict(theirs.electra.state_dict())
    encoder = Encoder.from_transformers(bert).double()
    ours = BinaryClassifier(encoder.config, encoder=encoder).double().eval()
    head = theirs.discriminator_predictions
    ours.head.dense.load_state_dict(head.dense.state_dict())
    ours.head.output.load_state_dict(head.dense_prediction.state_dict())
    labels = (torch.rand(3, 9, generator=torch.Generator().manual_seed(1)) < 0.3).long()
    want = theirs(ids, attention_mask=mask, labels=labels).loss
    got = ReplacedToken()(ours, Batch(ids, labels.masked_fill(mask == 0, IGNORE), segment_ids=mask))
    torch.testing.assert_close(got.mean.double(), want.double(), rtol=1e-6, atol=1e-6)


def test_next_sentence_loss_equals_berts_two_way_softmax():
    """A softmax over two logits is a sigmoid of their difference.

    Label 0 is "follows" there, 1 is "follows" here.
    """
    torch.manual_seed(0)
    config = transformers.BertConfig(**SHAPE)
    theirs = transformers.BertForNextSentencePrediction(config).double().eval()
    encoder = Encoder.from_transformers(theirs.bert).double()
    ours = BinaryClassifier(encoder.config, encoder=encoder, activation="tanh").double().eval()
    ours.head.dense.load_state_dict(theirs.bert.pooler.dense.state_dict())
    two = theirs.cls.seq_relationship
    with torch.no_grad():
        ours.head.output.weight.copy_(two.weight[:1] - two.weight[1:])
        ours.head.output.bias.copy_(two.bias[:1] - two.bias[1:])
    types, follows = (torch.arange(9) >= 4).long().expand(3, 9) * mask, torch.tensor([1, 0, 0])
    want = theirs(ids, attention_mask=mask, token_type_ids=types, labels=1 - follows).loss
    labels = torch.full((3, 9), IGNORE)
    labels[:, 0] = follows
    got = NextSentence()(ours, Batch(ids, labels, segment_ids=mask, token_type_ids=types))
    torch.testing.assert_close(got.mean.double(), want.double(), rtol=1e-6, atol=1e-6)
