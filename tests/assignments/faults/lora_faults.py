"""Planted faults for the assignment *LoRA from scratch*.

What many get wrong, and exactly the tests that each must fail.
"""

from __future__ import annotations

from assignment_judge import Fault, read_faults

SIGNATURES = {
    "ex1": "def new_factors(d_in, d_out, rank, generator):",
    "ex2": "def lora_forward(x, W, bias, A, B, alpha, keep=None):",
    "ex3": "def lora_backward(x, W, A, B, alpha, keep, dy):",
    "ex5": "def attach(model, names, rank, alpha, dropout, generator):",
    "ex6": "def first_update(G, A, alpha, lr):",
}

# the form is that of assignment_judge.read_faults
FAULTS_AS_TEXT = r"""
# fault: both factors zero | 1 | a b c | nothing will ever be learnt
return torch.zeros(rank, d_in), torch.zeros(d_out, rank)

# fault: A zero instead of B | 1 | a b c | B should be the factor that is zero
return torch.zeros(rank, d_in), torch.randn(d_out, rank, generator=generator) / d_in**0.5

# fault: both factors random | 1 | a | is not 0
A = torch.randn(rank, d_in, generator=generator) / d_in**0.5
return A, torch.randn(d_out, rank, generator=generator) / d_in**0.5

# fault: B next to zero | 1 | a | is not 0
return torch.randn(rank, d_in, generator=generator) / d_in**0.5, torch.full((d_out, rank), 1e-6)

# fault: A by the rank instead of the width | 1 | b | standard deviation
return torch.randn(rank, d_in, generator=generator) / rank**0.5, torch.zeros(d_out, rank)

# fault: A not scaled | 1 | b | standard deviation
return torch.randn(rank, d_in, generator=generator), torch.zeros(d_out, rank)

# fault: A divided by the width itself | 1 | b | standard deviation
return torch.randn(rank, d_in, generator=generator) / d_in, torch.zeros(d_out, rank)

# fault: A by the width of the output | 1 | b | standard deviation
return torch.randn(rank, d_in, generator=generator) / d_out**0.5, torch.zeros(d_out, rank)

# fault: A uniform between 0 and the deviation | 1 | b | standard deviation
return torch.rand(rank, d_in, generator=generator) / d_in**0.5, torch.zeros(d_out, rank)

# fault: A with only positive entries | 1 | b | standard deviation
return (torch.randn(rank, d_in, generator=generator) / d_in**0.5).abs(), torch.zeros(d_out, rank)

# fault: the same row for every rank | 1 | b | nearly multiples
row = torch.randn(1, d_in, generator=generator) / d_in**0.5
return row.repeat(rank, 1), torch.zeros(d_out, rank)

# fault: the generator not used | 1 | c | gave two different A
return torch.randn(rank, d_in) / d_in**0.5, torch.zeros(d_out, rank)

# fault: a seed of its own | 1 | c | Another generator gave the same A
torch.manual_seed(0)
return torch.randn(rank, d_in) / d_in**0.5, torch.zeros(d_out, rank)

# fault: factors in float64 | 1 | c | should be float32
A = torch.randn(rank, d_in, generator=generator, dtype=torch.float64) / d_in**0.5
return A, torch.zeros(d_out, rank)

# fault: factors lying the other way | 1 | a b c | should have the shape
return torch.randn(d_in, rank, generator=generator) / d_in**0.5, torch.zeros(rank, d_out)

# fault: no factor alpha / r | 2 | b | should come in with the factor
y = x @ W.T + (0 if bias is None else bias)
return y + (x if keep is None else keep * x) @ A.T @ B.T

# fault: alpha, not divided by r | 2 | b | should come in with the factor
y = x @ W.T + (0 if bias is None else bias)
return y + alpha * ((x if keep is None else keep * x) @ A.T @ B.T)

# fault: alpha / sqrt(r) | 2 | b | should come in with the factor
y = x @ W.T + (0 if bias is None else bias)
return y + alpha / len(A) ** 0.5 * ((x if keep is None else keep * x) @ A.T @ B.T)

# fault: r / alpha | 2 | b | should come in with the factor
y = x @ W.T + (0 if bias is None else bias)
return y + len(A) / alpha * ((x if keep is None else keep * x) @ A.T @ B.T)

# fault: divided by the width instead of the rank | 2 | b | should come in with the factor
y = x @ W.T + (0 if bias is None else bias)
return y + alpha / A.shape[1] * ((x if keep is None else keep * x) @ A.T @ B.T)

# fault: the factor on both factors | 2 | b | should come in with the factor
y, s = x @ W.T + (0 if bias is None else bias), alpha / len(A)
return y + (x if keep is None else keep * x) @ (s * A).T @ (s * B).T

# fault: the factor on the old path too | 2 | a b c | Is the old path untouched
y = x @ W.T
y = alpha / len(A) * (y + (x if keep is None else keep * x) @ A.T @ B.T)
return y if bias is None else y + bias

# fault: no new path | 2 | a b c d | is all 0
return x @ W.T + (0 if bias is None else bias)

# fault: no old path | 2 | a b c | Is the old path untouched
return alpha / len(A) * ((x if keep is None else keep * x) @ A.T @ B.T) + (0 if bias is None else bias)

# fault: bias forgotten | 2 | a b c | Is the old path untouched
return x @ W.T + alpha / len(A) * ((x if keep is None else keep * x) @ A.T @ B.T)

# fault: no bias is an error | 2 | a | stopped with TypeError
return x @ W.T + bias + alpha / len(A) * ((x if keep is None else keep * x) @ A.T @ B.T)

# fault: the new path subtracted | 2 | a b c | the cosine -1.0000
y = x @ W.T + (0 if bias is None else bias)
return y - alpha / len(A) * ((x if keep is None else keep * x) @ A.T @ B.T)

# fault: the factors in the wrong order | 2 | a b c d | stopped with RuntimeError
y = x @ W.T + (0 if bias is None else bias)
return y + alpha / len(A) * ((x if keep is None else keep * x) @ B @ A)

# fault: W lying the other way | 2 | a b c d | stopped with RuntimeError
y = x @ W + (0 if bias is None else bias)
return y + alpha / len(A) * ((x if keep is None else keep * x) @ A.T @ B.T)

# fault: no dropout | 2 | c | Which path does keep act on
y = x @ W.T + (0 if bias is None else bias)
return y + alpha / len(A) * (x @ A.T @ B.T)

# fault: dropout on both paths | 2 | c | Which path does keep act on
x = x if keep is None else keep * x
return x @ W.T + (0 if bias is None else bias) + alpha / len(A) * (x @ A.T @ B.T)

# fault: dropout on the old path | 2 | c | Which path does keep act on
y = (x if keep is None else keep * x) @ W.T + (0 if bias is None else bias)
return y + alpha / len(A) * (x @ A.T @ B.T)

# fault: dropout on the wrong side, behind B | 2 | c | at which of its two ends
y, new = x @ W.T + (0 if bias is None else bias), alpha / len(A) * (x @ A.T @ B.T)
if keep is not None:
    n = min(keep.shape[-1], new.shape[-1])
    new = torch.cat([keep[..., :n] * new[..., :n], new[..., n:]], dim=-1)
return y + new

# fault: dropout between A and B | 2 | c | at which of its two ends
y, middle = x @ W.T + (0 if bias is None else bias), x @ A.T
return y + alpha / len(A) * ((middle if keep is None else keep[..., : len(A)] * middle) @ B.T)

# fault: a dropout of its own | 2 | c | Which path does keep act on
y = x @ W.T + (0 if bias is None else bias)
return y + alpha / len(A) * ((x if keep is None else (keep > 0) * x.roll(1, -1)) @ A.T @ B.T)

# fault: the product BA is made | 2 | d | larger than it should be
y = x @ W.T + (0 if bias is None else bias)
return y + alpha / len(A) * ((x if keep is None else keep * x) @ (B @ A).T)

# fault: the old path is computed twice | 2 | d | larger than it should be
y = x @ W.T + (0 if bias is None else bias)
new = alpha / len(A) * ((x if keep is None else keep * x) @ A.T @ B.T)
return (x @ W.T) * 0 + y + new

# fault: the difference put into W in place | 2 | d | argument number 2 in place
if keep is None:
    u = x
else:
    u = keep * x
y = x @ W.T + (0 if bias is None else bias) + alpha / len(A) * (u @ A.T @ B.T)
W += torch.outer(B[:, 0], A[0])
return y

# fault: x dropped in place | 2 | d | argument number 1 in place
y = x @ W.T + (0 if bias is None else bias)
if keep is not None:
    x *= keep
return y + alpha / len(A) * (x @ A.T @ B.T)

# fault: gradients without alpha / r | 3 | d | Where does alpha / r come in
u = x if keep is None else keep * x
back = dy @ B @ A
return dy @ W + (back if keep is None else keep * back), (dy @ B).T @ u, dy.T @ (u @ A.T)

# fault: alpha / r only in dx | 3 | d | Where does alpha / r come in
u, s = (x if keep is None else keep * x), alpha / len(A)
back = s * (dy @ B @ A)
return dy @ W + (back if keep is None else keep * back), (dy @ B).T @ u, dy.T @ (u @ A.T)

# fault: alpha / r squared on A | 3 | d | Where does alpha / r come in
u, s = (x if keep is None else keep * x), alpha / len(A)
back = s * (dy @ B @ A)
return dy @ W + (back if keep is None else keep * back), s * s * (dy @ B).T @ u, s * dy.T @ (u @ A.T)

# fault: alpha / r on the old path too | 3 | d | Where does alpha / r come in
u, s = (x if keep is None else keep * x), alpha / len(A)
back = dy @ B @ A
dx = s * (dy @ W + (back if keep is None else keep * back))
return dx, s * (dy @ B).T @ u, s * dy.T @ (u @ A.T)

# fault: alpha without r on the way back | 3 | c d e | All of it
u, s = (x if keep is None else keep * x), alpha
back = s * (dy @ B @ A)
return dy @ W + (back if keep is None else keep * back), s * (dy @ B).T @ u, s * dy.T @ (u @ A.T)

# fault: dx without the new path | 3 | c d e | Two paths start from x
u, s = (x if keep is None else keep * x), alpha / len(A)
return dy @ W, s * (dy @ B).T @ u, s * dy.T @ (u @ A.T)

# fault: dx without the old path | 3 | c d e | Two paths start from x
u, s = (x if keep is None else keep * x), alpha / len(A)
back = s * (dy @ B @ A)
return (back if keep is None else keep * back), s * (dy @ B).T @ u, s * dy.T @ (u @ A.T)

# fault: dA through W | 3 | b d e f | What comes back through B
u, s = (x if keep is None else keep * x), alpha / len(A)
back = s * (dy @ B @ A)
dA = s * (dy @ W).sum(1, keepdim=True).expand(len(x), len(A)).T @ u + s * 2 * (dy @ B).T @ u
dx = dy @ W + (back if keep is None else keep * back)
return dx, dA + s * (dy.abs() @ B.abs()).T @ u, s * dy.T @ (u @ A.T)

# fault: the gradients of A and B exchanged | 3 | a b c d e f | should have the shape
u, s = (x if keep is None else keep * x), alpha / len(A)
back = s * (dy @ B @ A)
dx = dy @ W + (back if keep is None else keep * back)
return dx, s * dy.T @ (u @ A.T), s * (dy @ B).T @ u

# fault: dB from x instead of the middle | 3 | a d e | B stands behind
u, s = (x if keep is None else keep * x), alpha / len(A)
back = s * (dy @ B @ A)
dx = dy @ W + (back if keep is None else keep * back)
middle = u[:, : len(A)] if u.shape[1] >= len(A) else u
return dx, s * (dy @ B).T @ u, s * dy.T @ (middle * (u[:, -1:] + 2))

# fault: means over the batch | 3 | d e | times what it should be
u, s = (x if keep is None else keep * x), alpha / len(A)
back, n = s * (dy @ B @ A), len(x)
dx = dy @ W + (back if keep is None else keep * back)
return dx, s * (dy @ B).T @ u / n, s * dy.T @ (u @ A.T) / n

# fault: dropout forgotten on the way back of x | 3 | e | keep acted on what went into A
u, s = (x if keep is None else keep * x), alpha / len(A)
return dy @ W + s * (dy @ B @ A), s * (dy @ B).T @ u, s * dy.T @ (u @ A.T)

# fault: dropout on all of dx | 3 | e | keep acted on what went into A
u, s = (x if keep is None else keep * x), alpha / len(A)
dx = dy @ W + s * (dy @ B @ A)
return (dx if keep is None else keep * dx), s * (dy @ B).T @ u, s * dy.T @ (u @ A.T)

# fault: dropout forgotten in the gradients of A and B | 3 | e | keep acted on what went into A
back, s = dy @ B @ A, alpha / len(A)
dx = dy @ W + s * (back if keep is None else keep * back)
return dx, s * (dy @ B).T @ x, s * dy.T @ (x @ A.T)

# fault: dropout squared on the way back | 3 | e | keep acted on what went into A
u, s = (x if keep is None else keep * x), alpha / len(A)
back = s * (dy @ B @ A)
dx = dy @ W + (back if keep is None else keep * keep * back)
return dx, s * (dy @ B).T @ u, s * dy.T @ (u @ A.T)

# fault: the gradient of W on the way | 3 | f | of the size of W
u, s = (x if keep is None else keep * x), alpha / len(A)
dW, back = dy.T @ u, s * (dy @ B @ A)
return dy @ W + (back if keep is None else keep * back), s * B.T @ dW, s * dW @ A.T

# fault: W and BA put together on the way back | 3 | f | of the size of W
u, s = (x if keep is None else keep * x), alpha / len(A)
BA = s * (B @ A)
dx = dy @ W + (dy @ BA if keep is None else keep * (dy @ BA))
return dx, s * (dy @ B).T @ u, s * dy.T @ (u @ A.T)

# fault: dy scaled in place | 3 | f | argument number 7 in place
u, s = (x if keep is None else keep * x), alpha / len(A)
dx = dy @ W
dy *= s
back = dy @ B @ A
dx = dx + (back if keep is None else keep * back)
dA, dB = (dy @ B).T @ u, dy.T @ (u @ A.T)
dy += 1
return dx, dA, dB

# fault: x dropped in place on the way back | 3 | f | argument number 1 in place
s = alpha / len(A)
if keep is not None:
    x *= keep
else:
    x *= 2
    x /= 2
back = s * (dy @ B @ A)
dx = dy @ W + (back if keep is None else keep * back)
result = dx, s * (dy @ B).T @ x, s * dy.T @ (x @ A.T)
x += 1
return result

# fault: autograd on the way back | 3 | a b c d e f | write this with matrix products
leaves = [t.clone().requires_grad_() for t in (x, A, B)]
u = leaves[0] if keep is None else keep * leaves[0]
y = leaves[0] @ W.T + alpha / len(A) * (u @ leaves[1].T @ leaves[2].T)
return torch.autograd.grad((y * dy).sum(), leaves)

# fault: only dA and dB returned | 3 | a b c d e f | Return dx, dA and dB
u, s = (x if keep is None else keep * x), alpha / len(A)
return s * (dy @ B).T @ u, s * dy.T @ (u @ A.T)

# fault: every name that ends so | 5 | a b | LoRA should be at
found = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.endswith(tuple(names))]
if not found:
    raise ValueError(f"no {names}")
model.requires_grad_(False)
for name in found:
    parent, _, own = name.rpartition(".")
    linear = model.get_submodule(name)
    setattr(model.get_submodule(parent), own, LoRALinear(linear, rank, alpha, dropout, generator))
return sum(p.numel() for p in model.parameters() if p.requires_grad)

# fault: only the model's own children | 5 | a b c | stopped with ValueError
found = [n for n, m in model.named_children() if isinstance(m, nn.Linear) and n in names]
if not found:
    raise ValueError(f"no {names}")
model.requires_grad_(False)
for name in found:
    setattr(model, name, LoRALinear(getattr(model, name), rank, alpha, dropout, generator))
return sum(p.numel() for p in model.parameters() if p.requires_grad)

# fault: every linear layer | 5 | a b c | LoRA should be at
model.requires_grad_(False)
for name, linear in list(model.named_modules()):
    if isinstance(linear, nn.Linear):
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, LoRALinear(linear, rank, alpha, dropout, generator))
return sum(p.numel() for p in model.parameters() if p.requires_grad)

# fault: the base wrapped once more | 5 | a b | LoRA should be at
if not [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.split(".")[-1] in names]:
    raise ValueError(f"no {names}")
model.requires_grad_(False)
for _ in range(2):
    for name, linear in list(model.named_modules()):
        if isinstance(linear, nn.Linear) and name.split(".")[-1] in names:
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, LoRALinear(linear, rank, alpha, dropout, generator))
return sum(p.numel() for p in model.parameters() if p.requires_grad)

# fault: a name of anything | 5 | a c | stopped with
found = [n for n, m in model.named_modules() if n.rpartition(".")[2] in names]
if not found:
    raise ValueError(f"no {names}")
model.requires_grad_(False)
for name in found:
    parent, _, own = name.rpartition(".")
    linear = model.get_submodule(name)
    setattr(model.get_submodule(parent), own, LoRALinear(linear, rank, alpha, dropout, generator))
return sum(p.numel() for p in model.parameters() if p.requires_grad)

# fault: the first of the layers only | 5 | a b | LoRA should be at
found = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.rpartition(".")[2] in names][:1]
if not found:
    raise ValueError(f"no {names}")
model.requires_grad_(False)
for name in found:
    parent, _, own = name.rpartition(".")
    linear = model.get_submodule(name)
    setattr(model.get_submodule(parent), own, LoRALinear(linear, rank, alpha, dropout, generator))
return sum(p.numel() for p in model.parameters() if p.requires_grad)

# fault: the layers copied | 5 | a | the base should be the layer that was there
found = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.rpartition(".")[2] in names]
if not found:
    raise ValueError(f"no {names}")
model.requires_grad_(False)
for name in found:
    parent, _, own = name.rpartition(".")
    linear = copy.deepcopy(model.get_submodule(name))
    setattr(model.get_submodule(parent), own, LoRALinear(linear, rank, alpha, dropout, generator))
return sum(p.numel() for p in model.parameters() if p.requires_grad)

# fault: the rest of the model not frozen | 5 | b | These are trained as well
found = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.rpartition(".")[2] in names]
if not found:
    raise ValueError(f"no {names}")
for name in found:
    parent, _, own = name.rpartition(".")
    linear = model.get_submodule(name)
    setattr(model.get_submodule(parent), own, LoRALinear(linear, rank, alpha, dropout, generator))
return sum(p.numel() for n, p in model.named_parameters() if n.endswith((".A", ".B")))

# fault: only the linear layers frozen | 5 | b | These are trained as well
found = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.rpartition(".")[2] in names]
if not found:
    raise ValueError(f"no {names}")
for m in model.modules():
    if isinstance(m, nn.Linear):
        m.requires_grad_(False)
for name in found:
    parent, _, own = name.rpartition(".")
    linear = model.get_submodule(name)
    setattr(model.get_submodule(parent), own, LoRALinear(linear, rank, alpha, dropout, generator))
return sum(p.numel() for n, p in model.named_parameters() if n.endswith((".A", ".B")))

# fault: biases left out of the freezing | 5 | b | These are trained as well
found = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.rpartition(".")[2] in names]
if not found:
    raise ValueError(f"no {names}")
for n, p in model.named_parameters():
    p.requires_grad_(n.endswith("bias"))
for name in found:
    parent, _, own = name.rpartition(".")
    linear = model.get_submodule(name)
    setattr(model.get_submodule(parent), own, LoRALinear(linear, rank, alpha, dropout, generator))
return sum(p.numel() for n, p in model.named_parameters() if n.endswith((".A", ".B")))

# fault: the factors frozen with the rest | 5 | b | Nothing is trained
found = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.rpartition(".")[2] in names]
if not found:
    raise ValueError(f"no {names}")
for name in found:
    parent, _, own = name.rpartition(".")
    linear = model.get_submodule(name)
    setattr(model.get_submodule(parent), own, LoRALinear(linear, rank, alpha, dropout, generator))
count = sum(p.numel() for n, p in model.named_parameters() if n.endswith((".A", ".B")))
model.requires_grad_(False)
return count

# fault: all parameters counted | 5 | b | attach returned
found = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.rpartition(".")[2] in names]
if not found:
    raise ValueError(f"no {names}")
model.requires_grad_(False)
for name in found:
    parent, _, own = name.rpartition(".")
    linear = model.get_submodule(name)
    setattr(model.get_submodule(parent), own, LoRALinear(linear, rank, alpha, dropout, generator))
return sum(p.numel() for p in model.parameters())

# fault: tensors counted instead of numbers | 5 | b | attach returned
found = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.rpartition(".")[2] in names]
if not found:
    raise ValueError(f"no {names}")
model.requires_grad_(False)
for name in found:
    parent, _, own = name.rpartition(".")
    linear = model.get_submodule(name)
    setattr(model.get_submodule(parent), own, LoRALinear(linear, rank, alpha, dropout, generator))
return len([p for p in model.parameters() if p.requires_grad])

# fault: a wrong name is passed over | 5 | c | did not complain
found = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.rpartition(".")[2] in names]
model.requires_grad_(False)
for name in found:
    parent, _, own = name.rpartition(".")
    linear = model.get_submodule(name)
    setattr(model.get_submodule(parent), own, LoRALinear(linear, rank, alpha, dropout, generator))
return sum(p.numel() for p in model.parameters() if p.requires_grad)

# fault: another kind of error | 5 | c | raise a ValueError, not KeyError
found = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.rpartition(".")[2] in names]
if not found:
    raise KeyError(names[0])
model.requires_grad_(False)
for name in found:
    parent, _, own = name.rpartition(".")
    linear = model.get_submodule(name)
    setattr(model.get_submodule(parent), own, LoRALinear(linear, rank, alpha, dropout, generator))
return sum(p.numel() for p in model.parameters() if p.requires_grad)

# fault: an error without the name | 5 | c | should name what was asked for
found = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.rpartition(".")[2] in names]
if not found:
    raise ValueError("nothing found")
model.requires_grad_(False)
for name in found:
    parent, _, own = name.rpartition(".")
    linear = model.get_submodule(name)
    setattr(model.get_submodule(parent), own, LoRALinear(linear, rank, alpha, dropout, generator))
return sum(p.numel() for p in model.parameters() if p.requires_grad)

# fault: frozen before the look | 5 | c | are frozen now
model.requires_grad_(False)
found = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.rpartition(".")[2] in names]
if not found:
    raise ValueError(f"no {names}")
for name in found:
    parent, _, own = name.rpartition(".")
    linear = model.get_submodule(name)
    setattr(model.get_submodule(parent), own, LoRALinear(linear, rank, alpha, dropout, generator))
return sum(p.numel() for p in model.parameters() if p.requires_grad)

# fault: s once instead of twice | 6 | | One factor s stands in the gradient of B
return -lr * alpha / len(A) * G @ A.T @ A

# fault: alpha squared, the rank not | 6 | | One factor s stands in the gradient of B
return -lr * alpha**2 / len(A) * G @ A.T @ A

# fault: uphill | 6 | | All of it is -1 times
return lr * (alpha / len(A)) ** 2 * G @ A.T @ A

# fault: a step of full fine-tuning | 6 | | One factor s stands in the gradient of B
return -lr * G

# fault: s and the rate forgotten | 6 | | One factor s stands in the gradient of B
return -(G @ A.T @ A)

# fault: the gradient of B returned | 6 | | should have the shape
return -lr * alpha / len(A) * G @ A.T

# fault: its expectation returned | 6 | | One factor s stands in the gradient of B
return -lr * (alpha / len(A)) ** 2 * len(A) * G
"""

