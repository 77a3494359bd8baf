"""Attention by bounds equals attention by mask, in values and gradients; nothing is recompiled."""

import copy

import pytest
import torch
from torch._dynamo.testing import CompileCounter

from course_lib.batches import MLMStream
from course_lib.encoder import Encoder, EncoderConfig, MaskedLanguageModel, variable_length
from course_lib.encoder.variable_length import (
    Bounds,
    _flash,
    _loop,
    _masked,
    document_bounds,
    why_no_kernel,
)
from course_lib.objectives import MaskedLM


def encoders(**changes) -> tuple[Encoder, Encoder]:
    torch.manual_seed(0)
    masked = Encoder(
        EncoderConfig.modern(vocab_size=60, n_layers=2, d_model=32, n_heads=4, **changes)
    )
    by_bounds = copy.deepcopy(masked)
    by_bounds.variable_length = True
    return masked, by_bounds


@pytest.fixture
def rows():
    segment = torch.tensor([[1] * 3 + [2] * 9 + [3] * 4, [1] * 16, [1] * 5 + [2] + [0] * 10])
    ids = torch.randint(5, 60, segment.shape, generator=torch.Generator().manual_seed(1))
    return ids, segment


def test_bounds_by_hand():
    segment = torch.tensor([[1, 1, 2, 2], [2, 2, 2, 2], [1, 0, 0, 0]])
    assert document_bounds(segment, capacity=7).starts.tolist() == [0, 2, 4, 8, 9, 12, 12, 12]


def test_the_same_values_and_gradients_as_with_a_mask(rows):
    ids, segment = rows
    masked, by_bounds = encoders()
    ours, theirs = by_bounds(ids, segment_ids=segment), masked(ids, segment_ids=segment)
    assert torch.allclose(ours, theirs, atol=1e-5)
    weights = torch.randn(ours.shape, generator=torch.Generator().manual_seed(2))
    (ours * weights).sum().backward()
    (theirs * weights).sum().backward()
    pairs = zip(by_bounds.named_parameters(), masked.named_parameters(), strict=True)
    for (name, a), (_, b) in pairs:
        assert torch.allclose(a.grad, b.grad, atol=1e-4), name


def test_the_kernel_for_gpus_takes_what_it_is_given_and_has_a_gradient():
    """FlashAttention's check of types and shapes, on tensors without data: numbers need a GPU."""
    half = dict(device="meta", dtype=torch.bfloat16, requires_grad=True)
    q, k, v = (torch.empty(48, 4, 8, **half) for _ in range(3))
    bounds = document_bounds(torch.ones(3, 16, dtype=torch.long))
    out = _flash(q, k, v, Bounds(bounds.starts.to("meta"), bounds.longest))
    assert out.shape == q.shape and out.dtype == torch.bfloat16
    out.sum().backward()
    assert all(x.grad.shape == x.shape and x.grad.dtype == torch.bfloat16 for x in (q, k, v))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_where_the_kernel_is_missing_a_mask_gives_the_same_in_the_same_format(rows, dtype):
    _, segment = rows
    bounds = document_bounds(segment)
    generator = torch.Generator().manual_seed(3)
    q, k, v = (torch.randn(48, 4, 8, generator=generator).to(dtype) for _ in range(3))
    masked, loop = _masked(q, k, v, bounds), _loop(q, k, v, bounds)
    assert masked.dtype == dtype
    assert torch.allclose(masked, loop, atol=1e-12 if dtype == torch.float64 else 2e-2)


def test_the_mask_from_bounds_is_one_graph(rows):
    """No look at a number: what stands in for the kernel stalls no GPU and breaks no graph."""
    _, segment = rows
    bounds = document_bounds(segment)
    torch._dynamo.reset()
    compiled = torch.compile(_masked, backend="aot_eager", fullgraph=True)
    q, k, v = (torch.randn(48, 4, 8, requires_grad=True) for _ in range(3))
    compiled(q, k, v, bounds).sum().backward()
    assert torch.allclose(compiled(q, k, v, bounds), _masked(q, k, v, bounds), atol=1e-6)


