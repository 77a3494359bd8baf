"""Where a token stands: waves that are added to its vector, or angles that turn queries and keys.

    sinusoidal   e_t = (sin t w_0, cos t w_0, sin t w_1, ...)     w_i = base^(-2i / d)
    rotary       (q_i, q_{i + e/2}) turned by the angle t w_i     so q_m . k_n depends on m - n only

Cost: O(t d) once for each batch; nothing is learnt. Sources: Vaswani et al. 2017
(arXiv:1706.03762), Su et al. 2021 (arXiv:2104.09864, rotary).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def sinusoids(
    position_ids: Int[Tensor, "*b t"], d_model: int, base: float = 10_000.0
) -> Float[Tensor, "*b t d"]:
    """Waves of d_model / 2 lengths, 2 pi to 2 pi base tokens (Vaswani et al. 2017, section 3.5).

    Column 2i is sin(position * base^(-2i / d)), column 2i + 1 the cosine. A shift of the position
    turns each such pair by an angle that does not depend on the position, so the product of two
    rows depends on their distance only.

    >>> sinusoids(torch.tensor([0]), 4).tolist()
    [[0.0, 1.0, 0.0, 1.0]]
    """
    i = torch.arange(0, d_model, 2, dtype=torch.float32, device=position_ids.device)
    angles = position_ids[..., None].float() * base ** (-i / d_model)  # (*b, t, d / 2)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


def rotary_angles(
    position_ids: Int[Tensor, "*b t"], d_head: int, base: float
) -> tuple[Float[Tensor, "*b t k"], Float[Tensor, "*b t k"]]:
    """Cosine and sine of position * base^(-2i / d_head), i = 0 .. k - 1, with k = d_head / 2."""
    i = torch.arange(0, d_head, 2, dtype=torch.float32, device=position_ids.device)
    angles = position_ids[..., None].float() * base ** (-i / d_head)  # (*b, t, k)
    return angles.cos(), angles.sin()


def rotate(
    x: Float[Tensor, "b h t e"], cos: Float[Tensor, "... t k"], sin: Float[Tensor, "... t k"]
) -> Float[Tensor, "b h t e"]:
    """Turn each pair (x_i, x_{i + e/2}) by its place's angle: q_m . k_n depends on m - n only."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
