"""What a base's weights become when an adapter is put into them.

    W + s B A        for LoRA; each method's ``Layer.merged`` has its own formula

A weight that two modules share would change in both, where only one is adapted: that is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from torch import Tensor, nn

from .site import Layer


def merged_weights(
    model: nn.Module, layers: Mapping[str, Layer], kind: str
) -> list[tuple[nn.Parameter, Tensor]]:
    """Parameters of ``model`` with their new values; nothing is changed.

    layers: by the names of the modules where they sit.  kind: the method, for the error.

    Raises ValueError for a method that can't be merged, or a weight that other modules share.
    """
    if reasons := {layer.not_merged_because for layer in layers.values()} - {""}:
        raise ValueError(f"a {kind} adapter can't be merged: {reasons.pop()}. Keep it attached")
    owners = Counter(id(p) for module in model.modules() for p in module._parameters.values())
    new = []
    for path, layer in layers.items():
        module = model.get_submodule(path)
        for name, value in layer.merged(module).items():
            parameter = module._parameters[name]
            if owners[id(parameter)] > 1:
                raise ValueError(
                    f"{path}.{name} is shared with another module, which merging would change too"
                )
            new.append((parameter, value))
    return new
