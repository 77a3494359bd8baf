"""Several processes train one model: the same batch, each its own rows, one gradient.

    torchrun --nproc-per-node 2 -m course_lib pretrain --out runs/two

torchrun starts n processes, the *workers*, and tells each its number, the *rank*, in the
environment. In every step

    1. all workers make the same batch of b rows, masked as a whole;   (seed, step) alone decide it
    2. worker r takes the rows r b/n .. (r+1) b/n of it;               disjoint, together everything
    3. its gradient is of (summed loss of its rows) / (targets of the *whole* batch);
    4. the gradients are added up over all workers, and all take the same step.

So n workers compute what one would, up to rounding, for every n. Step 3 is where it is easily lost:
the mean over its own targets on each worker, averaged over workers, is another gradient whenever
the workers hold unequal numbers of targets, and with random masks they always do.

PyTorch's ``DistributedDataParallel`` and FSDP *average* over workers, so the loss is multiplied by
n. Both send the gradients of the last layers while the first are still being computed.

Only the first worker writes and shows progress. The clock and the wish to stop are agreed on, or
the workers would leave the loop at different steps and wait for each other for ever.

Cost: 2 (n - 1) / n times the gradient's bytes sent by each worker, and two messages of 8 bytes, in
each step.

Sources: Li et al. 2020 (arXiv:2006.15704, PyTorch's data parallel), Goyal et al. 2017
(arXiv:1706.02677, section 3).

>>> alone = Workers()  # without torchrun nothing is sent and nothing changes
>>> alone.first, alone.sum(2.0, 3), alone.largest(1.5)
(True, (2.0, 3), 1.5)
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

from course_lib.batch import IGNORE, Batch
from course_lib.batches import seed_of

from .sharding import shard

T = TypeVar("T")


class WorkerLostError(RuntimeError):
    """Another worker ended, so that this one can't go on."""


@dataclass(frozen=True)
class Workers:
    """Who takes part.

    rank: this worker, 0 .. count - 1.  count: all of them.  sharded: the state is cut among them.

    Every method but ``share`` must be called by all workers at the same place: each waits for the
    others.
    """

    rank: int = 0
    count: int = 1
    sharded: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.count:
            raise ValueError(f"rank must lie in 0 .. count - 1 = {self.count - 1}, got {self.rank}")
        if self.sharded and self.count == 1:
            raise ValueError(
                "sharded=True needs several workers: start with torchrun --nproc-per-node 2, or "
                "leave it out"
            )

    @property
    def first(self) -> bool:
        """Whether this is the worker that writes and speaks."""
        return self.rank == 0

    def share(self, batch: Batch) -> Batch:
        """This worker's rows.

        Where there are fewer rows than workers, some get a row without targets: loss 0 over 0.
        """
        if self.count == 1:
            return batch
        rows = batch.input_ids.shape[0]
        start, stop = (rows * r // self.count for r in (self.rank, self.rank + 1))
        if start < stop:
            return batch.rows(start, stop)
        filler = batch.rows(0, 1)
        return replace(
            filler, labels=torch.full_like(filler.input_ids, IGNORE), target_positions=None
        )

    def wrap(self, model: nn.Module) -> nn.Module:
        """``model`` such that backward leaves the gradient *averaged* over all workers."""
        if self.count == 1:
            return model
        return shard(model) if self.sharded else nn.parallel.DistributedDataParallel(model)

    @contextlib.contextmanager
    def accumulating(self, wrapped: nn.Module, last: bool) -> Iterator[None]:
        """Around a micro-batch's two passes: gradients travel with the ``last`` one only."""
        # sharded: no worker could hold the whole sum meanwhile
        if not last and isinstance(wrapped, nn.parallel.DistributedDataParallel):
            with wrapped.no_sync():
                yield
        else:
            yield

    def sum(self, *numbers: float) -> tuple[float, ...]:
        """Each of the numbers, added up over all workers."""
        return self._reduce(numbers, "SUM")

    def largest(self, number: float) -> float:
        """The largest of all workers' numbers."""
        return self._reduce((number,), "MAX")[0]

    def _reduce(self, numbers: tuple[float, ...], operation: str) -> tuple[float, ...]:
        if self.count == 1:
            return numbers
        # on the CPU: a GPU need not stop for it
        values = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(values, getattr(dist.ReduceOp, operation))
        return tuple(kind(v) for kind, v in zip(map(type, numbers), values.tolist(), strict=True))

    def agree(self, value: T) -> T:
        """The first worker's value."""
        box = [value]
        if self.count > 1:
            dist.broadcast_object_list(box, device=torch.device("cpu"))
        return box[0]

    @contextlib.contextmanager
    def in_turn(self) -> Iterator[None]:
        """One worker of each machine runs the block, then the others.

        They find what it left in the cache.
        """
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if local:
            self.sum(0)
        yield
        if not local:
            self.sum(0)

    def seed(self, seed: int, step: int = 0) -> None:
        """Seed torch's generators (dropout) differently on each worker.

        The first takes ``seed`` itself at step 0.
        """
        if self.first and not step:
            torch.manual_seed(seed)
        elif not self.first:
            torch.manual_seed(seed_of("worker", seed, self.rank, step) % 2**32)


@contextlib.contextmanager
def join(*, sharded: bool = False) -> Iterator[Workers]:
    """Enter the group that torchrun describes in the environment; without it, be the only worker.

    Gradients on GPUs travel by NCCL, everything else by Gloo. Raises ValueError if there are more
    workers than GPUs, or for ``sharded`` with one worker; WorkerLostError when another worker ends
    in the middle.
    """
    rank, count = (
        int(os.environ.get(name, default)) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"))
    )
    workers = Workers(rank, count, sharded)
    if count > 1:
        dist.init_process_group(_backend())
    try:
        yield workers
    except RuntimeError as error:
        if count > 1 and (isinstance(error, dist.DistError) or "gloo" in str(error).lower()):
            raise WorkerLostError(
                f"worker {rank} of {count} lost contact with another worker, which has ended or "
                "hangs; its own message says why. The run is over; start it again with --resume, "
                f"with as many workers as you like. ({error})"
            ) from error
        raise
    if count > 1:
        dist.destroy_process_group()


def _backend() -> str:
    if not torch.cuda.is_available():
        return "gloo"
    local, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if local >= gpus:
        raise ValueError(
            f"worker {local} has no GPU: this machine has {gpus}, set --nproc-per-node to that"
        )
    torch.cuda.set_device(local)
    return "cpu:gloo,cuda:nccl"
