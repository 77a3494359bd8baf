"""A whole masked language model, forwards and backwards, in NumPy: every derivative is written out.

It is the model of ``encoder/model.py`` and ``encoder/heads.py`` with
``EncoderConfig.bert(n_layers=1, n_token_types=0, dropout=0)``:

    x0 = norm(E[ids] + P[places])
    x1 = norm(x0 + attention(x0))
    x2 = norm(x1 + W2 gelu(W1 x1))
    r  = norm(gelu(W3 x2))                     at the n masked positions
    z  = r E^T + c
    L  = mean over the n of -log softmax(z)[y]

Each piece is a pair: ``piece(...)`` and ``piece_backward(dy, ...)``, which takes dL/dy and returns
dL/d(inputs). A gradient ``dx`` has the shape of ``x``. Weights lie as in PyTorch: W is (out, in),
y = x W^T + b.

Cost: the way back takes two matrix products for each one of the way forward. All is float64: for
reading, not for speed.

Source: the derivations are those of chapter 06. Vaswani et al. 2017 (arXiv:1706.03762), Ba et al.
2016 (arXiv:1607.06450, LayerNorm), Hendrycks & Gimpel 2016 (arXiv:1606.08415, GELU), Press & Wolf
2017 (arXiv:1608.05859).

>>> softmax_backward(np.array([1.0, 0.0]), np.array([0.5, 0.5])).tolist()
[0.25, -0.25]
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from course_lib.batch import IGNORE, Batch
from course_lib.encoder import MaskedLanguageModel

Array = np.ndarray
SHAPE = dict(
    n_layers=1, norm="post", positions="learned", gated=False, bias=True, n_token_types=0, dropout=0
)
BLOCK = "encoder.blocks.0."
LAYERS = {"embed_norm": "encoder.embedding.norm", "dense": "head.dense", "head_norm": "head.norm"}
LAYERS |= {name: BLOCK + "attention." + name for name in ("query", "key", "value", "output")}
LAYERS |= {name: BLOCK + name for name in ("attention_norm", "feed_forward_norm")}
LAYERS |= {"inner": BLOCK + "feed_forward.inner", "outer": BLOCK + "feed_forward.output"}
# our names: PyTorch's
TORCH_NAMES = {
    "tokens": "encoder.embedding.tokens.weight",
    "positions": "encoder.embedding.positions.weight",
}
for _ours, _theirs in LAYERS.items():
    TORCH_NAMES |= {f"{_ours}.{kind}": f"{_theirs}.{kind}" for kind in ("weight", "bias")}
TORCH_NAMES |= {"output_bias": "head.bias"}


def linear(
    x: Float[Array, "... i"], w: Float[Array, "o i"], b: Float[Array, " o"]
) -> Float[Array, "... o"]:
    """y = x W^T + b."""
    return x @ w.T + b


def linear_backward(dy: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """dx = dy W, dW = dy^T x, db = the sum of dy's rows."""
    rows, inputs = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])  # (r, o), (r, i)
    return dy @ w, rows.T @ inputs, rows.sum(0)


def _erf(x: Array) -> Array:
    # a table function: NumPy has none
    return torch.erf(torch.from_numpy(np.ascontiguousarray(x))).numpy()


def gelu(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """x times the normal distribution function, exact (with erf)."""
    return x * (1 + _erf(x / np.sqrt(2))) / 2


def gelu_backward(dy: Array, x: Array) -> Array:
    """dy (Phi(x) + x phi(x))."""
    return dy * ((1 + _erf(x / np.sqrt(2))) / 2 + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))


def layer_norm(
    x: Float[Array, "... d"], gain: Array, bias: Array, eps: float
) -> tuple[Array, tuple[Array, Array]]:
    """Centred, divided by sqrt(variance + eps), scaled, shifted; with what the way back needs."""
    centred = x - x.mean(-1, keepdims=True)
    rate = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)  # (..., 1)
    return gain * centred * rate + bias, (centred * rate, rate)


