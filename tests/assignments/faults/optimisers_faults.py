"""Planted faults for the assignment *Optimisers*.

What many get wrong, and exactly the tests that each must fail.
"""

from __future__ import annotations

from assignment_judge import Fault, read_faults

SIGNATURES = {
    "ex1": "def momentum_step(theta, g, state, *, lr, mu):",
    "ex2": "def adam_step(theta, g, state, *, lr, betas, eps):",
    "ex3": "def adamw_step(theta, g, state, *, lr, betas, eps, weight_decay):",
    "ex4": "def parameter_groups(model, weight_decay):",
    "ex5": "def learning_rate(step, *, peak, warmup, total, final):",
    "ex6": "def clip_gradients(gradients, max_norm):",
    "ex7": "def accumulate(model, micro_batches):",
    "ex8": "def uncorrected_length(t, betas):",
}

# the form is that of assignment_judge.read_faults
FAULTS_AS_TEXT = r"""
# fault: a running mean instead of a sum | 1 | a | The first step has nothing to remember
m = state["m"] = mu * state.get("m", 0.0) + (1 - mu) * g
return theta - lr * m

# fault: Nesterov's momentum | 1 | a | that of plain descent
m = state["m"] = mu * state.get("m", 0.0) + g
return theta - lr * (g + mu * m)

# fault: old momentum not multiplied | 1 | a | Up to step 1 they agree
m = state["m"] = state.get("m", 0.0) + g
return theta - lr * m

# fault: the learning rate inside the momentum | 1 | a | lr changes from step to step
v = state["v"] = mu * state.get("v", 0.0) + lr * g
return theta - v

# fault: momentum forgotten | 1 | a b | still empty
m = torch.zeros_like(g)
m = mu * m + g
return theta - lr * m

# fault: the caller's gradient kept as momentum | 1 | b | changed the gradient
if "m" not in state:
    state["m"] = g
else:
    state["m"].mul_(mu).add_(g)
return theta - lr * state["m"]

# fault: weights changed in place | 1 | b | `theta` was changed in place
state["m"] = mu * state.get("m", 0.0) + g
theta -= lr * state["m"]
return theta

# fault: nothing returned | 1 | a b | not as NoneType
state["m"] = mu * state.get("m", 0.0) + g
theta -= lr * state["m"]

# fault: one memory for all parameters | 1 | a b | nothing of another one may be left
memory = momentum_step.__dict__
memory["m"] = mu * memory.get("m", 0.0) + g
return theta - lr * memory["m"]

# fault: the library's SGD | 1 | a b | The library is the judge
weights = nn.Parameter(theta.clone())
weights.grad = g
if "judge" not in state:
    state["judge"] = torch.optim.SGD([weights], lr=lr, momentum=mu)
state["judge"].step()
return weights.detach()

# fault: no bias correction | 2 | b d | by what must each be divided
m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * g
s = state["s"] = betas[1] * state.get("s", 0.0) + (1 - betas[1]) * g**2
return theta - lr * m / (s.sqrt() + eps)

# fault: only the first mean corrected | 2 | b d | should have the length lr
t = state["t"] = state.get("t", 0) + 1
m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * g
s = state["s"] = betas[1] * state.get("s", 0.0) + (1 - betas[1]) * g**2
return theta - lr * m / (1 - betas[0] ** t) / (s.sqrt() + eps)

# fault: t starts at 0 | 2 | a b c d e | not finite
t = state.get("t", 0)
m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * g
s = state["s"] = betas[1] * state.get("s", 0.0) + (1 - betas[1]) * g**2
state["t"] = t + 1
return theta - lr * m / (1 - betas[0] ** t) / ((s / (1 - betas[1] ** t)).sqrt() + eps)

# fault: t starts at 2 | 2 | b d | t = 1 being the first
t = state["t"] = state.get("t", 1) + 1
m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * g
s = state["s"] = betas[1] * state.get("s", 0.0) + (1 - betas[1]) * g**2
return theta - lr * m / (1 - betas[0] ** t) / ((s / (1 - betas[1] ** t)).sqrt() + eps)

# fault: t counts all calls | 2 | b d e | Keep all memory in `state`
adam_step.t = t = getattr(adam_step, "t", 0) + 1
m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * g
s = state["s"] = betas[1] * state.get("s", 0.0) + (1 - betas[1]) * g**2
return theta - lr * m / (1 - betas[0] ** t) / ((s / (1 - betas[1] ** t)).sqrt() + eps)

# fault: epsilon inside the root | 2 | c d | Where in the denominator
t = state["t"] = state.get("t", 0) + 1
m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * g
s = state["s"] = betas[1] * state.get("s", 0.0) + (1 - betas[1]) * g**2
return theta - lr * m / (1 - betas[0] ** t) / (s / (1 - betas[1] ** t) + eps).sqrt()

# fault: epsilon before the correction | 2 | d | Already the first step differs
t = state["t"] = state.get("t", 0) + 1
m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * g
s = state["s"] = betas[1] * state.get("s", 0.0) + (1 - betas[1]) * g**2
return theta - lr * m / (1 - betas[0] ** t) / ((s.sqrt() + eps) / math.sqrt(1 - betas[1] ** t))

# fault: no epsilon | 2 | c d | Where in the denominator
t = state["t"] = state.get("t", 0) + 1
m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * g
s = state["s"] = betas[1] * state.get("s", 0.0) + (1 - betas[1]) * g**2
return theta - lr * m / (1 - betas[0] ** t) / (s / (1 - betas[1] ** t)).sqrt()

# fault: moments not kept | 2 | a d e | What is kept of the past gradients
m, s, t = torch.zeros_like(g), torch.zeros_like(g), 1
m = betas[0] * m + (1 - betas[0]) * g
s = betas[1] * s + (1 - betas[1]) * g**2
return theta - lr * m / (1 - betas[0] ** t) / ((s / (1 - betas[1] ** t)).sqrt() + eps)

# fault: the square of the mean gradient | 2 | a b d | and of their squares
t = state["t"] = state.get("t", 0) + 1
m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * g
s = state["s"] = betas[1] * state.get("s", 0.0) + (1 - betas[1]) * m**2
return theta - lr * m / (1 - betas[0] ** t) / ((s / (1 - betas[1] ** t)).sqrt() + eps)

# fault: betas swapped | 2 | a d | Which beta belongs to which
t = state["t"] = state.get("t", 0) + 1
m = state["m"] = betas[1] * state.get("m", 0.0) + (1 - betas[1]) * g
s = state["s"] = betas[0] * state.get("s", 0.0) + (1 - betas[0]) * g**2
return theta - lr * m / (1 - betas[1] ** t) / ((s / (1 - betas[0] ** t)).sqrt() + eps)

# fault: the root forgotten | 2 | a b c d | in units of lr your steps differ
t = state["t"] = state.get("t", 0) + 1
m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * g
s = state["s"] = betas[1] * state.get("s", 0.0) + (1 - betas[1]) * g**2
return theta - lr * m / (1 - betas[0] ** t) / (s / (1 - betas[1] ** t) + eps)

# fault: the learning rate inside the mean | 2 | d | lr changes from step to step
t = state["t"] = state.get("t", 0) + 1
m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * lr * g
s = state["s"] = betas[1] * state.get("s", 0.0) + (1 - betas[1]) * g**2
return theta - m / (1 - betas[0] ** t) / ((s / (1 - betas[1] ** t)).sqrt() + eps)

# fault: the gradient squared in place | 2 | e | changed the gradient
t = state["t"] = state.get("t", 0) + 1
m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * g
s = state["s"] = betas[1] * state.get("s", 0.0) + (1 - betas[1]) * g.square_()
return theta - lr * m / (1 - betas[0] ** t) / ((s / (1 - betas[1] ** t)).sqrt() + eps)

# fault: float64 whatever comes | 2 | c d | came back as torch.float64
t = state["t"] = state.get("t", 0) + 1
m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * g.double()
s = state["s"] = betas[1] * state.get("s", 0.0) + (1 - betas[1]) * g.double() ** 2
return theta - lr * m / (1 - betas[0] ** t) / ((s / (1 - betas[1] ** t)).sqrt() + eps)

# fault: decay inside the moments (L2) | 3 | a b | five steps should leave
return adam_step(theta, g + weight_decay * theta, state, lr=lr, betas=betas, eps=eps)

# fault: decay not scaled by lr | 3 | a b | five steps should leave
return adam_step(theta, g, state, lr=lr, betas=betas, eps=eps) - weight_decay * theta

# fault: decay of the weights after the step | 3 | a b | shrank by the share
return adam_step(theta, g, state, lr=lr, betas=betas, eps=eps) * (1 - lr * weight_decay)

# fault: decay in both ways | 3 | a b | five steps should leave
moved = adam_step(theta, g + weight_decay * theta, state, lr=lr, betas=betas, eps=eps)
return moved - lr * weight_decay * theta

# fault: weights grow | 3 | a b | five steps should leave
return adam_step(theta, g, state, lr=lr, betas=betas, eps=eps) + lr * weight_decay * theta

# fault: no decay | 3 | a b | five steps should leave
return adam_step(theta, g, state, lr=lr, betas=betas, eps=eps)

# fault: learning rate and decay swapped | 3 | a b | shrank by the share
return adam_step(theta, g, state, lr=weight_decay, betas=betas, eps=eps) - lr * weight_decay * theta

# fault: learning rate of the decay squared | 3 | a b | five steps should leave
return adam_step(theta, g, state, lr=lr, betas=betas, eps=eps) - lr**2 * weight_decay * theta

# fault: the weights shrunk in place | 3 | b | `theta` was changed in place
return adam_step(theta.mul_(1 - lr * weight_decay), g, state, lr=lr, betas=betas, eps=eps)

# fault: decoupled, but no bias correction | 3 | b | and does test 2d
m = state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * g
s = state["s"] = betas[1] * state.get("s", 0.0) + (1 - betas[1]) * g**2
return theta - lr * m / (s.sqrt() + eps) - lr * weight_decay * theta

# fault: everything decayed | 4 | a | gets the weight decay 0.1 instead of 0
return [{"params": [p for p in model.parameters() if p.requires_grad], "weight_decay": weight_decay}]

# fault: only biases spared | 4 | a | 2.weight, of shape (6,)
named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
biases = [p for name, p in named if "bias" in name]
others = [p for name, p in named if "bias" not in name]
return [{"params": others, "weight_decay": weight_decay}, {"params": biases, "weight_decay": 0.0}]

# fault: spared by the words bias and norm | 4 | a | 2.weight, of shape (6,)
named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
spared = [p for name, p in named if "bias" in name or "norm" in name]
others = [p for name, p in named if not ("bias" in name or "norm" in name)]
return [{"params": others, "weight_decay": weight_decay}, {"params": spared, "weight_decay": 0.0}]

# fault: spared by the class LayerNorm | 4 | a | instead of 0
spared = {p for m in model.modules() if isinstance(m, nn.LayerNorm) for p in m.parameters()}
spared |= {p for name, p in model.named_parameters() if name.endswith("bias")}
others = [p for p in model.parameters() if p.requires_grad and p not in spared]
spared = [p for p in model.parameters() if p.requires_grad and p in spared]
return [{"params": others, "weight_decay": weight_decay}, {"params": spared, "weight_decay": 0.0}]

# fault: only linear layers decayed | 4 | a | 0.weight, of shape (10, 4), gets the weight decay 0 instead of 0.1
linear = {m.weight for m in model.modules() if isinstance(m, nn.Linear)}
trainable = [p for p in model.parameters() if p.requires_grad]
decayed, others = [p for p in trainable if p in linear], [p for p in trainable if p not in linear]
return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]

# fault: frozen parameters grouped | 4 | b | is frozen
decayed, others = [p for p in model.parameters() if p.ndim > 1], [p for p in model.parameters() if p.ndim < 2]
return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]

# fault: a shared matrix twice | 4 | b | stands 2 times
every = [p for m in model.modules() for p in m.parameters(recurse=False) if p.requires_grad]
decayed, others = [p for p in every if p.ndim > 1], [p for p in every if p.ndim < 2]
return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]

# fault: vectors left out | 4 | a b | is in no group
return [{"params": [p for p in model.parameters() if p.requires_grad and p.ndim > 1], "weight_decay": weight_decay}]

# fault: a group without its decay | 4 | a b | lacks ['weight_decay']
every = [p for p in model.parameters() if p.requires_grad]
decayed, others = [p for p in every if p.ndim > 1], [p for p in every if p.ndim < 2]
return [{"params": decayed, "weight_decay": weight_decay}, {"params": others}]

# fault: schedule off by one | 5 | a b c | step 1 should have the rate
step = step - 1
if step < warmup:
    return peak * step / warmup
progress = min(1.0, (step - warmup) / (total - warmup))
return final + (peak - final) * (1 + math.cos(math.pi * progress)) / 2

# fault: the first step does nothing | 5 | a | step 1 should have the rate 0.1, and has 0.
if step <= warmup:
    return peak * (step - 1) / warmup
progress = min(1.0, (step - warmup) / (total - warmup))
return final + (peak - final) * (1 + math.cos(math.pi * progress)) / 2

# fault: the peak one step late | 5 | a | reaches the peak
if step <= warmup:
    return peak * step / (warmup + 1)
progress = min(1.0, (step - warmup) / (total - warmup))
return final + (peak - final) * (1 + math.cos(math.pi * progress)) / 2

# fault: division by zero without warm-up | 5 | c | divided by 0
rise = min(1.0, step / warmup)
progress = min(1.0, max(0, step - warmup) / (total - warmup))
return rise * (final + (peak - final) * (1 + math.cos(math.pi * progress)) / 2)

# fault: nothing without warm-up | 5 | c | half-way, in step 5
if warmup == 0:
    return 0.0
progress = min(1.0, max(0, step - warmup) / (total - warmup))
return min(1.0, step / warmup) * (final + (peak - final) * (1 + math.cos(math.pi * progress)) / 2)

# fault: decay that does not end at zero | 5 | b | The last step ends the fall
if step < warmup:
    return peak * step / warmup
progress = min(1.0, (step - warmup) / total)
return final + (peak - final) * (1 + math.cos(math.pi * progress)) / 2

# fault: decay one step too long | 5 | b c | The last step ends the fall
if step < warmup:
    return peak * step / warmup
progress = min(1.0, (step - warmup) / (total - warmup + 1))
return final + (peak - final) * (1 + math.cos(math.pi * progress)) / 2

# fault: a jump after the warm-up | 5 | b | half-way down
if step <= warmup:
    return peak * step / warmup
return final + (peak - final) * (1 + math.cos(math.pi * min(1.0, step / total))) / 2

# fault: a straight line instead of the cosine | 5 | b | half a period of the cosine
if step < warmup:
    return peak * step / warmup
return peak + (final - peak) * min(1.0, (step - warmup) / (total - warmup))

# fault: the cosine rises again | 5 | b | After the last step
if step < warmup:
    return peak * step / warmup
return final + (peak - final) * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2

# fault: zero after the end | 5 | b | After the last step
if step > total:
    return 0.0
if step < warmup:
    return peak * step / warmup
return final + (peak - final) * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2

# fault: the final rate ignored | 5 | b c | at `final`
if step < warmup:
    return peak * step / warmup
return peak * (1 + math.cos(math.pi * min(1.0, (step - warmup) / (total - warmup)))) / 2

# fault: the final rate on top | 5 | b c | should have the rate
if step <= warmup:
    return peak * step / warmup
return final + peak * (1 + math.cos(math.pi * min(1.0, (step - warmup) / (total - warmup)))) / 2

# fault: the peak given to the final rate | 5 | a b | should have the rate
if step < warmup:
    return final * step / warmup
progress = min(1.0, (step - warmup) / (total - warmup))
return peak + (final - peak) * (1 + math.cos(math.pi * progress)) / 2

# fault: it counts its own calls | 5 | a b c | should have the rate
learning_rate.calls = step = getattr(learning_rate, "calls", 0) + 1
if step < warmup:
    return peak * step / warmup
progress = min(1.0, (step - warmup) / (total - warmup))
return final + (peak - final) * (1 + math.cos(math.pi * progress)) / 2

# fault: each tensor clipped by itself | 6 | a | scaled by different factors
total = math.sqrt(sum(float((g**2).sum()) for g in gradients))
return [g * min(1.0, max_norm / (float(g.norm()) + 1e-12)) for g in gradients], total

# fault: clipped by value | 6 | a | the direction of the whole has changed
total = math.sqrt(sum(float((g**2).sum()) for g in gradients))
return [g.clamp(-max_norm, max_norm) for g in gradients], total

# fault: small gradients scaled up | 6 | b | nothing was to be done
total = math.sqrt(sum(float((g**2).sum()) for g in gradients))
return [g * (max_norm / (total + 1e-9)) for g in gradients], total

# fault: zero divided by zero | 6 | b | came back as [nan
total = torch.tensor(sum(float((g**2).sum()) for g in gradients), dtype=torch.float64).sqrt()
return [(g / total * total.clamp(max=max_norm)).to(g.dtype) for g in gradients], total

# fault: the sum of the norms | 6 | a b c | The norm before clipping is 5.0000; 7.0000
total = sum(float(g.norm()) for g in gradients)
return [g * min(1.0, max_norm / (total + 1e-9)) for g in gradients], total

# fault: no root | 6 | a b c | The norm before clipping is 5.0000; 25.0000
total = sum(float((g**2).sum()) for g in gradients)
return [g * min(1.0, max_norm / (total + 1e-9)) for g in gradients], total

# fault: the largest entry as norm | 6 | a c | The norm before clipping is 5.0000; 4.0000
total = max(float(g.abs().max()) for g in gradients)
return [g * min(1.0, max_norm / (total + 1e-9)) for g in gradients], total

# fault: the norm after clipping returned | 6 | c | The norm before clipping is 5.0000; 1.0000
total = math.sqrt(sum(float((g**2).sum()) for g in gradients))
clipped = [g * min(1.0, max_norm / (total + 1e-9)) for g in gradients]
return clipped, math.sqrt(sum(float((g**2).sum()) for g in clipped))

# fault: gradients changed in place | 6 | c | changed in place
total = math.sqrt(sum(float((g**2).sum()) for g in gradients))
if total > max_norm:
    for g in gradients:
        g *= max_norm / total
return gradients, total

# fault: the list changed in place | 6 | c | changed in place
total = math.sqrt(sum(float((g**2).sum()) for g in gradients))
gradients[:] = [g * min(1.0, max_norm / (total + 1e-9)) for g in gradients]
return gradients, total

# fault: everything to float64 | 6 | a | came back as torch.float64
total = math.sqrt(sum(float((g**2).sum()) for g in gradients))
return [g.double() * min(1.0, max_norm / (total + 1e-9)) for g in gradients], total

# fault: the library's clipping | 6 | a b c | The library is the judge
copies = [nn.Parameter(torch.zeros_like(g)) for g in gradients]
for copy, g in zip(copies, gradients):
    copy.grad = g.clone()
total = torch.nn.utils.clip_grad_norm_(copies, max_norm)
return [copy.grad for copy in copies], total

# fault: mean of means | 7 | a b | Every label should count the same
model.zero_grad()
value = 0.0
for inputs, labels in micro_batches:
    loss = F.cross_entropy(model(inputs).flatten(0, 1), labels.flatten()) / len(micro_batches)
    loss.backward()
    value += loss.item()
return value

# fault: mean of the means that exist | 7 | a | Every label should count the same
model.zero_grad()
value, full = 0.0, [batch for batch in micro_batches if (batch[1] != -100).any()]
for inputs, labels in full:
    loss = F.cross_entropy(model(inputs).flatten(0, 1), labels.flatten()) / len(full)
    loss.backward()
    value += loss.item()
return value

# fault: means added up | 7 | a b | times as long
model.zero_grad()
value = 0.0
for inputs, labels in micro_batches:
    loss = F.cross_entropy(model(inputs).flatten(0, 1), labels.flatten())
    loss.backward()
    value += loss.item()
return value

# fault: sums not divided | 7 | a | times as long
model.zero_grad()
value = 0.0
for inputs, labels in micro_batches:
    loss = F.cross_entropy(model(inputs).flatten(0, 1), labels.flatten(), reduction="sum")
    loss.backward()
    value += loss.item()
return value

# fault: divided by all positions | 7 | a b | without any label
model.zero_grad()
value, count = 0.0, sum(labels.numel() for _, labels in micro_batches)
for inputs, labels in micro_batches:
    loss = F.cross_entropy(model(inputs).flatten(0, 1), labels.flatten(), reduction="sum") / count
    loss.backward()
    value += loss.item()
return value

# fault: means weighted by rows | 7 | a b | Every label should count the same
model.zero_grad()
value, rows = 0.0, sum(len(labels) for _, labels in micro_batches)
for inputs, labels in micro_batches:
    loss = F.cross_entropy(model(inputs).flatten(0, 1), labels.flatten()) * len(labels) / rows
    loss.backward()
    value += loss.item()
return value

# fault: zero labels times a mean that is not a number | 7 | b | gradients are not finite
model.zero_grad()
value, count = 0.0, sum(int((labels != -100).sum()) for _, labels in micro_batches)
for inputs, labels in micro_batches:
    loss = F.cross_entropy(model(inputs).flatten(0, 1), labels.flatten()) * (labels != -100).sum() / count
    loss.backward()
    value += loss.item()
return value

# fault: the old gradient not forgotten | 7 | b | was not forgotten
value, count = 0.0, sum(int((labels != -100).sum()) for _, labels in micro_batches)
for inputs, labels in micro_batches:
    loss = F.cross_entropy(model(inputs).flatten(0, 1), labels.flatten(), reduction="sum") / count
    loss.backward()
    value += loss.item()
return value

# fault: the gradient forgotten in every micro-batch | 7 | a b | Every label should count the same
value, count = 0.0, sum(int((labels != -100).sum()) for _, labels in micro_batches)
for inputs, labels in micro_batches:
    model.zero_grad()
    loss = F.cross_entropy(model(inputs).flatten(0, 1), labels.flatten(), reduction="sum") / count
    loss.backward()
    value += loss.item()
return value

# fault: one backward pass at the end | 7 | c | forwarded before the first of them went backward
model.zero_grad()
count = sum(int((labels != -100).sum()) for _, labels in micro_batches)
losses = [F.cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction="sum") for x, y in micro_batches]
loss = sum(losses) / count
loss.backward()
return loss.item()

# fault: one large batch after all | 7 | c | at once
model.zero_grad()
longest = max(labels.shape[1] for _, labels in micro_batches)
inputs = torch.cat([F.pad(x, (0, longest - x.shape[1])) for x, _ in micro_batches])
labels = torch.cat([F.pad(y, (0, longest - y.shape[1]), value=-100) for _, y in micro_batches])
loss = F.cross_entropy(model(inputs).flatten(0, 1), labels.flatten())
loss.backward()
return loss.item()

# fault: the loss of the last micro-batch returned | 7 | a b | the mean loss over all labels is
model.zero_grad()
count = sum(int((labels != -100).sum()) for _, labels in micro_batches)
for inputs, labels in micro_batches:
    loss = F.cross_entropy(model(inputs).flatten(0, 1), labels.flatten(), reduction="sum") / count
    loss.backward()
return loss.item()

# fault: the loss returned as a tensor | 7 | a | as a Python float
model.zero_grad()
value, count = 0.0, sum(int((labels != -100).sum()) for _, labels in micro_batches)
for inputs, labels in micro_batches:
    loss = F.cross_entropy(model(inputs).flatten(0, 1), labels.flatten(), reduction="sum") / count
    loss.backward()
    value += loss.detach()
return value

# fault: no root over the second mean | 8 | | stands under a root
return (1 - betas[0] ** t) / (1 - betas[1] ** t)

# fault: upside down | 8 | | Neither mean is corrected
return math.sqrt(1 - betas[1] ** t) / (1 - betas[0] ** t)

# fault: one mean too few | 8 | | Neither mean is corrected
return 1 - betas[0] ** t

# fault: one step too late | 8 | | Neither mean is corrected
return (1 - betas[0] ** (t + 1)) / math.sqrt(1 - betas[1] ** (t + 1))
"""

OPTIMISER_FAULTS: list[Fault] = read_faults(FAULTS_AS_TEXT, SIGNATURES)
