"""Each worker keeps a slice of weights, gradients and the optimiser's moments (ZeRO stage 3, FSDP).

    n workers, P parameters, AdamW in float32:
    16 P bytes on each  ->  16 P / n, and the largest block whole for a moment

Before a block computes, its weights are gathered from all workers; after it has computed, the
others' slices are thrown away; its gradient is added up and cut in the same motion
(reduce-scatter). So a step sends 3 slices' worth of bytes where plain data parallelism sends 2:
half as many again, for 1/n of the memory. See ``costs``.

A sharded parameter is a ``DTensor``: it knows its whole shape and its slice, and the optimiser
works on the slice without knowing. What leaves the group (a checkpoint, the trained model) is made
whole again, so that it does not matter how many workers wrote it.

Sources: Rajbhandari et al. 2020 (arXiv:1910.02054, ZeRO), Zhao et al. 2023 (arXiv:2304.11277,
FSDP).

>>> whole(torch.ones(2)).tolist()  # an ordinary tensor is whole already
[1.0, 1.0]
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


def shard(model: nn.Module) -> nn.Module:
    """Cut the parameters of ``model`` over all workers, in place: block by block, then the rest.

    A block is an entry of a ``ModuleList``. Needs the process group (``distributed.join``) and
    torch 2.6 or later; raises ImportError with the remedy.
    """
    try:
        from torch.distributed.fsdp import fully_shard
    except ImportError as error:
        raise ImportError(
            f"sharding needs torch 2.6 or later, this is {torch.__version__}: upgrade torch or "
            "leave shard out"
        ) from error
    for part in model.modules():
        if isinstance(part, nn.ModuleList):
            for block in part:
                fully_shard(block)
    fully_shard(model)
    return model


def whole(tensor: Tensor) -> Tensor:
    """All of a sharded tensor, on every worker (all must call); any other tensor as it is."""
    gather = getattr(tensor, "full_tensor", None)
    return tensor if gather is None else gather()


def like(parameter: Tensor, tensor: Tensor) -> Tensor:
    """``tensor``, which every worker has whole, cut as ``parameter`` is cut (all must call)."""
    if not hasattr(parameter, "placements") or tensor.shape != parameter.shape:
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    cut = cast(DTensor, parameter)
    return distribute_tensor(tensor.to(cut.device), cut.device_mesh, cut.placements)


def local_bytes(*tensors: Tensor) -> int:
    """Bytes of these tensors that this worker holds: of a sharded one, its slice."""
    return sum(t.numel() * t.element_size() for t in map(_own_part, tensors))


def _own_part(tensor: Tensor) -> Tensor:
    take = getattr(tensor, "to_local", None)
    return tensor if take is None else take()