def layer_norm_backward(
    dy: Array, cache: tuple[Array, Array], gain: Array
) -> tuple[Array, Array, Array]:
    """dx = rate (g - mean(g) - n mean(g n)), g = dy gain, n the normalised input; dgain, dbias."""
    normal, rate = cache
    g = dy * gain
    dx = rate * (g - g.mean(-1, keepdims=True) - normal * (g * normal).mean(-1, keepdims=True))
    over = tuple(range(dy.ndim - 1))
    return dx, (dy * normal).sum(over), dy.sum(over)


def softmax(z: Float[Array, "... v"]) -> Float[Array, "... v"]:
    """exp(z) / sum exp(z), shifted by the largest z so that nothing overflows."""
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def softmax_backward(dp: Array, p: Array) -> Array:
    """(diag(p) - p p^T) dp for each row, without the matrix."""
    return p * (dp - (dp * p).sum(-1, keepdims=True))


def cross_entropy(z: Float[Array, "n v"], y: Int[Array, " n"]) -> tuple[float, Float[Array, "n v"]]:
    """The mean of -log softmax(z)[y], and its gradient (p - onehot(y)) / n."""
    rows = np.arange(len(y))
    top = z.max(-1, keepdims=True)  # (n, 1)
    log_sum = np.log(np.exp(z - top).sum(-1)) + top[:, 0]
    dz = softmax(z)
    dz[rows, y] -= 1
    return float((log_sum - z[rows, y]).mean()), dz / len(y)


def attention(
    q: Float[Array, "... t e"], k: Array, v: Array, allowed: Bool[Array, "... t t"]
) -> tuple:
    """softmax(q k^T / sqrt(e)) v over the allowed pairs, and the weights."""
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])  # (..., t, t)
    weights = softmax(np.where(allowed, scores, -np.inf))
    return weights @ v, weights


def attention_backward(
    do: Array, q: Array, k: Array, v: Array, weights: Array
) -> tuple[Array, Array, Array]:
    """dq, dk, dv. A weight of 0 stays 0: what was forbidden gets no gradient."""
    ds = softmax_backward(do @ v.swapaxes(-1, -2), weights) / np.sqrt(q.shape[-1])  # (..., t, t)
    return ds @ k, ds.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ do


def embedding_backward(
    dy: Float[Array, "*s d"], ids: Int[Array, "*s"], n_rows: int
) -> Float[Array, "v d"]:
    """Each place adds its gradient to the row it looked up; ``np.add.at`` adds for repeated ids."""
    table = np.zeros((n_rows, dy.shape[-1]))
    np.add.at(table, ids.reshape(-1), dy.reshape(-1, dy.shape[-1]))
    return table


def parameters_of(model: MaskedLanguageModel) -> dict[str, Array]:
    """A float64 copy of the weights of a one-block BERT, under our names (``TORCH_NAMES``).

    Raises ValueError if the model is another one.
    """
    odd = {name: got for name in SHAPE if (got := getattr(model.config, name)) != SHAPE[name]}
    if odd:
        raise ValueError(f"the model by hand needs a configuration with {SHAPE}, got {odd}")
    found = {ours: model.get_parameter(name) for ours, name in TORCH_NAMES.items()}
    return {name: value.detach().double().numpy().copy() for name, value in found.items()}


