"""Loss and targets: the mean of a sum, the model asked at its targets only, no labels refused."""

import pytest
import torch

from course_lib.batch import IGNORE, Batch
from course_lib.batches import MLMStream
from course_lib.encoder import EncoderConfig, MaskedLanguageModel
from course_lib.objectives import Loss, MaskedLM


def test_loss_mean_and_its_empty_case():
    assert Loss(torch.tensor(6.0), 4).mean == 1.5
    with pytest.raises(ValueError, match="no predicted token"):
        _ = Loss(torch.tensor(0.0), 0).mean


def test_unmasked_positions_get_no_gradient(small_model, tokens, tokenizer):
    batch = MLMStream(tokens, tokenizer, seq_len=16, batch_size=4).batch(0)
    small_model.head.dense.register_forward_hook(lambda m, i, o: shapes.append(o.shape))
    shapes = []
    MaskedLM()(small_model, batch).total.backward()
    assert shapes == [(batch.n_targets, 32)]


def test_nothing_masked_and_no_labels(small_model):
    ids = torch.full((1, 4), 7)
    loss = MaskedLM()(small_model, Batch(ids, torch.full((1, 4), IGNORE)))
    assert loss.count == 0 and loss.total == 0
    with pytest.raises(ValueError, match="no labels"):
        MaskedLM()(small_model, Batch(ids))


def test_token_types_reach_the_model(tokenizer):
    torch.manual_seed(0)
    shape = dict(vocab_size=tokenizer.vocab_size, n_layers=1, d_model=16, n_heads=2, dropout=0.0)
    model = MaskedLanguageModel(EncoderConfig.bert(**shape))
    ids, labels = torch.randint(5, 80, (2, 6)), torch.full((2, 6), 7)
    types = torch.tensor([[0, 0, 0, 1, 1, 1]] * 2)
    plain, typed = Batch(ids, labels), Batch(ids, labels, token_type_ids=types)
    assert MaskedLM()(model, plain).total != MaskedLM()(model, typed).total
