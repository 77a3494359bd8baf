"""A source of chance that gives the same numbers each time."""

import torch


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
