"""What training on n processors costs, by formula: bytes sent, bytes kept, seconds.

With P parameters, S bytes of gradient, and a link that takes ``latency`` a + bytes / ``bandwidth``
B for a message:

    ring all-reduce       each sends 2 (n - 1) / n S in 2 (n - 1) messages:
                          T = 2 (n - 1) (a + S / (n B))
    memory (ZeRO)         stage 0: all whole; 1: the optimiser's state / n; 2: the gradients too;
                          3: the weights too
    traffic (ZeRO)        stages 0 to 2: 2 (n - 1) / n S;   stage 3: 3 (n - 1) / n S
    pipeline of p stages  share of the time spent waiting:
                          (p - 1) / (m + p - 1) with m micro-batches
    tensor parallel       4 all-reduces of the activations, b t d numbers, a layer and step
                          (2 forward, 2 backward)

The models know no congestion and no stragglers: they say what is best possible, and which term will
hurt first.

Cost: arithmetic. Sources: Patarasuk & Yuan 2009 (doi:10.1016/j.jpdc.2008.09.002, the ring is
optimal in bytes), Rajbhandari et al. 2020 (arXiv:1910.02054, ZeRO), Huang et al. 2019
(arXiv:1811.06965, the bubble), Shoeybi et al. 2019 (arXiv:1909.08053, tensor parallel).

>>> all_reduce_bytes(4, 100.0), round(all_reduce_seconds(2, 1e6, latency=1e-3, bandwidth=1e9), 6)
(150.0, 0.003)
>>> state_bytes(100, 4, stage=0), state_bytes(100, 4, stage=3)
(1600.0, 400.0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


def all_reduce_bytes(n: int, size: float) -> float:
    """Bytes that each of ``n`` workers sends to add up arrays of ``size`` bytes in a ring."""
    _positive(n=n)
    return 2 * (n - 1) / n * size


def all_reduce_seconds(n: int, size: float, *, latency: float, bandwidth: float) -> float:
    """Seconds of a ring all-reduce.

    latency: seconds a message.  bandwidth: bytes a second out of each worker.
    """
    _positive(n=n, bandwidth=bandwidth)
    return 2 * (n - 1) * latency + all_reduce_bytes(n, size) / bandwidth


def ring_all_reduce(arrays: list[np.ndarray]) -> tuple[list[np.ndarray], list[int]]:
    """The ring itself: the sum of ``arrays`` on every worker, and the numbers each one sent.

    arrays: one a worker, of one shape.
    Every array is cut into n parts. For n - 1 rounds each worker passes one part to its right
    neighbour, who adds it to its own; then each part is complete somewhere. For n - 1 more rounds
    the complete parts go round.
    """
    n = len(arrays)
    parts = [np.array_split(np.array(a, dtype=float).ravel(), n) for a in arrays]
    sent = [0] * n
    for turn in range(2 * (n - 1)):
        # worker w sends part w - turn; all send at once: what travels is taken before all changes
        moving = [parts[w][(w - turn) % n].copy() for w in range(n)]
        for w, part in enumerate(moving):
            right, index = (w + 1) % n, (w - turn) % n
            parts[right][index] = parts[right][index] + part if turn < n - 1 else part
            sent[w] += part.size
    return [np.concatenate(p).reshape(np.shape(arrays[0])) for p in parts], sent


def state_bytes(
    parameters: float,
    n: int,
    *,
    stage: int,
    weight: float = 4,
    gradient: float = 4,
    optimizer: float = 8,
) -> float:
    """Bytes of weights, gradients and optimiser state on each of ``n`` workers.

    stage: of ZeRO, 0 (plain data parallel) to 3 (FSDP).
    weight, gradient, optimizer: bytes a parameter; the defaults are those of ``train`` (float32 and
        AdamW), mixed precision with float32 copies has 2, 2 and 12.
    Activations come on top. Raises ValueError for a stage that does not exist.
    """
    _positive(n=n)
    if stage not in (0, 1, 2, 3):
        raise ValueError(f"stage must be 0, 1, 2 or 3, got {stage!r}")
    cut_from = ((weight, 3), (gradient, 2), (optimizer, 1))
    return parameters * sum(size / (n if stage >= first else 1) for size, first in cut_from)


def bubble(stages: int, micro_batches: int) -> float:
    """Share of a step that each stage of a pipeline waits, all stages being equal (GPipe, 1F1B)."""
    _positive(stages=stages, micro_batches=micro_batches)
    return (stages - 1) / (micro_batches + stages - 1)


@dataclass(frozen=True)
class Cluster:
    """Machines of ``per_node`` GPUs, all the same.

    flops: FLOP/s that a GPU reaches in training (not its peak).  memory: bytes of a GPU.
    inside, between: bytes a second out of each GPU to others of its node, and to other nodes.
    latency: seconds a message, whichever way.
    """

    flops: float
    memory: float
    inside: float
    between: float
    latency: float = 1e-5
    per_node: int = 8

    def link(self, n: int) -> float:
        """The slowest link in a ring of ``n`` GPUs, in bytes a second."""
        return self.inside if n <= self.per_node else self.between


class StepTime(NamedTuple):
    """Seconds of a step.

    compute; communication: all of it; exposed: what does not hide behind the compute.
    """

    compute: float
    communication: float
    exposed: float

    @property
    def total(self) -> float:
        """Seconds from step to step."""
        return self.compute + self.exposed

    @property
    def efficiency(self) -> float:
        """Share of the time in which the GPUs compute: 1 without communication."""
        return self.compute / self.total


def data_parallel_step(
    cluster: Cluster,
    n: int,
    *,
    flops: float,
    gradient_bytes: float,
    stage: int = 0,
    overlap: float = 2 / 3,
) -> StepTime:
    """The time of a step on ``n`` GPUs of ``cluster``.

    flops: of the whole batch, over all GPUs.
    gradient_bytes: as they travel (2 a parameter in bf16).
    overlap: share of the compute behind which communication can hide; the backward pass is two
        thirds.
    """
    compute = flops / n / cluster.flops
    traffic = 1.5 if stage == 3 else 1.0
    ring = all_reduce_seconds(n, gradient_bytes, latency=cluster.latency, bandwidth=cluster.link(n))
    communication = traffic * ring
    return StepTime(compute, communication, max(0.0, communication - overlap * compute))


def tensor_parallel_seconds(
    cluster: Cluster, n: int, *, tokens: int, d_model: int, n_layers: int, bytes_per_number: int = 2
) -> float:
    """Seconds of communication in a step, every matrix cut over ``n`` GPUs; none of it hides.

    tokens: b t, those of the batch that these n GPUs share.
    """
    size = tokens * d_model * bytes_per_number
    once = all_reduce_seconds(n, size, latency=cluster.latency, bandwidth=cluster.link(n))
    return 4 * n_layers * once


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")
