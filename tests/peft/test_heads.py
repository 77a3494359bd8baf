"""Which children are the head, and that all of them are trained."""

import pytest
import torch
import transformers as t
from torch import nn

from course_lib.peft import LoRAConfig, attach
from course_lib.peft.heads import head_names

SMALL = dict(vocab_size=60, pad_token_id=0, num_labels=3)
BERT = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4)


def t5():
    shape = dict(d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4)
    return t.T5ForSequenceClassification(t.T5Config(**shape, eos_token_id=1, **SMALL))


def distilbert():
    shape = dict(dim=32, hidden_dim=64, n_layers=1, n_heads=4)
    return t.DistilBertForSequenceClassification(t.DistilBertConfig(**shape, **SMALL))


def modernbert():
    config = t.ModernBertConfig(**BERT, **SMALL, bos_token_id=1, eos_token_id=2, cls_token_id=1)
    return t.ModernBertForSequenceClassification(config)


def deberta():
    return t.DebertaV2ForSequenceClassification(t.DebertaV2Config(**BERT, **SMALL))


@pytest.mark.parametrize(
    "make, names",
    [
        (t5, ("classification_head",)),
        (distilbert, ("pre_classifier", "classifier")),
        (modernbert, ("head", "classifier")),
        (deberta, ("pooler", "classifier")),
        (lambda: t.BertForMaskedLM(t.BertConfig(**BERT, vocab_size=60)), ()),
        (lambda: t.BertModel(t.BertConfig(**BERT, vocab_size=60)), ()),
    ],
)
def test_everything_new_is_the_head(make, names):
    model = make()
    assert head_names(model, "auto") == names
    before = {name: value.clone() for name, value in model.state_dict().items()}
    handle = attach(model, LoRAConfig(rank=2, targets=(r"query|q_lin|q|Wqkv|query_proj",)))
    for name in names:
        assert all(p.requires_grad for p in model.get_submodule(name).parameters())
    trained = {id(p) for p in model.parameters() if p.requires_grad}
    assert trained == {id(p) for p in handle.parameters()}
    other = attach(model, handle.config, name="other")
    assert other.heads == handle.heads == names
    other.detach()
    handle.detach()
    after = model.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[n], before[n]) for n in before)


def test_a_new_head_stands_for_the_last_and_the_other_is_trained_with_it():
    model = distilbert()
    new = nn.Linear(32, 7)
    handle = attach(model, LoRAConfig(rank=2), head=new)
    assert handle.head == "classifier" and model.classifier is new
    assert model(torch.tensor([[3, 4, 5]])).logits.shape == (1, 7)
    assert model.pre_classifier.weight.requires_grad
    assert handle.summary().n_head == 32 * 33 + 33 * 7
