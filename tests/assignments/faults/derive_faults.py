"""Planted faults for the assignment *Derive and implement*.

What many get wrong, and exactly the tests that each must fail.
"""

from __future__ import annotations

from assignment_judge import Fault, read_faults

SIGNATURES = {
    "ex1": "def cross_entropy(z, labels):",
    "ex2": "def tied_backward(E, ids, dx, h, dz):",
    "ex3": "def layer_norm_backward(x, gamma, eps, dy):",
    "ex4": "def small_model_backward(weights, ids, A, labels, eps):",
    "ex5": "def rms_norm_backward(x, gamma, eps, dy):",
}

# the pieces of a right cross_entropy; a fault changes one of them
START = """    rows = np.flatnonzero(labels != -100)
    n, dz = len(rows), np.zeros_like(z)
    if n == 0:
        return 0.0, dz
    shifted = z[rows] - z[rows].max(1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    picked = (np.arange(n), labels[rows])
    p, loss = np.exp(logp), -float(logp[picked].mean())"""

# the form is that of assignment_judge.read_faults; "@START" stands for the lines above
FAULTS_AS_TEXT = r"""
# fault: the gradient not divided by n | 1 | c d | The loss is a mean
@START
p[picked] -= 1
dz[rows] = p
return loss, dz

# fault: the gradient divided by all rows | 1 | d | Which rows count in the mean?
@START
p[picked] -= 1
dz[rows] = p / len(labels)
return loss, dz

# fault: a mean over all rows throughout | 1 | a d | Over which rows is the mean
@START
p[picked] -= 1
dz[rows] = p / len(labels)
return loss * n / len(labels), dz

# fault: the sum instead of the mean | 1 | a c d | times as much
@START
p[picked] -= 1
dz[rows] = p
return loss * n, dz

# fault: divided by n and by the vocabulary | 1 | c d | times what it should be
@START
p[picked] -= 1
dz[rows] = p / n / z.shape[1]
return loss, dz

# fault: p instead of p - y | 1 | b c d | two kinds of scores
@START
dz[rows] = p / n
return loss, dz

# fault: y - p | 1 | b c d | the cosine -1.0000
@START
p[picked] -= 1
dz[rows] = -p / n
return loss, dz

# fault: only the labelled score gets a gradient | 1 | b c d | two kinds of scores
@START
dz[rows[:, None], labels[rows][:, None]] = (p[picked] - 1)[:, None] / n
return loss, dz

# fault: the gradient of -p instead of -log p | 1 | b c d | two kinds of scores
@START
share = p[picked][:, None]
p[picked] -= 1
dz[rows] = p * share / n
return loss, dz

# fault: rows without a label get p | 1 | d | not exactly 0
@START
with np.errstate(all="ignore"):
    dz = np.exp(z - z.max(1, keepdims=True))
    dz /= dz.sum(1, keepdims=True)
dz[rows, labels[rows]] -= 1
return loss, dz / n

# fault: rows without a label get a tiny gradient | 1 | d | not exactly 0
@START
p[picked] -= 1
dz[rows] = p / n
dz[labels == -100] = 1e-12
return loss, dz

# fault: the label -100 used as an index | 1 | a d f | stopped with IndexError
shifted = z - z.max(1, keepdims=True)
logp = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
keep, n = labels != -100, max(1, (labels != -100).sum())
loss = -(logp[np.arange(len(z)), labels] * keep).sum() / n
dz = np.exp(logp)
dz[np.arange(len(z)), labels] -= 1
return float(loss), dz * keep[:, None] / n

# fault: the label -100 taken for a word, where there are enough of them | 1 | a d | not exactly 0
rows = np.flatnonzero(labels >= -z.shape[1])
n, dz = len(rows), np.zeros_like(z)
if n == 0:
    return 0.0, dz
shifted = z[rows] - z[rows].max(1, keepdims=True)
logp = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
picked = (np.arange(n), labels[rows])
p, loss = np.exp(logp), -float(logp[picked].mean())
p[picked] -= 1
dz[rows] = p / n
return loss, dz

# fault: overflow for large scores | 1 | e | Which exponential
rows = np.flatnonzero(labels != -100)
n, dz = max(1, len(rows)), np.zeros_like(z)
p = np.exp(z[rows])
p /= p.sum(1, keepdims=True)
picked = (np.arange(len(rows)), labels[rows])
loss = -np.log(p[picked]).sum() / n
p[picked] -= 1
dz[rows] = p / n
return float(loss), dz

# fault: shifted by the largest score of the whole batch | 1 | e | Which exponential
rows = np.flatnonzero(labels != -100)
n, dz = max(1, len(rows)), np.zeros_like(z)
shifted = z[rows] - z.max()
p = np.exp(shifted)
total = p.sum(1, keepdims=True)
picked = (np.arange(len(rows)), labels[rows])
loss = (np.log(total[:, 0]) - shifted[picked]).sum() / n
p /= total
p[picked] -= 1
dz[rows] = p / n
return float(loss), dz

# fault: the logarithm of a rounded probability | 1 | e | Which exponential
@START
with np.errstate(all="ignore"):
    loss = -float(np.log(p[picked]).mean())
p[picked] -= 1
dz[rows] = p / n
return loss, dz

# fault: a small number under the logarithm | 1 | e f | Which exponential
@START
loss = -float(np.log(p[picked] + 1e-8).mean())
p[picked] -= 1
dz[rows] = p / n
return loss, dz

# fault: nan without any label | 1 | d | nothing to take the mean of
rows = np.flatnonzero(labels != -100)
dz = np.zeros_like(z)
shifted = z[rows] - z[rows].max(1, keepdims=True)
logp = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
picked = (np.arange(len(rows)), labels[rows])
p = np.exp(logp)
p[picked] -= 1
dz[rows] = p / len(rows)
return -float(logp[picked].sum() / np.float64(len(rows))), dz

# fault: computed in float32 | 1 | f | float32
z = z.astype(np.float32)
@START
p[picked] -= 1
dz[rows] = p / n
return loss, dz

# fault: float32 on the way, float64 at the end | 1 | f | is something computed in float32
z = z.astype(np.float32)
@START
p[picked] -= 1
dz[rows] = p / n
return loss, dz.astype(np.float64)

# fault: the scores shifted in place | 1 | f | argument number 1 in place
z -= z.max(1, keepdims=True)
@START
p[picked] -= 1
dz[rows] = p / n
return loss, dz

# fault: the labels changed in place | 1 | f | argument number 2 in place
@START
p[picked] -= 1
dz[rows] = p / n
labels[labels == -100] = 0
return loss, dz

# fault: autograd | 1 | a b c d e f | are the judges here
scores = torch.tensor(z, requires_grad=True)
loss = torch.nn.functional.cross_entropy(scores, torch.tensor(labels))
loss.backward()
return loss.item(), scores.grad.numpy()

# fault: the judge's own differences | 1 | a b c d e f | are the judges here
return plain_loss(z, labels), differences(lambda: plain_loss(z, labels), z)

# fault: the gradient alone is returned | 1 | a b c d e f | should return 2 things
@START
p[picked] -= 1
dz[rows] = p / n
return dz

# fault: no way in | 2 | c d e | Two paths lead to E
return dz.T @ h, dz @ E, dz.sum(0)

# fault: no way out | 2 | b e | Here dx is 0
dE = np.zeros_like(E)
np.add.at(dE, ids, dx)
return dE, dz @ E, dz.sum(0)

# fault: repeated words overwrite one another | 2 | d | come up more than once
dE = dz.T @ h
dE[ids] += dx
return dE, dz @ E, dz.sum(0)

# fault: the way in overwrites the way out | 2 | b d e | dx is 0
dE = dz.T @ h
dE[ids] = dx
return dE, dz @ E, dz.sum(0)

# fault: repeated words averaged | 2 | d | come up more than once
way_in, counts = np.zeros_like(E), np.zeros(len(E))
np.add.at(way_in, ids, dx)
np.add.at(counts, ids, 1)
return dz.T @ h + way_in / np.maximum(counts, 1)[:, None], dz @ E, dz.sum(0)

# fault: the mean of the two paths | 2 | b c d e | All of it is 0.5 times
dE = dz.T @ h
np.add.at(dE, ids, dx)
return dE / 2, dz @ E, dz.sum(0)

# fault: the way out only for words that were read | 2 | b e | Here dx is 0
dE = np.zeros_like(E)
np.add.at(dE, ids, dx)
read = np.isin(np.arange(len(E)), ids)
return dE + (dz.T @ h) * read[:, None], dz @ E, dz.sum(0)

# fault: the way in adds to the first word only | 2 | c d e | Which rows of E were read
dE = dz.T @ h
np.add.at(dE, ids[:, :1], dx[:, :1])
return dE, dz @ E, dz.sum(0)

# fault: the bias gets a mean | 2 | a | Which rows of z does one entry
dE = dz.T @ h
np.add.at(dE, ids, dx)
return dE, dz @ E, dz.mean(0)

# fault: the bias keeps the rows apart | 2 | a | should have the shape
dE = dz.T @ h
np.add.at(dE, ids, dx)
return dE, dz @ E, dz

# fault: the scores' gradient through a softmax once more | 2 | a | Write one entry of z
dE = dz.T @ h
np.add.at(dE, ids, dx)
return dE, (dz - dz.mean(1, keepdims=True)) @ E, dz.sum(0)

# fault: dE the wrong way round | 2 | b c d e | should have the shape
dE = dz.T @ h
np.add.at(dE, ids, dx)
return dE.T, dz @ E, dz.sum(0)

# fault: the table in float32 | 2 | e | float32
dE = (dz.T @ h).astype(np.float32)
np.add.at(dE, ids, dx.astype(np.float32))
return dE, dz @ E, dz.sum(0)

# fault: the table itself collects its gradient | 2 | e | argument number 1 in place
dh = dz @ E
E[:] = 0
np.add.at(E, ids, dx)
E += dz.T @ h
return E, dh, dz.sum(0)

# fault: the ids sorted in place | 2 | e | argument number 2 in place
dE = dz.T @ h
np.add.at(dE, ids, dx)
ids.sort()
return dE, dz @ E, dz.sum(0)

# fault: epsilon outside the root | 3 | e | Look where it stands
c = x - x.mean(-1, keepdims=True)
rate = 1 / (np.sqrt((c**2).mean(-1, keepdims=True)) + eps)
unit, g, over = c * rate, dy * gamma, tuple(range(x.ndim - 1))
dx = rate * (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True))
return dx, (dy * unit).sum(over), dy.sum(over)

# fault: epsilon forgotten | 3 | e | is not small
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True))
unit, g, over = c * rate, dy * gamma, tuple(range(x.ndim - 1))
dx = rate * (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True))
return dx, (dy * unit).sum(over), dy.sum(over)

# fault: a fixed epsilon whatever is given | 3 | e | is not small
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True) + 1e-9)
unit, g, over = c * rate, dy * gamma, tuple(range(x.ndim - 1))
dx = rate * (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True))
return dx, (dy * unit).sum(over), dy.sum(over)

# fault: the door of the mean forgotten | 3 | c d e | three doors
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True) + eps)
unit, g, over = c * rate, dy * gamma, tuple(range(x.ndim - 1))
dx = rate * (g - unit * (g * unit).mean(-1, keepdims=True))
return dx, (dy * unit).sum(over), dy.sum(over)

# fault: the door of the variance forgotten | 3 | c d e | three doors
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True) + eps)
unit, g, over = c * rate, dy * gamma, tuple(range(x.ndim - 1))
dx = rate * (g - g.mean(-1, keepdims=True))
return dx, (dy * unit).sum(over), dy.sum(over)

# fault: mean and variance taken for constants | 3 | c d e | three doors
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True) + eps)
unit, over = c * rate, tuple(range(x.ndim - 1))
return dy * gamma * rate, (dy * unit).sum(over), dy.sum(over)

# fault: sums instead of means in the two terms | 3 | c d e | three doors
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True) + eps)
unit, g, over = c * rate, dy * gamma, tuple(range(x.ndim - 1))
dx = rate * (g - g.sum(-1, keepdims=True) - unit * (g * unit).sum(-1, keepdims=True))
return dx, (dy * unit).sum(over), dy.sum(over)

# fault: the outer rate forgotten | 3 | c d e | three doors
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True) + eps)
unit, g, over = c * rate, dy * gamma, tuple(range(x.ndim - 1))
dx = g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True)
return dx, (dy * unit).sum(over), dy.sum(over)

# fault: gamma missing on the way to x | 3 | d | At which point
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True) + eps)
unit, g, over = c * rate, dy, tuple(range(x.ndim - 1))
dx = rate * (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True))
return dx, (dy * unit).sum(over), dy.sum(over)

# fault: gamma at the end instead of the beginning | 3 | d | At which point
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True) + eps)
unit, g, over = c * rate, dy, tuple(range(x.ndim - 1))
dx = gamma * rate * (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True))
return dx, (dy * unit).sum(over), dy.sum(over)

# fault: divided by gamma | 3 | d | At which point
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True) + eps)
unit, g, over = c * rate, dy / gamma, tuple(range(x.ndim - 1))
dx = rate * (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True))
return dx, (dy * unit).sum(over), dy.sum(over)

# fault: the variance divided by d - 1 | 3 | b c d e | The variance divides by d
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt(x.var(-1, keepdims=True, ddof=1) + eps)
unit, g, over = c * rate, dy * gamma, tuple(range(x.ndim - 1))
dx = rate * (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True))
return dx, (dy * unit).sum(over), dy.sum(over)

# fault: gamma's gradient with x instead of the normalised x | 3 | b e | What does gamma multiply
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True) + eps)
unit, g, over = c * rate, dy * gamma, tuple(range(x.ndim - 1))
dx = rate * (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True))
return dx, (dy * x).sum(over), dy.sum(over)

# fault: gamma's gradient multiplied by gamma | 3 | b | What does gamma multiply
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True) + eps)
unit, g, over = c * rate, dy * gamma, tuple(range(x.ndim - 1))
dx = rate * (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True))
return dx, (g * unit).sum(over), dy.sum(over)

# fault: gamma and beta summed over the first axis only | 3 | a b | should have the shape
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True) + eps)
unit, g = c * rate, dy * gamma
dx = rate * (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True))
return dx, (dy * unit).sum(0), dy.sum(0)

# fault: a mean over the batch in gamma and beta | 3 | a b e | All of it is
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True) + eps)
unit, g, over = c * rate, dy * gamma, tuple(range(x.ndim - 1))
dx = rate * (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True))
return dx, (dy * unit).mean(over), dy.mean(over)

# fault: statistics over the batch | 3 | b c d e | three doors
c = x - x.mean(0, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(0, keepdims=True) + eps)
unit, g, over = c * rate, dy * gamma, tuple(range(x.ndim - 1))
dx = rate * (g - g.mean(0, keepdims=True) - unit * (g * unit).mean(0, keepdims=True))
return dx, (dy * unit).sum(over), dy.sum(over)

# fault: beta's gradient multiplied by gamma | 3 | a | Along which axes
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True) + eps)
unit, g, over = c * rate, dy * gamma, tuple(range(x.ndim - 1))
dx = rate * (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True))
return dx, (dy * unit).sum(over), g.sum(over)

# fault: LayerNorm in float32 | 3 | f | float32
x, dy = x.astype(np.float32), dy.astype(np.float32)
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True) + np.float32(eps))
unit, g, over = c * rate, dy * gamma, tuple(range(x.ndim - 1))
dx = rate * (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True))
return dx, (dy * unit).sum(over), dy.sum(over)

# fault: x centred in place | 3 | f | argument number 1 in place
x -= x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((x**2).mean(-1, keepdims=True) + eps)
unit, g, over = x * rate, dy * gamma, tuple(range(x.ndim - 1))
dx = rate * (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True))
return dx, (dy * unit).sum(over), dy.sum(over)

# fault: dy multiplied by gamma in place | 3 | f | argument number 4 in place
c = x - x.mean(-1, keepdims=True)
rate = 1 / np.sqrt((c**2).mean(-1, keepdims=True) + eps)
unit, over = c * rate, tuple(range(x.ndim - 1))
dgamma, dbeta = (dy * unit).sum(over), dy.sum(over)
dy *= gamma
return rate * (dy - dy.mean(-1, keepdims=True) - unit * (dy * unit).mean(-1, keepdims=True)), dgamma, dbeta

# fault: the model without the way in | 4 | b | read at both ends
x, h, z = small_model(weights, ids, A, eps)
E, d = weights["E"], x.shape[-1]
_, dz = cross_entropy(z.reshape(-1, len(E)), labels.reshape(-1))
dE, dh, dbias = tied_backward(E, ids, np.zeros_like(x), h.reshape(-1, d), dz)
dx, dgamma, dbeta = layer_norm_backward(x, weights["gamma"], eps, dh.reshape(x.shape))
return {"E": dE, "gamma": dgamma, "beta": dbeta, "bias": dbias}

# fault: the model without the way out | 4 | b | read at both ends
x, h, z = small_model(weights, ids, A, eps)
E, d = weights["E"], x.shape[-1]
_, dz = cross_entropy(z.reshape(-1, len(E)), labels.reshape(-1))
_, dh, dbias = tied_backward(E, ids, np.zeros_like(x), h.reshape(-1, d), dz)
dx, dgamma, dbeta = layer_norm_backward(x, weights["gamma"], eps, dh.reshape(x.shape))
dE, _, _ = tied_backward(E, ids, A.swapaxes(-1, -2) @ dx, h.reshape(-1, d), 0 * dz)
return {"E": dE, "gamma": dgamma, "beta": dbeta, "bias": dbias}

# fault: the way out counted twice | 4 | b | read at both ends
x, h, z = small_model(weights, ids, A, eps)
E, d = weights["E"], x.shape[-1]
_, dz = cross_entropy(z.reshape(-1, len(E)), labels.reshape(-1))
out, dh, dbias = tied_backward(E, ids, np.zeros_like(x), h.reshape(-1, d), dz)
dx, dgamma, dbeta = layer_norm_backward(x, weights["gamma"], eps, dh.reshape(x.shape))
dE, _, _ = tied_backward(E, ids, A.swapaxes(-1, -2) @ dx, h.reshape(-1, d), dz)
return {"E": dE + out, "gamma": dgamma, "beta": dbeta, "bias": dbias}

# fault: A not transposed | 4 | b | every position takes from every other
x, h, z = small_model(weights, ids, A, eps)
E, d = weights["E"], x.shape[-1]
_, dz = cross_entropy(z.reshape(-1, len(E)), labels.reshape(-1))
_, dh, dbias = tied_backward(E, ids, np.zeros_like(x), h.reshape(-1, d), dz)
dx, dgamma, dbeta = layer_norm_backward(x, weights["gamma"], eps, dh.reshape(x.shape))
dE, _, _ = tied_backward(E, ids, A @ dx, h.reshape(-1, d), dz)
return {"E": dE, "gamma": dgamma, "beta": dbeta, "bias": dbias}

# fault: A forgotten | 4 | b | every position takes from every other
x, h, z = small_model(weights, ids, A, eps)
E, d = weights["E"], x.shape[-1]
_, dz = cross_entropy(z.reshape(-1, len(E)), labels.reshape(-1))
_, dh, dbias = tied_backward(E, ids, np.zeros_like(x), h.reshape(-1, d), dz)
dx, dgamma, dbeta = layer_norm_backward(x, weights["gamma"], eps, dh.reshape(x.shape))
dE, _, _ = tied_backward(E, ids, dx, h.reshape(-1, d), dz)
return {"E": dE, "gamma": dgamma, "beta": dbeta, "bias": dbias}

# fault: LayerNorm skipped on the way back | 4 | b | read at both ends
x, h, z = small_model(weights, ids, A, eps)
E, d = weights["E"], x.shape[-1]
_, dz = cross_entropy(z.reshape(-1, len(E)), labels.reshape(-1))
_, dh, dbias = tied_backward(E, ids, np.zeros_like(x), h.reshape(-1, d), dz)
_, dgamma, dbeta = layer_norm_backward(x, weights["gamma"], eps, dh.reshape(x.shape))
dE, _, _ = tied_backward(E, ids, A.swapaxes(-1, -2) @ dh.reshape(x.shape), h.reshape(-1, d), dz)
return {"E": dE, "gamma": dgamma, "beta": dbeta, "bias": dbias}

# fault: LayerNorm backward at h instead of x | 4 | a b | Which arrays meet it
x, h, z = small_model(weights, ids, A, eps)
E, d = weights["E"], x.shape[-1]
_, dz = cross_entropy(z.reshape(-1, len(E)), labels.reshape(-1))
_, dh, dbias = tied_backward(E, ids, np.zeros_like(x), h.reshape(-1, d), dz)
dx, dgamma, dbeta = layer_norm_backward(h, weights["gamma"], eps, dh.reshape(x.shape))
dE, _, _ = tied_backward(E, ids, A.swapaxes(-1, -2) @ dx, h.reshape(-1, d), dz)
return {"E": dE, "gamma": dgamma, "beta": dbeta, "bias": dbias}

# fault: gamma and beta exchanged | 4 | a | Which arrays meet it
x, h, z = small_model(weights, ids, A, eps)
E, d = weights["E"], x.shape[-1]
_, dz = cross_entropy(z.reshape(-1, len(E)), labels.reshape(-1))
_, dh, dbias = tied_backward(E, ids, np.zeros_like(x), h.reshape(-1, d), dz)
dx, dbeta, dgamma = layer_norm_backward(x, weights["gamma"], eps, dh.reshape(x.shape))
dE, _, _ = tied_backward(E, ids, A.swapaxes(-1, -2) @ dx, h.reshape(-1, d), dz)
return {"E": dE, "gamma": dgamma, "beta": dbeta, "bias": dbias}

# fault: divided by the number of rows of text | 4 | a b c | A row of text without any label was added
x, h, z = small_model(weights, ids, A, eps)
E, d = weights["E"], x.shape[-1]
_, dz = cross_entropy(z.reshape(-1, len(E)), labels.reshape(-1))
dz = dz / (1 + len(ids))
_, dh, dbias = tied_backward(E, ids, np.zeros_like(x), h.reshape(-1, d), dz)
dx, dgamma, dbeta = layer_norm_backward(x, weights["gamma"], eps, dh.reshape(x.shape))
dE, _, _ = tied_backward(E, ids, A.swapaxes(-1, -2) @ dx, h.reshape(-1, d), dz)
return {"E": dE, "gamma": dgamma, "beta": dbeta, "bias": dbias}

# fault: the weights move at once | 4 | c | changed in place
x, h, z = small_model(weights, ids, A, eps)
E, d = weights["E"], x.shape[-1]
_, dz = cross_entropy(z.reshape(-1, len(E)), labels.reshape(-1))
_, dh, dbias = tied_backward(E, ids, np.zeros_like(x), h.reshape(-1, d), dz)
dx, dgamma, dbeta = layer_norm_backward(x, weights["gamma"], eps, dh.reshape(x.shape))
dE, _, _ = tied_backward(E, ids, A.swapaxes(-1, -2) @ dx, h.reshape(-1, d), dz)
weights["bias"] -= 0.1 * dbias
return {"E": dE, "gamma": dgamma, "beta": dbeta, "bias": dbias}

# fault: one gradient not returned | 4 | a b c | a dictionary with the keys
x, h, z = small_model(weights, ids, A, eps)
E, d = weights["E"], x.shape[-1]
_, dz = cross_entropy(z.reshape(-1, len(E)), labels.reshape(-1))
_, dh, dbias = tied_backward(E, ids, np.zeros_like(x), h.reshape(-1, d), dz)
dx, dgamma, dbeta = layer_norm_backward(x, weights["gamma"], eps, dh.reshape(x.shape))
dE, _, _ = tied_backward(E, ids, A.swapaxes(-1, -2) @ dx, h.reshape(-1, d), dz)
return {"E": dE, "gamma": dgamma, "beta": dbeta}

# fault: RMSNorm like LayerNorm | 5 | | No mean is subtracted
r = np.sqrt((x**2).mean(-1, keepdims=True) + eps)
unit, g, over = x / r, dy * gamma, tuple(range(x.ndim - 1))
dx = (g - g.mean(-1, keepdims=True) - unit * (g * unit).mean(-1, keepdims=True)) / r
return dx, (dy * unit).sum(over)

# fault: RMSNorm with r taken for a constant | 5 | | two doors
r = np.sqrt((x**2).mean(-1, keepdims=True) + eps)
return dy * gamma / r, (dy * x / r).sum(tuple(range(x.ndim - 1)))

# fault: RMSNorm without gamma | 5 | | two doors
r = np.sqrt((x**2).mean(-1, keepdims=True) + eps)
unit, over = x / r, tuple(range(x.ndim - 1))
return (dy - unit * (dy * unit).mean(-1, keepdims=True)) / r, (dy * unit).sum(over)

# fault: RMSNorm with a sum instead of a mean | 5 | | two doors
r = np.sqrt((x**2).mean(-1, keepdims=True) + eps)
unit, g, over = x / r, dy * gamma, tuple(range(x.ndim - 1))
return (g - unit * (g * unit).sum(-1, keepdims=True)) / r, (dy * unit).sum(over)

# fault: RMSNorm with epsilon outside the root | 5 | | eps = 0.5
r = np.sqrt((x**2).mean(-1, keepdims=True)) + eps
unit, g, over = x / r, dy * gamma, tuple(range(x.ndim - 1))
return (g - unit * (g * unit).mean(-1, keepdims=True)) / r, (dy * unit).sum(over)

# fault: RMSNorm with one gamma for each vector | 5 | | should have the shape
r = np.sqrt((x**2).mean(-1, keepdims=True) + eps)
unit, g = x / r, dy * gamma
return (g - unit * (g * unit).mean(-1, keepdims=True)) / r, dy * unit
"""

DERIVE_FAULTS: list[Fault] = read_faults(
    FAULTS_AS_TEXT.replace("@START", "\n".join(line[4:] for line in START.split("\n"))), SIGNATURES
)
