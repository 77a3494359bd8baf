"""The workers' arithmetic, in one process."""

import pytest
import torch
from uneven_batches import Uneven, quick

from course_lib.batches import MLMStream
from course_lib.distributed import WorkerLostError, Workers, join
from course_lib.distributed.sharding import like, local_bytes, whole
from course_lib.encoder import EncoderConfig, MaskedLanguageModel
from course_lib.evaluation import evaluate
from course_lib.objectives import MaskedLM
from course_lib.training import TrainConfig, train
from course_lib.training.checkpoint import checkpoints
from course_lib.training.tracking import Tracker


@pytest.fixture
def batch(tokens, tokenizer):
    return MLMStream(tokens, tokenizer, seq_len=16, batch_size=8).batch(0)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_shares_are_disjoint_and_complete(batch, count):
    shares = [Workers(r, count).share(batch) for r in range(count)]
    assert torch.equal(torch.cat([s.input_ids for s in shares]), batch.input_ids)
    assert torch.equal(torch.cat([s.labels for s in shares]), batch.labels)
    assert sum(s.n_targets for s in shares) == batch.n_targets
    sizes = [len(s.input_ids) for s in shares]
    assert max(sizes) - min(sizes) <= 1


def test_a_worker_without_rows_has_a_row_without_targets(batch, small_model):
    shares = [Workers(r, 5).share(batch.rows(0, 2)) for r in range(5)]
    assert sum(s.n_targets for s in shares) == batch.rows(0, 2).n_targets
    empty = next(s for s in shares if not s.n_targets)
    loss = MaskedLM()(small_model, empty)
    loss.total.backward()
    gradients = [p.grad for p in small_model.parameters() if p.grad is not None]
    assert loss.total == 0 and all(not g.any() for g in gradients)


def gradient(model, loss) -> torch.Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


def test_sums_over_the_whole_batchs_targets_add_up_and_means_do_not(small_model):
    whole_batch = Uneven(small_model.config.vocab_size).whole  # 1, 2 .. 8 targets in its rows
    objective, model = MaskedLM(), small_model.double()
    right = gradient(model, objective(model, whole_batch).total / whole_batch.n_targets)
    losses = [objective(model, Workers(r, 2).share(whole_batch)) for r in range(2)]
    assert [x.count for x in losses] == [10, 26]
    # as DDP does
    ours = sum(gradient(model, x.total * 2 / whole_batch.n_targets) for x in losses) / 2
    assert (ours - right).norm() < 1e-6 * right.norm()
    losses = [objective(model, Workers(r, 2).share(whole_batch)) for r in range(2)]
    means = sum(gradient(model, x.mean) for x in losses) / 2
    assert (means - right).norm() > 0.05 * right.norm()


def test_without_torchrun_there_is_one_worker(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with join() as workers:
        assert workers == Workers() and workers.first
        with workers.in_turn():
            assert workers.agree("x") == "x" and workers.largest(True) is True
            assert workers.sum(1, 2.5) == (1, 2.5)
    with pytest.raises(ValueError, match="needs several workers"), join(sharded=True):
        pass


def test_only_errors_of_the_network_are_a_lost_worker():
    with pytest.raises(RuntimeError, match="gloo is in the text") as raised, join():
        raise RuntimeError("gloo is in the text, but there is one worker")
    assert not isinstance(raised.value, WorkerLostError)


def test_impossible_workers():
    with pytest.raises(ValueError, match=r"rank must lie in 0 .. count - 1 = 1, got 2"):
        Workers(2, 2)


@pytest.mark.not_strict
def test_sharded_refuses_what_it_cannot_do(small_model, batch):
    workers = Workers(0, 2, sharded=True)
    for changes in ({"optimizer": "muon"}, {"precision": "fp16"}):
        config = TrainConfig(steps=1, **changes)
        with pytest.raises(ValueError, match="sharded workers can't use"):
            train(small_model, MaskedLM(), None, config, workers=workers, device="cpu")


def test_workers_draw_different_dropout():
    draws = []
    for rank, step in ((0, 0), (1, 0), (2, 0), (1, 7)):
        torch.manual_seed(99)
        Workers(rank, 3).seed(5, step)
        draws.append(float(torch.rand(())))
    assert len(set(draws)) == 4
    torch.manual_seed(5)
    assert draws[0] == float(torch.rand(()))  # the first draws what a single process would


def test_a_worker_that_does_not_write_knows_the_old_records(tmp_path):
    first = Tracker(tmp_path)
    first.add({"step": 1, "loss": 2.0})
    other = Tracker(tmp_path, last_step=1, write=False)
    other.add({"step": 2, "loss": 1.0})
    assert [r["step"] for r in other.records] == [1, 2]
    assert len((tmp_path / "metrics.jsonl").read_text("utf-8").splitlines()) == 1


def test_ordinary_tensors_are_whole_and_cut_like_ordinary_ones():
    a, b = torch.ones(3), torch.zeros(3)
    assert whole(a) is a and like(a, b) is b and local_bytes(a, b) == 24


def test_one_worker_is_the_default_bit_for_bit(tmp_path, tokens, tokenizer):
    """``workers`` left out and one worker given are the same run, and evaluate the same."""
    stream = MLMStream(tokens, tokenizer, seq_len=16, batch_size=8)
    ends = []
    for given in ({}, {"workers": Workers()}):
        torch.manual_seed(0)
        shape = dict(n_layers=1, d_model=16, n_heads=2, max_len=16)
        config = EncoderConfig.bert(vocab_size=tokenizer.vocab_size, **shape)
        model, out = MaskedLanguageModel(config), tmp_path / str(len(given))
        options = dict(progress=False, device="cpu", out=out, **given)
        train(model, MaskedLM(), stream, quick(accumulation=2), **options)
        nll = evaluate(model, MaskedLM(), [stream.batch(9)], **given).nll
        ends.append([*model.state_dict().values(), torch.tensor(nll)])
        assert len(checkpoints(out)) == 1
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
