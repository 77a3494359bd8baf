"""The budget is part of the model's state: stopped and resumed, a run ends with the same bits."""

import contextlib

import pytest
import torch

from course_lib.batch import Batch
from course_lib.encoder import EncoderConfig, MaskedLanguageModel
from course_lib.objectives import MaskedLM
from course_lib.peft import AdaLoRAConfig, attach, handles
from course_lib.training import TrainConfig, train


class Stream:
    fingerprint = "s"

    def __init__(self, stop: int | None = None) -> None:
        self.stop = stop

    def batch(self, step: int) -> Batch:
        if step == self.stop:
            raise InterruptedError
        ids = torch.randint(5, 60, (4, 12), generator=torch.Generator().manual_seed(step))
        labels = torch.full_like(ids, -100)
        labels[:, 3] = ids[:, 3]
        return Batch(ids, labels)


def run(out, *, stop: int | None = None, resume: bool = False):
    torch.manual_seed(0)
    shape = dict(vocab_size=60, n_layers=2, d_model=16, n_heads=2, max_len=32)
    model = MaskedLanguageModel(EncoderConfig.bert(**shape))
    config = AdaLoRAConfig(total_steps=20, rank=4, target_rank=1, begin=4, end=4)
    attach(model, config, head=None)
    settings = TrainConfig(steps=20, checkpoint_every=5, precision="fp32", lr=1e-2)
    with contextlib.suppress(InterruptedError):
        given = dict(out=out, resume=resume, progress=False, device="cpu")
        train(model, MaskedLM(), Stream(stop), settings, **given)
    return model


@pytest.mark.parametrize("stop", [3, 12, 18])  # before the cuts, between them, after the last
def test_a_run_that_is_killed_and_resumed_ends_with_the_same_bits(tmp_path, stop):
    whole = run(tmp_path / "whole").state_dict()
    run(tmp_path / "killed", stop=stop)
    resumed = run(tmp_path / "killed", resume=True)
    budget = handles(resumed)["default"].watcher
    assert budget.step == 20 and sum(budget.rank_pattern().values()) == 4
    found = resumed.state_dict()
    assert list(found) == list(whole)
    assert all(torch.equal(found[name], whole[name]) for name in whole)
    assert sum("smooth_" in name for name in whole) == 3 * 4


def test_a_state_of_the_model_holds_the_step_and_the_kept_triplets():
    model, other = run(None, stop=12), run(None, stop=0)
    other.load_state_dict(model.state_dict())
    one, two = (handles(m)["default"] for m in (model, other))
    assert two.watcher.step == 12
    for a, b in zip(one.layers.values(), two.layers.values(), strict=True):
        assert torch.equal(a.kept, b.kept) and not a.kept.all()
        assert torch.equal(a.unsteady_P, b.unsteady_P) and a.unsteady_P.any()


def test_the_rank_stabilised_scale():
    assert AdaLoRAConfig(total_steps=9, rank=16, alpha=8).scale == 0.5
    assert AdaLoRAConfig(total_steps=9, rank=16, alpha=8, rank_stabilised=True).scale == 2.0
