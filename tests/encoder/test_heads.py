import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from course_lib.encoder import BinaryClassifier, EncoderConfig, MaskedLanguageModel
from course_lib.encoder.heads import BinaryHead

ids = torch.randint(5, 50, (2, 9), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MaskedLanguageModel(
        EncoderConfig.modern(vocab_size=50, n_layers=1, d_model=16, n_heads=2)
    ).double()


def test_masked_positions_give_the_same_logits_as_all(model):
    positions = torch.tensor([0, 5, 9, 17])
    torch.testing.assert_close(model(ids, positions=positions), model(ids).flatten(0, 1)[positions])


@pytest.mark.parametrize("shape", [EncoderConfig.bert, EncoderConfig.modern])
@pytest.mark.parametrize("n_layers", [1, 3])
def test_the_top_at_the_targets_gives_the_same_logits_and_gradients(shape, n_layers):
    torch.manual_seed(1)
    sizes = dict(vocab_size=50, n_layers=n_layers, d_model=16, n_heads=2, dropout=0.0)
    model = MaskedLanguageModel(shape(**sizes)).double()
    positions = torch.tensor([9, 0, 5, 17])
    segments = torch.tensor([[1] * 4 + [2] * 5, [1] * 7 + [0] * 2])
    found = []
    for model.top_at_targets in (False, True):
        model.zero_grad()
        logits = model(ids, segment_ids=segments, positions=positions)
        logits.logsumexp(-1).square().sum().backward()
        found.append([logits.detach(), *(p.grad.clone() for p in model.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    # where all are asked for, all are computed
    assert model(ids, segment_ids=segments).shape == (2, 9, 50)


def test_what_the_top_at_the_targets_saves_is_counted():
    """Per token that is no target: output d * d, feed-forward 2 * d * 4d, two operations each."""
    model = MaskedLanguageModel(
        EncoderConfig.bert(vocab_size=50, n_layers=2, d_model=16, n_heads=2, dropout=0.0)
    )
    positions, counted = torch.tensor([0, 5, 9]), []
    for model.top_at_targets in (False, True):
        with FlopCounterMode(display=False) as counter:
            model(ids, positions=positions)
        counted.append(counter.get_total_flops())
    assert counted[0] - counted[1] == 2 * (16 * 16 + 2 * 16 * 64) * (ids.numel() - 3)


def test_the_table_is_tied_both_ways(model):
    table = model.encoder.embedding.tokens.weight
    model(ids, positions=torch.tensor([3])).logsumexp(-1).sum().backward()
    unseen = torch.ones(50, dtype=torch.bool)
    unseen[ids.flatten()] = False
    # words that are not in the row learn through the output
    assert table.grad[unseen].abs().min() > 0
    assert not any(p.shape == table.shape and p is not table for p in model.parameters())


def test_an_untrained_model_predicts_the_frequencies(model):
    counts = torch.arange(50.0)
    model.start_from_frequencies(counts)
    with torch.no_grad():
        model.head.norm.weight.zero_()  # what the hidden state adds, off
        got = model(ids).softmax(-1)
    want = ((counts + 1) / (counts + 1).sum()).double().expand_as(got)
    torch.testing.assert_close(got, want)
    with pytest.raises(ValueError, match=r"shape \(50,\), got \(49,\)"):
        model.start_from_frequencies(torch.ones(49))


@pytest.mark.parametrize(
    ("activation", "function"), [("gelu", torch.nn.functional.gelu), ("tanh", torch.tanh)]
)
def test_binary_head_equals_the_formula(model, activation, function):
    head = BinaryHead(model.config, activation).double()
    h = torch.randn(2, 3, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    inner = function(h @ head.dense.weight.T + head.dense.bias)
    want = inner @ head.output.weight[0] + head.output.bias
    torch.testing.assert_close(head(h), want)
    with pytest.raises(ValueError, match="activation must be one of"):
        BinaryHead(model.config, "relu")


def test_binary_logits_at_positions_equal_those_everywhere(model):
    yes_or_no = BinaryClassifier(model.config, encoder=model.encoder).double()
    assert yes_or_no.encoder is model.encoder
    positions = torch.tensor([0, 5, 17])
    everywhere = yes_or_no(ids)
    assert everywhere.shape == ids.shape
    torch.testing.assert_close(yes_or_no(ids, positions=positions), everywhere.flatten()[positions])


def test_binary_head_learns_which_tokens_are_odd(model):
    """Something that can be learnt is learnt: is the id odd?"""
    yes_or_no = BinaryClassifier(model.config, encoder=model.encoder).float()
    optimizer = torch.optim.Adam(yes_or_no.parameters(), lr=1e-2)
    for _ in range(40):
        loss = F.binary_cross_entropy_with_logits(yes_or_no(ids), (ids % 2).float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1
