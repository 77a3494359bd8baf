"""Batches whose rows hold unequal numbers of targets, and a configuration of six steps."""

import torch

from course_lib.batch import IGNORE, Batch
from course_lib.training import TrainConfig


def quick(**changes) -> TrainConfig:
    return TrainConfig(**(dict(steps=6, lr=1e-2, precision="fp32", log_every=1) | changes))


class Uneven:
    """One batch whose rows have 1, 2, ... 8 targets: micro-batches have unequal counts."""

    fingerprint = "uneven"

    def __init__(self, vocab_size: int) -> None:
        ids = torch.randint(5, vocab_size, (8, 16), generator=torch.Generator().manual_seed(0))
        labels = torch.where(torch.arange(16)[None] < torch.arange(1, 9)[:, None], ids, IGNORE)
        self.whole = Batch(ids.roll(1, 1), labels)

    def batch(self, step: int) -> Batch:
        return self.whole
