"""Answers to the assignment *LoRA from scratch*.

Two more correct ones, written in other ways than the reference solution.
"""

from __future__ import annotations

# With einsum, vector by vector, and hooks of PyTorch where they help.
EINSUM = {
    "ex1": """
def new_factors(d_in, d_out, rank, generator):
    A = torch.empty(rank, d_in)
    nn.init.normal_(A, mean=0.0, std=d_in**-0.5, generator=generator)
    return [A, A.new_zeros((d_out, rank))]
""",
    "ex2": """
def lora_forward(x, W, bias, A, B, alpha, keep=None):
    r, _ = A.shape
    y = torch.einsum("...i,oi->...o", x, W)
    if bias is not None:
        y = y + bias
    if keep is not None:
        x = x * keep
    middle = torch.einsum("...i,ri->...r", x, A * (alpha / r))
    return y + torch.einsum("...r,or->...o", middle, B)
""",
    "ex3": """
def lora_backward(x, W, A, B, alpha, keep, dy):
    s = alpha / A.shape[0]
    k = torch.ones_like(x) if keep is None else keep
    u = x * k
    h = torch.einsum("ni,ri->nr", u, A)
    dh = torch.einsum("no,or->nr", dy, B) * s
    dx = torch.einsum("no,oi->ni", dy, W) + k * torch.einsum("nr,ri->ni", dh, A)
    return [dx, torch.einsum("nr,ni->ri", dh, u), s * torch.einsum("no,nr->or", dy, h)]
""",
    "ex4": """
class LoRALinear(nn.Module):
    def __init__(self, linear, rank, alpha, dropout, generator):
        super().__init__()
        self.linear = linear
        for parameter in linear.parameters():
            parameter.requires_grad = False
        for name, value in zip("AB", new_factors(linear.in_features, linear.out_features, rank, generator)):
            self.register_parameter(name, nn.Parameter(value))
        self.alpha, self.drop, self.merged = alpha, nn.Dropout(dropout), False

    def forward(self, x):
        W, c = self.linear.weight, self.linear.bias
        if self.merged:
            return F.linear(x, W, c)
        return lora_forward(x, W, c, self.A, self.B, self.alpha, self.drop(torch.ones_like(x)))

    @torch.no_grad()
    def merge(self):
        if not self.merged:
            self.saved = self.linear.weight.data
            self.linear.weight.data = self.saved + self.B @ self.A * (self.alpha / self.A.size(0))
        self.merged = True

    def unmerge(self):
        if self.merged:
            self.linear.weight.data = self.saved
        self.merged = False
""",
    "ex5": """
def attach(model, names, rank, alpha, dropout, generator):
    places = []
    for path, parent in model.named_modules():
        for own, child in parent.named_children():
            if own in names and isinstance(child, nn.Linear):
                places.append((parent, own, child))
    if len(places) == 0:
        known = {n.split(".")[-1] for n, m in model.named_modules() if isinstance(m, nn.Linear)}
        raise ValueError(f"none of {names} is a linear layer; there are {known}")
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    count = 0
    for parent, own, child in places:
        new = LoRALinear(child, rank, alpha, dropout, generator)
        setattr(parent, own, new)
        count += new.A.numel() + new.B.numel()
    return count
""",
    "ex6": """
def first_update(G, A, alpha, lr):
    s = alpha / A.shape[0]
    B = -lr * s * (G @ A.mT)
    return s * (B @ A)
""",
}

# From the definitions, number by number where it can be borne.
LOOPS = {
    "ex1": """
def new_factors(d_in, d_out, rank, generator):
    rows = [torch.normal(torch.zeros(d_in), torch.ones(d_in), generator=generator) for _ in range(rank)]
    return torch.stack(rows) / d_in**0.5, torch.tensor([[0.0] * rank] * d_out)
""",
    "ex2": """
def lora_forward(x, W, bias, A, B, alpha, keep=None):
    y = nn.functional.linear(x, W, bias)
    u = x if keep is None else torch.where(keep == 0, 0.0, x * keep)
    for k in range(len(A)):  # one rank after the other
        y = y + (alpha / len(A)) * (u * A[k]).sum(-1, keepdim=True) * B[:, k]
    return y
""",
    "ex3": """
def lora_backward(x, W, A, B, alpha, keep, dy):
    rank, s = A.shape[0], alpha / A.shape[0]
    dx, dA, dB = dy @ W, torch.zeros_like(A), torch.zeros_like(B)
    for i in range(x.shape[0]):
        u = x[i] if keep is None else x[i] * keep[i]
        for k in range(rank):
            came_in, comes_back = (u * A[k]).sum(), (dy[i] * B[:, k]).sum()
            dB[:, k] += s * came_in * dy[i]
            dA[k] += s * comes_back * u
            back = s * comes_back * A[k]
            dx[i] = dx[i] + (back if keep is None else back * keep[i])
    return dx, dA, dB
""",
    "ex4": """
class LoRALinear(nn.Module):
    def __init__(self, linear, rank, alpha, dropout, generator):
        super().__init__()
        self.A, self.B = (nn.Parameter(t) for t in new_factors(linear.in_features, linear.out_features, rank, generator))
        linear.weight.requires_grad_(False)
        if linear.bias is not None:
            linear.bias.requires_grad_(False)
        self.linear = linear
        self.p, self.scale, self.rank, self.alpha = dropout, alpha / rank, rank, alpha
        self.register_buffer("original", None)

    def forward(self, x):
        if self.original is not None:
            return self.linear(x)
        keep = None
        if self.training and self.p > 0:
            keep = torch.bernoulli(torch.full_like(x, 1 - self.p)) / (1 - self.p)
        return lora_forward(x, self.linear.weight, self.linear.bias, self.A, self.B, self.alpha, keep)

    def merge(self):
        if self.original is not None:
            return
        self.original = torch.clone(self.linear.weight.data)
        self.linear.weight.data.add_(self.scale * self.B.data @ self.A.data)

    def unmerge(self):
        if self.original is None:
            return
        self.linear.weight.data.copy_(self.original)
        self.original = None
""",
    "ex5": """
def attach(model, names, rank, alpha, dropout, generator):
    chosen = {n: m for n, m in model.named_modules() if n.split(".")[-1] in names and type(m) is nn.Linear}
    if not chosen:
        raise ValueError(f"nothing to attach to: {', '.join(names)}")
    for _, parameter in model.named_parameters():
        parameter.requires_grad = False
    for name, linear in chosen.items():
        *path, own = name.split(".")
        holder = model
        for part in path:
            holder = getattr(holder, part)
        setattr(holder, own, LoRALinear(linear, rank, alpha, dropout, generator))
    return sum(rank * (m.in_features + m.out_features) for m in chosen.values())
""",
    "ex6": """
def first_update(G, A, alpha, lr):
    result = torch.zeros_like(G)
    for row in A:  # the sum over the ranks of G a a^T
        result -= lr * (alpha / A.shape[0]) ** 2 * torch.outer(G @ row, row)
    return result
""",
}