def test_why_there_is_no_kernel_is_said(monkeypatch):
    monkeypatch.setattr(variable_length, "HAS_KERNEL", True)
    assert why_no_kernel(torch.bfloat16, (8, 0)) is None
    assert why_no_kernel(torch.float16, (9, 0)) is None
    assert "torch.float32; use precision bf16" in why_no_kernel(torch.float32, (9, 0))
    assert "8.0, this GPU has 7.5" in why_no_kernel(torch.float16, (7, 5))
    monkeypatch.setattr(variable_length, "HAS_KERNEL", False)
    assert "install 2.10" in why_no_kernel(torch.bfloat16, (9, 0))


def test_documents_do_not_see_each_other(rows):
    ids, segment = rows
    _, by_bounds = encoders()
    changed = ids.clone()
    changed[0, 3:12] = 7  # the second document of the first row
    moved = (by_bounds(ids, segment_ids=segment) != by_bounds(changed, segment_ids=segment)).any(-1)
    assert moved[0, 3:12].all()
    assert not (moved[0, :3].any() or moved[0, 12:].any() or moved[1:].any())


def test_the_model_with_dropout_falls_back_to_the_mask(rows):
    _, by_bounds = encoders(dropout=0.5)
    assert by_bounds.train()._drops() and not by_bounds.eval()._drops()
    assert torch.isfinite(by_bounds.train()(rows[0], segment_ids=rows[1])).all()


def test_the_bounds_have_a_constant_shape_and_hold_every_packed_row(tokens, tokenizer):
    stream = MLMStream(tokens, tokenizer, seq_len=16, batch_size=8, targets=20)
    shapes = {document_bounds(stream.batch(step).segment_ids).starts.shape for step in range(30)}
    assert len(shapes) == 1


def test_too_many_documents_are_an_error():
    with pytest.raises(ValueError, match="has 8 documents, capacity is 4"):
        document_bounds(torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]]))


@pytest.mark.not_strict("compiled")
def test_compiled_once_then_never_again(tokens, tokenizer):
    """With a constant count every batch has the shapes of the first: one graph.

    The bounds are part of it.
    """
    stream = MLMStream(tokens, tokenizer, seq_len=16, batch_size=8, targets=20)
    config = EncoderConfig.modern(
        vocab_size=tokenizer.vocab_size, n_layers=1, d_model=16, n_heads=2
    )
    torch._dynamo.reset()
    counter, bounds = CompileCounter(), CompileCounter()
    compiled = torch.compile(MaskedLanguageModel(config), backend=counter, fullgraph=True)
    find = torch.compile(lambda s: document_bounds(s).starts, backend=bounds, fullgraph=True)
    for step in range(6):
        batch = stream.batch(step)
        MaskedLM()(compiled, batch).mean.backward()
        find(batch.segment_ids)
    assert counter.frame_count == bounds.frame_count == 1


@pytest.mark.parametrize("lean", [False, True])
@pytest.mark.not_strict("compiled")
def test_the_loss_too_is_compiled_once(tokens, tokenizer, lean):
    """Model, targets and cross-entropy in one graph, with the loss that needs no compiler."""
    stream = MLMStream(tokens, tokenizer, seq_len=16, batch_size=8, targets=20)
    config = EncoderConfig.modern(
        vocab_size=tokenizer.vocab_size, n_layers=2, d_model=16, n_heads=2
    )
    model = MaskedLanguageModel(config)
    model.top_at_targets = lean
    torch._dynamo.reset()
    counter = CompileCounter()
    loss_of = torch.compile(lambda b: MaskedLM()(model, b).mean, backend=counter, fullgraph=True)
    for step in range(4):
        batch = stream.batch(step)
        loss = loss_of(batch)
        loss.backward()
        assert torch.allclose(loss.detach(), MaskedLM()(model, batch).mean.detach())
    assert counter.frame_count == 1


@pytest.mark.not_strict("compiled")
def test_without_a_constant_count_it_is_compiled_again(tokens, tokenizer):
    """The reason for all this: the count of targets is a shape."""
    stream = MLMStream(tokens, tokenizer, seq_len=16, batch_size=8)
    config = EncoderConfig.modern(
        vocab_size=tokenizer.vocab_size, n_layers=1, d_model=16, n_heads=2
    )
    torch._dynamo.reset()
    counter = CompileCounter()
    compiled = torch.compile(MaskedLanguageModel(config), backend=counter)
    for step in range(6):
        MaskedLM()(compiled, stream.batch(step)).mean.backward()
    assert counter.frame_count > 1
