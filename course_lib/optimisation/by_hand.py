"""Optimisers in a few lines each, to be read; ``optimisers`` has those to train with.

Every function takes the weights ``theta``, their gradient ``g`` and a dict ``state`` (empty at
first; the function keeps its memory there, one dict for each array of weights), and returns the new
weights. Operators only, so NumPy arrays and torch tensors both do. t counts the steps from 1; all
operations are entry by entry unless said otherwise.

    sgd        theta - lr g
    momentum   m = mu m + g;                                     theta - lr m
    nesterov   m = mu m + g;                                     theta - lr (g + mu m)
    adam       m = b1 m + (1 - b1) g;  s = b2 s + (1 - b2) g^2;  theta - lr m^ / (sqrt(s^) + eps)
    adamw      the same, and                                     - lr weight_decay theta
    adafactor  s is stored as a row and a column of means:
               theta - lr max(eps2, rms(theta)) u / max(1, rms(u))
    muon       m = mu m + (1 - mu) g;  O = nearest orthogonal:   theta - lr' O(m)

with m^ = m / (1 - b1^t), s^ = s / (1 - b2^t). *Why these divisions*: m and s start at 0, so after t
steps with a gradient whose mean is E[g],
E[m] = (1 - b1) (1 + b1 + .. + b1^(t-1)) E[g] = (1 - b1^t) E[g]; dividing makes it E[g].

``weight_decay`` is an L2 penalty (added to g) in sgd, momentum, nesterov and adam, and decoupled
(it shrinks theta directly) in adamw, adafactor and muon. For plain SGD the two are the same update.

Memory beside the weights, in numbers per weight: sgd 0, momentum 1, adam 2, adafactor (rows +
columns) / (rows x columns), muon 1. Muon pays with 5 matrix iterations of 2 n m min(n, m) + ..
operations for an n x m matrix.

Sources: Polyak 1964 (doi:10.1016/0041-5553(64)90137-5, momentum), Sutskever et al. 2013 (Nesterov's
in this form), Kingma & Ba 2015 (arXiv:1412.6980), Loshchilov & Hutter 2019 (arXiv:1711.05101),
Shazeer & Stern 2018 (arXiv:1804.04235), Jordan et al. 2024 (Muon,
https://kellerjordan.github.io/posts/muon/) and Liu et al. 2025 (arXiv:2502.16982, its learning
rate).

>>> import numpy as np
>>> theta, state = np.array([1.0, -2.0]), {}
>>> for _ in range(3):
...     theta = adam(theta, 2 * theta, state, lr=0.1)  # the gradient of the sum of squares
>>> theta.round(3).tolist()  # Adam's first steps have length lr, whatever the gradient's size
[0.702, -1.701]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor

# a NumPy array or a torch tensor: what goes in comes out
Array = TypeVar("Array", bound=Any)
State = dict[str, Any]

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # a, b, c of Jordan et al. 2024


def sgd(theta: Array, g: Array, state: State, *, lr: float, weight_decay: float = 0.0) -> Array:
    """Stochastic gradient descent: straight down. ``state`` stays empty."""
    return theta - lr * (g + weight_decay * theta)


def momentum(
    theta: Array, g: Array, state: State, *, lr: float, mu: float = 0.9, weight_decay: float = 0.0
) -> Array:
    """A heavy ball: m sums gradients, that of k steps ago times mu^k: length up to 1/(1-mu)."""
    m = state["m"] = mu * state.get("m", 0.0) + (g + weight_decay * theta)
    return theta - lr * m


def nesterov(
    theta: Array, g: Array, state: State, *, lr: float, mu: float = 0.9, weight_decay: float = 0.0
) -> Array:
    """Momentum that looks one step ahead: the new gradient counts 1 + mu times, older as before."""
    g = g + weight_decay * theta
    m = state["m"] = mu * state.get("m", 0.0) + g
    return theta - lr * (g + mu * m)


def adam(
    theta: Array,
    g: Array,
    state: State,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> Array:
    """Each weight moves by its mean gradient over its root mean square (Kingma & Ba, algorithm 1).

    ``weight_decay`` is an L2 penalty: it passes through the division, so weights with large
    gradients decay less.
    """
    g = g + weight_decay * theta
    b1, b2 = betas
    t = state["t"] = state.get("t", 0) + 1
    m = state["m"] = b1 * state.get("m", 0.0) + (1 - b1) * g
    s = state["s"] = b2 * state.get("s", 0.0) + (1 - b2) * g * g
    return theta - lr * (m / (1 - b1**t)) / ((s / (1 - b2**t)) ** 0.5 + eps)


def adamw(
    theta: Array,
    g: Array,
    state: State,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> Array:
    """Adam with decoupled decay: every weight shrinks by lr * weight_decay of itself.

    Loshchilov & Hutter, algorithm 2.
    """
    return adam(theta, g, state, lr=lr, betas=betas, eps=eps) - lr * weight_decay * theta


def adafactor(
    theta: Array,
    g: Array,
    state: State,
    *,
    lr: float = 1e-2,
    decay: float = 0.8,
    eps: tuple[float, float] = (2.0**-52, 1e-3),
    clip: float = 1.0,
    weight_decay: float = 0.0,
) -> Array:
    """Adam's division with n + m numbers for an n x m second moment; steps relative to the weights.

    A matrix of squares is approximated by s_ij = row_i column_j / mean(row): exact when it has rank
    one, and the best such product in the sense of the Kullback-Leibler divergence (Shazeer & Stern,
    section 3). Vectors keep all of s.

    lr: largest relative step; it falls as 1 / sqrt(t).  decay: b2 = 1 - t^-decay, so no bias
        correction is needed.
    eps: smallest root of s (2^-52 is float64's resolution), smallest size of the weights.
    clip: largest rms(u).
    """
    t = state["t"] = state.get("t", 0) + 1
    new = t**-decay  # the share of the newest square in the mean
    squares = g * g
    if g.ndim > 1:
        rows, columns = squares.mean(-1, keepdims=True), squares.mean(-2, keepdims=True)
        row = state["row"] = (1 - new) * state.get("row", 0.0) + new * rows  # (n, 1)
        column = state["column"] = (1 - new) * state.get("column", 0.0) + new * columns  # (1, m)
        s = row * column / row.mean(-2, keepdims=True).clip(min=eps[0])  # (n, m)
    else:
        s = state["s"] = (1 - new) * state.get("s", 0.0) + new * squares
    u = g / s.clip(min=eps[0] ** 2) ** 0.5
    step = max(eps[1], root_mean_square(theta)) * min(lr, t**-0.5)
    return theta * (1 - lr * weight_decay) - step * u / max(1.0, root_mean_square(u) / clip)


def root_mean_square(x: Any) -> float:
    """The square root of the mean of the squares of an array."""
    return float((x * x).mean()) ** 0.5


def newton_schulz(m: Array, *, steps: int = 5, eps: float = 1e-7) -> Array:
    """Bring all singular values of a matrix near 1: U S V^T -> about U V^T, with products alone.

    X <- a X + (b (X X^T) + c (X X^T)^2) X acts on every singular value by
    sigma <- a sigma + b sigma^3 + c sigma^5, and leaves U and V as they are. The coefficients push
    small values up fast (slope a = 3.4 at 0) at the price that the end is not 1 but somewhere in
    0.7 .. 1.2.

    m: (rows, columns), any scale. Cost: ``steps`` times 3 products over the smaller side.
    """
    if m.shape[0] > m.shape[1]:
        return newton_schulz(m.T, steps=steps, eps=eps).T
    a, b, c = NEWTON_SCHULZ
    # Frobenius norm 1, so no singular value is above 1
    x = m / ((m * m).sum() ** 0.5).clip(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


def muon(
    theta: Array, g: Array, state: State, *, lr: float, mu: float = 0.95, weight_decay: float = 0.1
) -> Array:
    """Momentum whose step is made orthogonal: all directions of a matrix move equally far.

    theta: a matrix (n, m) between hidden vectors; embeddings, vectors and the output layer keep to
    AdamW. The step's length is lr sqrt(max(1, n / m)) in spectral norm (Jordan et al. 2024,
    "original" in torch). Nesterov's form of momentum; the mean (1 - mu) instead of the sum makes no
    difference, since the scale is divided out.
    """
    m = state["m"] = mu * state.get("m", 0.0) + (1 - mu) * g
    direction = newton_schulz((1 - mu) * g + mu * m)
    length = lr * max(1.0, g.shape[0] / g.shape[1]) ** 0.5
    return theta * (1 - lr * weight_decay) - length * direction


def descend(
    update: Callable[..., Tensor], parameters: list[Tensor], states: list[State], **options
) -> None:
    """One step of ``update`` (a function of this file) for each parameter, in place.

    Parameters without a gradient stay. Raises ValueError if the lists differ in length.
    """
    if len(parameters) != len(states):
        raise ValueError(
            f"one state per parameter: got {len(parameters)} parameters and {len(states)} states"
        )
    for parameter, state in zip(parameters, states, strict=True):
        if parameter.grad is not None:
            parameter.data = update(parameter.data, parameter.grad, state, **options)
