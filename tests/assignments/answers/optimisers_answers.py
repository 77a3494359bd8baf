"""Answers to the assignment *Optimisers*.

Two more correct ones, written in other ways than the reference solution.
"""

from __future__ import annotations

# As a library would write it: buffers updated in place, the correction folded into numbers, one
# group for each parameter.
BUFFERS = {
    "ex1": """
def momentum_step(theta, g, state, *, lr, mu):
    if "buffer" not in state:
        state["buffer"] = torch.zeros_like(g)
    return theta.sub(state["buffer"].mul_(mu).add_(g), alpha=lr)
""",
    "ex2": """
def adam_step(theta, g, state, *, lr, betas, eps):
    if not state:
        state.update(step=0, mean=torch.zeros_like(g), square=torch.zeros_like(g))
    state["step"] += 1
    state["mean"].lerp_(g, 1 - betas[0])
    state["square"].mul_(betas[1]).addcmul_(g, g, value=1 - betas[1])
    root = state["square"].sqrt().div_(math.sqrt(1 - betas[1] ** state["step"])).add_(eps)
    return theta.addcdiv(state["mean"], root, value=-lr / (1 - betas[0] ** state["step"]))
""",
    "ex3": """
def adamw_step(theta, g, state, *, lr, betas, eps, weight_decay):
    return adam_step(theta.mul(1 - lr * weight_decay), g, state, lr=lr, betas=betas, eps=eps)
""",
    "ex4": """
def parameter_groups(model, weight_decay):
    groups = []
    for p in model.parameters():
        if p.requires_grad:
            groups.append({"params": [p], "weight_decay": 0.0 if p.ndim in (0, 1) else weight_decay})
    return groups
""",
    "ex5": """
def learning_rate(step, *, peak, warmup, total, final):
    if step >= total:
        return final
    if step <= warmup:
        return step * (peak / warmup)
    quarter = math.cos(math.pi / 2 * (step - warmup) / (total - warmup))
    return quarter**2 * peak + (1 - quarter**2) * final
""",
    "ex6": """
def clip_gradients(gradients, max_norm):
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g).double() for g in gradients]))
    factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    return [g * factor.to(g.dtype) for g in gradients], norm
""",
    "ex7": """
def accumulate(model, micro_batches):
    for p in model.parameters():
        p.grad = None
    value, count = 0.0, 0
    for inputs, labels in micro_batches:
        logits = model(inputs)
        kept = labels != -100
        losses = -logits.log_softmax(-1)[kept].gather(1, labels[kept][:, None])
        losses.sum().backward()
        value, count = value + float(losses.detach().sum()), count + int(kept.sum())
    for p in model.parameters():
        if p.grad is not None:
            p.grad /= count
    return value / count
""",
    "ex8": """
def uncorrected_length(t, betas):
    m = s = 0.0
    for _ in range(t):
        m += (1 - betas[0]) * (1 - m)
        s += (1 - betas[1]) * (1 - s)
    return m * s**-0.5
""",
}

# From the definitions: all gradients are kept, and every mean is a weighted sum whose weights are
# divided by their sum.
HISTORY = {
    "ex1": """
def momentum_step(theta, g, state, *, lr, mu):
    state.setdefault("past", []).append(g.clone())
    return theta - lr * sum(mu**age * old for age, old in enumerate(reversed(state["past"])))
""",
    "ex2": """
def weighted_mean(numbers, beta):
    weights = [beta**age for age in reversed(range(len(numbers)))]
    return sum(w * x for w, x in zip(weights, numbers)) / sum(weights)

def adam_step(theta, g, state, *, lr, betas, eps):
    state["past"] = past = [*state.get("past", []), g.clone()]
    return theta - lr * weighted_mean(past, betas[0]) / (weighted_mean([x * x for x in past], betas[1]) ** 0.5 + eps)
""",
    "ex3": """
def adamw_step(theta, g, state, *, lr, betas, eps, weight_decay):
    past = state.setdefault("gradients", [])
    past.append(g.clone())
    age = torch.arange(len(past), dtype=torch.float64).flip(0).view(-1, *[1] * g.ndim)
    stack = torch.stack(past)
    mean, square = ((b**age * x).sum(0) / (b**age).sum(0) for b, x in zip(betas, (stack, stack**2)))
    return theta - lr * (mean / (square**0.5 + eps) + weight_decay * theta)
""",
    "ex4": """
def parameter_groups(model, weight_decay):
    seen, decayed, others = set(), [], []
    for module in model.modules():
        for p in module.parameters(recurse=False):
            if p.requires_grad and p not in seen:
                seen.add(p)
                (decayed if len(p.shape) >= 2 else others).append(p)
    return [dict(params=others, weight_decay=0), dict(params=decayed, weight_decay=weight_decay)]
""",
    "ex5": """
def learning_rate(step, *, peak, warmup, total, final):
    rise = 1.0 if warmup == 0 else min(1.0, step / warmup)
    done = max(0.0, min(1.0, (step - warmup) / (total - warmup)))
    return rise * (final + (peak - final) * (0.5 + 0.5 * math.cos(math.pi * done)))
""",
    "ex6": """
def clip_gradients(gradients, max_norm):
    entries = [x for g in gradients for x in g.flatten().tolist()]
    norm = math.hypot(*entries)
    if norm <= max_norm:
        return [g.clone() for g in gradients], norm
    return [g / (norm / max_norm) for g in gradients], norm
""",
    "ex7": """
def accumulate(model, micro_batches):
    parameters = [p for p in model.parameters() if p.requires_grad]
    counts = [(labels >= 0).sum().item() for _, labels in micro_batches]
    totals, value = [torch.zeros_like(p) for p in parameters], 0.0
    for (inputs, labels), n in zip(micro_batches, counts):
        if n == 0:
            continue
        loss = F.cross_entropy(model(inputs).transpose(1, 2), labels) * (n / sum(counts))
        totals = [a + b for a, b in zip(totals, torch.autograd.grad(loss, parameters))]
        value += float(loss.detach())
    for p, total in zip(parameters, totals):
        p.grad = total
    return value
""",
    "ex8": """
def uncorrected_length(t, betas):
    return math.exp(math.log(1 - betas[0] ** t) - 0.5 * math.log(1 - betas[1] ** t))
""",
}