# Exercise 4 is a class; the parts of a right one, of which a fault changes some.
LAYER = {
    "start": """
self.linear = linear.requires_grad_(False)
A, B = new_factors(linear.in_features, linear.out_features, rank, generator)
self.A, self.B = nn.Parameter(A), nn.Parameter(B)
self.alpha, self.p, self.before = alpha, dropout, None
""",
    "forward": """
if self.before is not None:
    return self.linear(x)
keep = F.dropout(torch.ones_like(x), self.p, self.training)
return lora_forward(x, self.linear.weight, self.linear.bias, self.A, self.B, self.alpha, keep)
""",
    "merge": """
if self.before is None:
    self.before = self.linear.weight.detach().clone()
    with torch.no_grad():
        self.linear.weight += self.alpha / len(self.A) * self.B @ self.A
""",
    "unmerge": """
if self.before is not None:
    self.linear.weight.data.copy_(self.before)
    self.before = None
""",
}
# name | tests | part of the message, and the parts that differ, each after a line "> part"
LAYER_FAULTS = r"""
# the base not frozen | a c d | What is trained should be
> start
self.linear = linear
A, B = new_factors(linear.in_features, linear.out_features, rank, generator)
self.A, self.B = nn.Parameter(A), nn.Parameter(B)
self.alpha, self.p, self.before = alpha, dropout, None

# the bias not frozen | a | What is trained should be
> start
self.linear = linear
linear.weight.requires_grad_(False)
A, B = new_factors(linear.in_features, linear.out_features, rank, generator)
self.A, self.B = nn.Parameter(A), nn.Parameter(B)
self.alpha, self.p, self.before = alpha, dropout, None

# factors that are no parameters | a | What is trained should be
> start
self.linear = linear.requires_grad_(False)
self.A, self.B = new_factors(linear.in_features, linear.out_features, rank, generator)
self.alpha, self.p, self.before = alpha, dropout, None

# factors that are buffers | a | What is trained should be
> start
self.linear = linear.requires_grad_(False)
A, B = new_factors(linear.in_features, linear.out_features, rank, generator)
self.register_buffer("A", A)
self.register_buffer("B", B)
self.alpha, self.p, self.before = alpha, dropout, None

# only B is trained | a | What is trained should be
> start
self.linear = linear.requires_grad_(False)
A, B = new_factors(linear.in_features, linear.out_features, rank, generator)
self.A, self.B = nn.Parameter(A, requires_grad=False), nn.Parameter(B)
self.alpha, self.p, self.before = alpha, dropout, None

# a copy of the base | a | no copies
> start
self.linear = copy.deepcopy(linear).requires_grad_(False)
A, B = new_factors(linear.in_features, linear.out_features, rank, generator)
self.A, self.B = nn.Parameter(A), nn.Parameter(B)
self.alpha, self.p, self.before = alpha, dropout, None

# a start that is not the base | a | bit for bit
> start
self.linear = linear.requires_grad_(False)
A, B = new_factors(linear.in_features, linear.out_features, rank, generator)
self.A, self.B = nn.Parameter(A), nn.Parameter(B + 0.01)
self.alpha, self.p, self.before = alpha, dropout, None

# dropout in evaluation too | b c d | Outside of training nothing is dropped
> start
self.linear = linear.requires_grad_(False)
A, B = new_factors(linear.in_features, linear.out_features, rank, generator)
self.A, self.B = nn.Parameter(A), nn.Parameter(B)
self.alpha, self.p, self.before = alpha, max(dropout, 0.3), None
> forward
if self.before is not None:
    return F.dropout(self.linear(x), 0.3)
keep = F.dropout(torch.ones_like(x), self.p)
return lora_forward(x, self.linear.weight, self.linear.bias, self.A, self.B, self.alpha, keep)

# dropout never | b | Nothing is dropped in training
> forward
if self.before is not None:
    return self.linear(x)
return lora_forward(x, self.linear.weight, self.linear.bias, self.A, self.B, self.alpha)

# dropout of everything that comes in | b | acts on the old path
> forward
if self.before is not None:
    return self.linear(x)
x = F.dropout(x, self.p, self.training)
return lora_forward(x, self.linear.weight, self.linear.bias, self.A, self.B, self.alpha)

# dropout of what LoRA adds | b | behind B instead of before A
> forward
if self.before is not None:
    return self.linear(x)
y = self.linear(x)
new = lora_forward(x, self.linear.weight, self.linear.bias, self.A, self.B, self.alpha) - y
return y + F.dropout(new, self.p, self.training)

# dropout of the numbers in the middle | b | or none
> forward
if self.before is not None:
    return self.linear(x)
middle = F.dropout(x @ self.A.T, self.p, self.training)
return self.linear(x) + self.alpha / len(self.A) * middle @ self.B.T

# dropout without its factor | b | should be multiplied by
> forward
if self.before is not None:
    return self.linear(x)
keep = (torch.rand_like(x) >= self.p).to(x.dtype) if self.training else None
return lora_forward(x, self.linear.weight, self.linear.bias, self.A, self.B, self.alpha, keep)

# kept and dropped exchanged | b | was dropped instead of
> forward
if self.before is not None:
    return self.linear(x)
keep = (torch.rand_like(x) < self.p).to(x.dtype) / self.p if self.training and self.p else None
return lora_forward(x, self.linear.weight, self.linear.bias, self.A, self.B, self.alpha, keep)

# the same entries dropped in all rows | b | in all rows at once
> forward
if self.before is not None:
    return self.linear(x)
keep = F.dropout(torch.ones(x.shape[-1]), self.p, self.training).expand_as(x)
return lora_forward(x, self.linear.weight, self.linear.bias, self.A, self.B, self.alpha, keep)

# alpha forgotten by the layer | b | In evaluation the output
> forward
if self.before is not None:
    return self.linear(x)
keep = F.dropout(torch.ones_like(x), self.p, self.training)
return lora_forward(x, self.linear.weight, self.linear.bias, self.A, self.B, len(self.A), keep)

# merged twice | c d | after merging a second time
> merge
if self.before is None:
    self.before = self.linear.weight.detach().clone()
with torch.no_grad():
    self.linear.weight += self.alpha / len(self.A) * self.B @ self.A
> unmerge
if self.before is not None:
    with torch.no_grad():
        self.linear.weight -= self.alpha / len(self.A) * self.B @ self.A
    self.before = None

# merged without alpha / r | c d | The merged weight
> merge
if self.before is None:
    self.before = self.linear.weight.detach().clone()
    self.linear.weight.data += self.B.data @ self.A.data

# merged with alpha, not divided by r | c d | The merged weight
> merge
if self.before is None:
    self.before = self.linear.weight.detach().clone()
    self.linear.weight.data += self.alpha * (self.B.data @ self.A.data)

# merged, and the path goes on | c | Is the difference added once
> forward
keep = F.dropout(torch.ones_like(x), self.p, self.training)
return lora_forward(x, self.linear.weight, self.linear.bias, self.A, self.B, self.alpha, keep)

# the difference takes the place of the weight | c d | The merged weight
> merge
if self.before is None:
    self.before = self.linear.weight.detach().clone()
    self.linear.weight.data = self.alpha / len(self.A) * (self.B.data @ self.A.data)

# the merged weight requires a gradient | c d | it should stay frozen
> merge
if self.before is None:
    self.before = self.linear.weight.detach().clone()
    self.linear.weight = nn.Parameter(self.before + self.alpha / len(self.A) * self.B.data @ self.A.data)

# B set to zero by merging | c d | Merging changed A or B
> merge
if self.before is None:
    self.before = self.linear.weight.detach().clone()
    with torch.no_grad():
        self.linear.weight += self.alpha / len(self.A) * self.B @ self.A
        self.B.zero_()

# merged with zeros, and as slow as before | c | as fast as the base
> forward
keep = F.dropout(torch.ones_like(x), self.p, self.training)
B = self.B if self.before is None else torch.zeros_like(self.B)
return lora_forward(x, self.linear.weight, self.linear.bias, self.A, B, self.alpha, keep)

# unmerged by subtracting | d | bit for bit
> unmerge
if self.before is not None:
    with torch.no_grad():
        self.linear.weight -= self.alpha / len(self.A) * self.B @ self.A
    self.before = None

# unmerged what was not merged | d | that was not merged changed the weight
> unmerge
with torch.no_grad():
    if self.before is None:
        self.linear.weight -= self.alpha / len(self.A) * self.B @ self.A
    else:
        self.linear.weight.copy_(self.before)
self.before = None

# unmerging what was not merged stops it | d | stopped with TypeError
> unmerge
self.linear.weight.data.copy_(self.before)
self.before = None

# the weight put back, but merged for ever | d | is not what it was before merge
> unmerge
if self.before is not None:
    self.linear.weight.data.copy_(self.before)

# the second merge overwrites the memory | d | bit for bit
> start
self.linear = linear.requires_grad_(False)
A, B = new_factors(linear.in_features, linear.out_features, rank, generator)
self.A, self.B = nn.Parameter(A), nn.Parameter(B)
self.alpha, self.p, self.before, self.merged = alpha, dropout, None, False
> forward
if self.merged:
    return self.linear(x)
keep = F.dropout(torch.ones_like(x), self.p, self.training)
return lora_forward(x, self.linear.weight, self.linear.bias, self.A, self.B, self.alpha, keep)
> merge
self.before = self.linear.weight.detach().clone()
if not self.merged:
    self.linear.weight.data += self.alpha / len(self.A) * self.B.data @ self.A.data
self.merged = True
> unmerge
if self.merged:
    self.linear.weight.data.copy_(self.before)
    self.merged = False

# the memory is the weight itself | d | bit for bit
> merge
if self.before is None:
    self.before = self.linear.weight.data
    self.linear.weight.data += self.alpha / len(self.A) * self.B.data @ self.A.data

# the first difference kept for ever | d | Which factors count
> merge
if self.before is None:
    self.before = self.linear.weight.detach().clone()
    if not hasattr(self, "delta"):
        self.delta = self.alpha / len(self.A) * self.B.data @ self.A.data
    self.linear.weight.data += self.delta
"""

