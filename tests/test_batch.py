import pytest
import torch

from course_lib.batch import IGNORE, Batch


def test_batch_finds_its_targets_and_cuts_rows():
    labels = torch.full((3, 4), IGNORE)
    labels[0, 1], labels[2, 3], labels[2, 0] = 7, 8, 9
    batch = Batch(torch.arange(12).view(3, 4), labels)
    assert batch.target_positions.tolist() == [1, 8, 11]
    assert (batch.n_tokens, batch.n_targets) == (12, 3)
    tail = batch.rows(1, 3)
    assert tail.target_positions.tolist() == [4, 7]
    assert torch.equal(tail.input_ids, batch.input_ids[1:])


@pytest.mark.not_strict("wrong types")
def test_batch_refuses_wrong_shapes():
    with pytest.raises(ValueError, match="input_ids must have shape"):
        Batch(torch.arange(4))
    with pytest.raises(ValueError, match="segment_ids must have the shape"):
        Batch(torch.zeros(2, 3).long(), segment_ids=torch.zeros(2, 4).long())


@pytest.mark.not_strict("wrong types")
def test_token_types_travel_with_their_rows():
    types = torch.tensor([[0, 0, 1], [0, 1, 1]])
    batch = Batch(torch.ones(2, 3).long(), token_type_ids=types)
    assert torch.equal(batch.rows(1, 2).token_type_ids, types[1:])
    assert batch.to("meta").token_type_ids.device.type == "meta"
    with pytest.raises(ValueError, match="token_type_ids must have the shape"):
        Batch(torch.ones(2, 3).long(), token_type_ids=types[:, :2])


def test_to_moves_everything():
    batch = Batch(torch.ones(1, 2).long(), torch.tensor([[IGNORE, 3]]), torch.ones(1, 2).long())
    moved = batch.to("meta")
    tensors = (moved.input_ids, moved.labels, moved.target_positions)
    assert {tensor.device.type for tensor in tensors} == {"meta"}


def test_on_the_way_to_a_gpu_memory_is_pinned(monkeypatch):
    """A copy from ordinary memory would wait for the GPU; played here, since there may be none."""
    asked = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: asked.append("pinned") or self)
    monkeypatch.setattr(
        torch.Tensor, "to", lambda self, *args, **kwargs: asked.append(kwargs) or self
    )
    batch = Batch(torch.tensor([[2, 7, 3]]), labels=torch.tensor([[-100, 7, -100]]))
    batch.to("cuda")
    assert asked.count("pinned") == 3 and asked.count({"non_blocking": True}) == 3
    asked.clear()
    batch.to("cpu")
    assert "pinned" not in asked
