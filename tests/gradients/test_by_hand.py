"""The model by hand against PyTorch, in float64, for every parameter; and its faults, planted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_lib.batch import IGNORE, Batch
from course_lib.encoder import EncoderConfig, MaskedLanguageModel
from course_lib.gradients import by_hand, check_gradients, compare


def make(*, d_model=8, n_heads=2, seed=0, **others):
    torch.manual_seed(seed)
    shape = dict(vocab_size=13, n_layers=1, d_model=d_model, n_heads=n_heads, d_ff=12, max_len=7)
    defaults = dict(n_token_types=0, dropout=0.0, init_std=0.4)
    model = MaskedLanguageModel(EncoderConfig.bert(**{**shape, **defaults, **others})).double()
    with torch.no_grad():
        for parameter in model.parameters():  # gains and biases too: at 1 and 0 faults can hide
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def make_batch(*, segments=True, places=True):
    """Row 2 is padded; row 3 holds two documents, each with a target: a model that ignores segments
    or positions is wrong at the second one's.
    """
    torch.manual_seed(1)
    ids, labels = torch.randint(5, 13, (3, 7)), torch.full((3, 7), IGNORE)
    labels[0, 2], labels[1, 1], labels[1, 4], labels[2, 0], labels[2, 4] = 7, 6, 9, 5, 11
    segment = torch.tensor([[1] * 7, [1] * 5 + [0] * 2, [1] * 3 + [2] * 4])
    place = torch.tensor([[*range(7)], [*range(5), 0, 0], [0, 1, 2, 0, 1, 2, 3]])
    return Batch(ids, labels, segment if segments else None, place if places else None)


def torch_gradients(model, batch):
    logits = model(
        batch.input_ids,
        segment_ids=batch.segment_ids,
        position_ids=batch.position_ids,
        positions=batch.target_positions,
    )
    loss = F.cross_entropy(logits, batch.labels.flatten()[batch.target_positions])
    model.zero_grad()
    loss.backward()
    names = by_hand.TORCH_NAMES.items()
    return loss.item(), {k: model.get_parameter(name).grad.numpy() for k, name in names}


def hand_gradients(model, batch):
    p, config = by_hand.parameters_of(model), model.config
    loss, cache = by_hand.forward(p, batch, n_heads=config.n_heads, eps=config.norm_eps)
    return loss, by_hand.backward(p, cache), p, cache


@pytest.mark.parametrize("segments, places", [(True, True), (False, False), (True, False)])
@pytest.mark.parametrize("n_heads, eps", [(1, 1e-12), (2, 1e-5), (4, 1e-12)])
def test_equals_pytorch_for_every_parameter(n_heads, eps, segments, places):
    model, batch = make(n_heads=n_heads, norm_eps=eps), make_batch(segments=segments, places=places)
    assert {name for name, _ in model.named_parameters()} == set(by_hand.TORCH_NAMES.values())
    loss, gradients, *_ = hand_gradients(model, batch)
    expected, reference = torch_gradients(model, batch)
    assert loss == pytest.approx(expected, rel=1e-14)
    compare(gradients, reference, tolerance=1e-12).raise_if_wrong()


def test_agrees_with_differences():
    model, batch = make(), make_batch()
    _, gradients, p, _ = hand_gradients(model, batch)
    report = check_gradients(
        lambda q: by_hand.forward(q, batch, n_heads=2)[0],
        p,
        gradients,
        max_entries=12,
        generator=torch.Generator().manual_seed(0),
    )
    report.raise_if_wrong()


def test_twenty_steps_by_hand_and_in_pytorch_are_the_same():
    model, batch = make(), make_batch()
    p = by_hand.parameters_of(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(20):
        loss, cache = by_hand.forward(p, batch, n_heads=2)
        gradients = by_hand.backward(p, cache)
        expected, _ = torch_gradients(model, batch)
        optimizer.step()
        p = {name: value - 0.1 * gradients[name] for name, value in p.items()}
        assert loss == pytest.approx(expected, abs=1e-10)
    assert loss < 1.5


@pytest.mark.parametrize(
    "fault, exposed",
    [
        ("no 1/n", {"output_bias", "tokens"}),
        ("no input path", {"tokens"}),
        ("no output path", {"tokens"}),
        ("softmax without its second term", {"query.weight", "key.weight", "key.bias"}),
        ("no residual", {"tokens", "positions"}),
        ("no scale 1/sqrt(e)", {"query.weight"}),
        ("layer norm without its last term", {"dense.weight"}),
        ("position_ids ignored", {"positions", "query.weight", "tokens"}),
    ],
)
def test_planted_faults_are_seen(fault, exposed, monkeypatch):
    model, batch = make(), make_batch()
    if fault == "softmax without its second term":
        monkeypatch.setattr(by_hand, "softmax_backward", lambda dp, p: p * dp)
    if fault == "no scale 1/sqrt(e)":
        whole = by_hand.attention_backward
        monkeypatch.setattr(
            by_hand,
            "attention_backward",
            lambda do, q, *o: (whole(do, q, *o)[0] * q.shape[-1] ** 0.5, *whole(do, q, *o)[1:]),
        )
    if fault == "layer norm without its last term":

        def short(dy, cache, gain):
            dx, dgain, dbias = right(dy, cache, gain)
            normal, rate = cache
            return dx + rate * normal * (dy * gain * normal).mean(-1, keepdims=True), dgain, dbias

        right = by_hand.layer_norm_backward
        monkeypatch.setattr(by_hand, "layer_norm_backward", short)
    seen = batch
    if fault == "position_ids ignored":
        seen = Batch(batch.input_ids, batch.labels, batch.segment_ids)
    _, gradients, _, cache = hand_gradients(model, seen)
    if fault == "no 1/n":
        gradients = {name: g * batch.n_targets for name, g in gradients.items()}
    if fault == "no input path":
        gradients["tokens"] = cache["output_path"]
    if fault == "no output path":
        gradients["tokens"] = cache["input_path"]
    if fault == "no residual":
        gradients["tokens"] = cache["output_path"]
        gradients["positions"] = 0.5 * gradients["positions"]
    wrong = compare(gradients, torch_gradients(model, batch)[1], tolerance=1e-12).wrong
    assert exposed <= set(wrong)


def test_the_key_bias_and_the_sum_of_the_output_bias_have_no_gradient():
    _, gradients, *_ = hand_gradients(make(), make_batch())
    assert np.abs(gradients["key.bias"]).max() < 1e-15
    assert np.abs(gradients["query.bias"]).max() > 1e-3
    assert abs(gradients["output_bias"].sum()) < 1e-15


def test_other_documents_and_padding_learn_nothing_from_a_masked_token():
    model, batch = make(), make_batch()
    # of the two documents in row 3, only the first is asked about
    labels = torch.where(batch.labels == 11, IGNORE, batch.labels)
    batch = Batch(batch.input_ids, labels, batch.segment_ids, batch.position_ids)
    *_, cache = hand_gradients(model, batch)
    norm = np.abs(cache["dx0"]).sum(-1)  # (b, t)
    reached = np.zeros((3, 7), dtype=bool)
    reached[0, :], reached[1, :5], reached[2, :3] = True, True, True
    assert (norm[reached] > 0).all() and (norm[~reached] == 0).all()


def test_cross_entropy_and_softmax_survive_large_logits():
    z = np.array([[1000.0, 0.0, -1000.0], [1e4, 1e4, 1e4]])
    loss, dz = by_hand.cross_entropy(z, np.array([1, 0]))
    assert loss == pytest.approx((1000 + np.log(3)) / 2)
    assert np.isfinite(dz).all() and dz.sum(-1) == pytest.approx([0, 0])


def test_embedding_backward_adds_for_repeated_ids():
    table = by_hand.embedding_backward(np.ones((3, 2)), np.array([1, 1, 0]), 4)
    assert table.tolist() == [[1, 1], [2, 2], [0, 0], [0, 0]]


def test_errors():
    batch = make_batch()
    with pytest.raises(ValueError, match="n_layers.*2"):
        by_hand.parameters_of(make(n_layers=2))
    with pytest.raises(ValueError, match="no masked token"):
        by_hand.forward(
            by_hand.parameters_of(make()),
            Batch(batch.input_ids, torch.full_like(batch.labels, IGNORE)),
            n_heads=2,
        )