HEADS = {
    "start": "def __init__(self, linear, rank, alpha, dropout, generator):\n        super().__init__()",
    "forward": "def forward(self, x):",
    "merge": "def merge(self):",
    "unmerge": "def unmerge(self):",
}


def layer_source(parts: dict[str, str]) -> str:
    """The class LoRALinear, with these bodies for its methods.

    >>> lines = layer_source({"merge": "pass"}).splitlines()
    >>> lines[lines.index("    def merge(self):") + 1]
    '        pass'
    """
    lines = ["class LoRALinear(nn.Module):"]
    for part, head in HEADS.items():
        body = parts.get(part, LAYER[part]).strip("\n").split("\n")
        lines += [f"    {head}", *(f"        {line}" for line in body), ""]
    return "\n".join(lines)


def layer_faults(text: str) -> list[Fault]:
    """Planted faults of exercise 4 from the text above."""
    result = []
    for part in text.split("\n# ")[1:]:
        head, body = part.split("\n", 1)
        name, letters, says = (word.strip() for word in head.split("|"))
        bodies = dict(piece.split("\n", 1) for piece in ("\n" + body).split("\n> ")[1:])
        fails = frozenset(f"test-4{letter}" for letter in letters.split())
        result.append(Fault(name, "ex4", fails, layer_source(bodies), says))
    return result


LORA_FAULTS: list[Fault] = read_faults(FAULTS_AS_TEXT, SIGNATURES) + layer_faults(LAYER_FAULTS)
