"""Answers to the assignment *Derive and implement*.

Two more correct ones, written in other ways than the reference solution.
"""

from __future__ import annotations

# As matrices: one-hot rows, Jacobians, the lookup as a product.
MATRICES = {
    "ex1": """
def log_softmax(z):
    z = z - np.max(z, axis=-1, keepdims=True)
    return z - np.log(np.sum(np.exp(z), axis=-1, keepdims=True))

def cross_entropy(z, labels):
    n = np.count_nonzero(labels >= 0)
    onehot = (np.arange(z.shape[1])[None, :] == labels[:, None]).astype(np.float64)
    logp = log_softmax(z)
    counts = onehot.sum(1, keepdims=True) / max(n, 1)
    return -float((onehot * logp).sum() / max(n, 1)), (np.exp(logp) * counts - onehot / max(n, 1))
""",
    "ex2": """
def tied_backward(E, ids, dx, h, dz):
    onehot = np.eye(len(E))[ids.reshape(-1)]
    way_in = onehot.T @ dx.reshape(-1, E.shape[1])
    way_out = np.einsum("nv,nd->vd", dz, h)
    return way_in + way_out, np.einsum("nv,vd->nd", dz, E), np.ones(len(dz)) @ dz
""",
    "ex3": """
def layer_norm_backward(x, gamma, eps, dy):
    d = x.shape[-1]
    center = np.eye(d) - np.full((d, d), 1 / d)
    rows, grads = x.reshape(-1, d), dy.reshape(-1, d)
    dx, dgamma = np.empty(rows.shape), np.zeros(d)
    for i in range(len(rows)):
        c = center @ rows[i]
        s = np.sqrt(c @ c / d + eps)
        jacobian = np.diag(gamma) @ (np.eye(d) / s - np.outer(c, c) / (d * s**3)) @ center
        dx[i] = jacobian.T @ grads[i]
        dgamma += grads[i] * c / s
    return [dx.reshape(x.shape), dgamma, grads.sum(0)]
""",
    "ex4": """
def small_model_backward(weights, ids, A, labels, eps):
    E, (b, t), v = weights["E"], ids.shape, len(weights["bias"])
    x = np.einsum("bij,bjd->bid", A, E[ids])
    h = layer_norm(x, weights["gamma"], weights["beta"], eps)
    z = np.einsum("bid,vd->biv", h, E) + weights["bias"]
    dz = cross_entropy(z.reshape(b * t, v), labels.flatten())[1].reshape(b, t, v)
    dx, dgamma, dbeta = layer_norm_backward(x, weights["gamma"], eps, np.einsum("biv,vd->bid", dz, E))
    dlooked = np.einsum("bij,bid->bjd", A, dx)
    dE = np.einsum("biv,bid->vd", dz, h) + np.einsum("bjv,bjd->vd", np.eye(v)[ids], dlooked)
    return dict(E=dE, gamma=dgamma, beta=dbeta, bias=dz.sum((0, 1)))
""",
    "ex5": """
def rms_norm_backward(x, gamma, eps, dy):
    d = x.shape[-1]
    square = np.einsum("...d,...d->...", x, x)[..., None] / d + eps
    g = gamma * dy
    dx = g * square**-0.5 - x * np.einsum("...d,...d->...", g, x)[..., None] * square**-1.5 / d
    return dx, np.einsum("kd,kd->d", dy.reshape(-1, d), (x / np.sqrt(square)).reshape(-1, d))
""",
}

# Number by number, with Python's loops and floats, from the formulas; the model only with its
# labelled rows.
LOOPS = {
    "ex1": """
import math

def cross_entropy(z, labels):
    total, dz, places = 0.0, np.zeros(z.shape), [i for i in range(len(labels)) if labels[i] != -100]
    for i in places:
        top = max(z[i])
        weights = [math.exp(score - top) for score in z[i]]
        total += math.log(sum(weights)) + top - z[i, labels[i]]
        for k, weight in enumerate(weights):
            dz[i, k] = (weight / sum(weights) - (k == labels[i])) / len(places)
    return float(total / len(places)) if places else 0.0, dz
""",
    "ex2": """
def tied_backward(E, ids, dx, h, dz):
    dE, dh, dbias = np.zeros(E.shape), np.zeros(h.shape), np.zeros(len(E))
    for i in range(ids.shape[0]):
        for j in range(ids.shape[1]):
            dE[ids[i, j]] += dx[i, j]
    for row in range(len(h)):
        for word in range(len(E)):
            dE[word] += dz[row, word] * h[row]
            dh[row] += dz[row, word] * E[word]
            dbias[word] += dz[row, word]
    return dE, dh, dbias
""",
    "ex3": """
def layer_norm_backward(x, gamma, eps, dy):
    centred = x - x.mean(-1, keepdims=True)
    variance = centred.var(-1, keepdims=True)
    dcentred = dy * gamma / (variance + eps) ** 0.5
    dvariance = -0.5 * (dy * gamma * centred).sum(-1, keepdims=True) / (variance + eps) ** 1.5
    dcentred = dcentred + 2 * centred * dvariance / x.shape[-1]
    unit = centred / (variance + eps) ** 0.5
    return (
        dcentred - dcentred.mean(-1, keepdims=True),
        (dy * unit).reshape(-1, len(gamma)).sum(0),
        dy.reshape(-1, len(gamma)).sum(0),
    )
""",
    "ex4": """
def small_model_backward(weights, ids, A, labels, eps):
    E, bias, gamma = weights["E"], weights["bias"], weights["gamma"]
    x, h, z = small_model(weights, ids, A, eps)
    some = labels != -100
    _, dz = cross_entropy(z[some], labels[some])
    way_out, dh_some, dbias = tied_backward(E, ids[:0], x[:0], h[some], dz)
    dh = np.zeros(h.shape)
    dh[some] = dh_some
    dx, dgamma, dbeta = layer_norm_backward(x, gamma, eps, dh)
    way_in = np.zeros(E.shape)
    for i in range(len(ids)):
        for j, word in enumerate(ids[i]):
            for k in range(ids.shape[1]):
                way_in[word] += A[i, k, j] * dx[i, k]
    return {"bias": dbias, "beta": dbeta, "gamma": dgamma, "E": way_in + way_out}
""",
    "ex5": """
def rms_norm_backward(x, gamma, eps, dy):
    dx, dgamma = np.zeros_like(x), np.zeros_like(gamma)
    for place in np.ndindex(x.shape[:-1]):
        r = (sum(value**2 for value in x[place]) / len(gamma) + eps) ** 0.5
        for j in range(len(gamma)):
            through_r = sum(dy[place][k] * gamma[k] * x[place][k] for k in range(len(gamma)))
            dx[place][j] = dy[place][j] * gamma[j] / r - through_r * x[place][j] / (len(gamma) * r**3)
            dgamma[j] += dy[place][j] * x[place][j] / r
    return dx, dgamma
""",
}
