"""One model, one registry: a part and its whole can't both have adapters."""

import pytest
import torch
from adapted_models import classifier, logits, shake

from course_lib.peft import LoRAConfig, active, attach, handles


def test_a_whole_whose_part_has_adapters_is_refused_and_nothing_changes():
    model = classifier()
    inner = attach(model.encoder, LoRAConfig(rank=2))
    shake(inner)
    said = logits(model)
    with pytest.raises(ValueError, match=r"part 'encoder' .* adapters of its own, \['default'\]"):
        attach(model, LoRAConfig(rank=2))
    assert inner.active and torch.equal(logits(model), said) and handles(model) == {}
    inner.detach()
    attach(model, LoRAConfig(rank=2))


def test_a_part_of_a_whole_that_has_adapters_is_refused():
    model = classifier()
    outer = attach(model, LoRAConfig(rank=2), name="outer")
    with pytest.raises(ValueError, match=r"adapters \['outer'\] of a larger model"):
        attach(model.encoder, LoRAConfig(rank=2))
    assert active(model) == "outer" and outer.active