def forward(
    p: dict[str, Array], batch: Batch, *, n_heads: int, eps: float = 1e-12
) -> tuple[float, dict]:
    """The loss in nats per masked token, and all that ``backward`` needs.

    Raises ValueError without a masked token.
    """
    ids, b, t = batch.input_ids.numpy(), *batch.input_ids.shape
    # places and segment: (b, t)
    places = np.arange(t) + 0 * ids if batch.position_ids is None else batch.position_ids.numpy()
    segment = np.ones_like(ids) if batch.segment_ids is None else batch.segment_ids.numpy()
    if batch.labels is None or batch.target_positions is None or not batch.n_targets:
        raise ValueError(f"batch.labels has no masked token, all are {IGNORE}: mask at least one")
    masked = batch.target_positions.numpy()  # (n,)
    c: dict[str, Any] = dict(ids=ids, places=places, masked=masked, n_heads=n_heads)

    def apply(name: str, x: Array) -> Array:
        c[name] = x
        return linear(x, p[name + ".weight"], p[name + ".bias"])

    def norm(name: str, x: Array) -> Array:
        y, c[name] = layer_norm(x, p[name + ".weight"], p[name + ".bias"], eps)
        return y

    def heads(x: Array) -> Array:  # (b, t, d) -> (b, h, t, e)
        return x.reshape(b, t, n_heads, -1).swapaxes(1, 2)

    x0 = norm("embed_norm", p["tokens"][ids] + p["positions"][places])  # (b, t, d)
    q, k, v = c["qkv"] = [heads(apply(name, x0)) for name in ("query", "key", "value")]
    together = segment[:, None, :, None] == segment[:, None, None, :]  # (b, 1, t, t)
    seen, c["weights"] = attention(q, k, v, together)
    x1 = norm("attention_norm", x0 + apply("output", seen.swapaxes(1, 2).reshape(x0.shape)))
    c["u"] = apply("inner", x1)  # (b, t, 4d)
    x2 = norm("feed_forward_norm", x1 + apply("outer", gelu(c["u"])))
    c["s"] = apply("dense", x2.reshape(b * t, -1)[masked])  # (n, d)
    c["r"] = norm("head_norm", gelu(c["s"]))
    c["logits"] = linear(c["r"], p["tokens"], p["output_bias"])  # (n, v)
    loss, c["dz"] = cross_entropy(c["logits"], batch.labels.numpy().reshape(-1)[masked])
    return loss, c


def backward(p: dict[str, Array], c: dict) -> dict[str, Array]:
    """The gradient for every parameter.

    Into the cache: the two parts of the tied table's, and dL/dx0, (b, t, d).
    """
    g, (b, t) = {}, c["ids"].shape

    def apply(name: str, dy: Array) -> Array:
        w, b = name + ".weight", name + ".bias"
        dx, g[w], g[b] = linear_backward(dy, c[name], p[w])
        return dx

    def norm(name: str, dy: Array) -> Array:
        w, b = name + ".weight", name + ".bias"
        dx, g[w], g[b] = layer_norm_backward(dy, c[name], p[w])
        return dx

    def merge(x: Array) -> Array:  # (b, h, t, e) -> (b, t, d)
        return x.swapaxes(1, 2).reshape(b, t, -1)

    dr, output_path, g["output_bias"] = linear_backward(c["dz"], c["r"], p["tokens"])
    dx2 = np.zeros((b * t, dr.shape[-1]))
    dx2[c["masked"]] = apply("dense", gelu_backward(norm("head_norm", dr), c["s"]))
    sum2 = norm("feed_forward_norm", dx2.reshape(b, t, -1))
    inside = apply("inner", gelu_backward(apply("outer", sum2), c["u"]))
    sum1 = norm("attention_norm", sum2 + inside)
    d_seen = apply("output", sum1).reshape(b, t, c["n_heads"], -1).swapaxes(1, 2)
    q, k, v = c["qkv"]
    parts = attention_backward(d_seen, q, k, v, c["weights"])
    named = zip(("query", "key", "value"), parts, strict=True)
    dx0 = sum1 + sum(apply(name, merge(d)) for name, d in named)
    de = norm("embed_norm", dx0)
    g["positions"] = embedding_backward(de, c["places"], len(p["positions"]))
    input_path = embedding_backward(de, c["ids"], len(p["tokens"]))
    g["tokens"] = input_path + output_path
    c |= dict(input_path=input_path, output_path=output_path, dx0=dx0)
    return {name: g[name] for name in p}
