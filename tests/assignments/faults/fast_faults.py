"""Planted faults for the assignment *Make it fast*.

What many get wrong, and exactly the tests that each must fail.
"""

from __future__ import annotations

from assignment_judge import Fault, read_faults

SIGNATURES = {
    "ex1": "def look_up(E, ids):",
    "ex2": "def sparse_loss(h, E, bias, labels):",
    "ex3": "def plan(lengths, budget):",
    "ex4": "def fast_step(weights, rows, labels, budget):",
    "ex5": "def head_gain(N, L, d, t, v, m):",
}

# the beginning of a right step, and its way through one group; a fault changes something around
# them
START = """leaves = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
count, loss = sum(y != -100 for row in labels for y in row), 0.0"""
GROUP = """    t = max(len(rows[i]) for i in group)
    ids, y = pad([rows[i] for i in group], t, 0), pad([labels[i] for i in group], t, -100)
    real = pad([[1] * len(rows[i]) for i in group], t, 0) == 1
    total, n = sparse_loss(encode(leaves, look_up(leaves["E"], ids), real), leaves["E"], leaves["bias"], y)"""

# the form is that of assignment_judge.read_faults; "@START" and "@GROUP" stand for the lines above
FAULTS_AS_TEXT = r"""
# fault: one-hot rows still multiplied | 1 | b | nothing need be multiplied
return F.one_hot(ids, len(E)).to(E.dtype) @ E

# fault: an einsum in disguise | 1 | b | nothing need be multiplied
return torch.einsum("btv,vd->btd", F.one_hot(ids, len(E)).to(E.dtype), E)

# fault: the table detached | 1 | a | Is something detached
return E.detach()[ids]

# fault: E looked up as it lies | 1 | a | Row ids[i, j] of E belongs
return E[ids.clamp(max=len(E) - 2)]

# fault: rows and columns exchanged | 1 | a | should have the shape
return E[ids.T]

# fault: all logits, and then a choice | 2 | c | Logits were computed at
some = labels != -100
logits = (h @ E.T + bias)[some]
return F.cross_entropy(logits, labels[some], reduction="sum"), int(some.sum())

# fault: all logits, ignored by the loss | 2 | c | Logits were computed at
loss = F.cross_entropy((h @ E.T + bias).flatten(0, 1), labels.flatten(), reduction="sum")
return loss, int((labels != -100).sum())

# fault: every row with a label whole | 2 | c | Logits were computed at
rows = (labels != -100).any(1)
loss = F.cross_entropy((h[rows] @ E.T + bias).flatten(0, 1), labels[rows].flatten(), reduction="sum")
return loss, int((labels != -100).sum())

# fault: logits computed twice | 2 | c | Logits were computed at
some = labels != -100
logits = (h[some] @ E.T + h[some] @ E.T) / 2 + bias
return F.cross_entropy(logits, labels[some], reduction="sum"), int(some.sum())

# fault: the mean instead of the sum | 2 | a d | All of it is
some = labels != -100
return F.cross_entropy(F.linear(h[some], E, bias), labels[some]), int(some.sum())

# fault: the mean, and 0 without labels | 2 | a | All of it is
some = labels != -100
if not some.any():
    return 0 * h.sum(), 0
return F.cross_entropy(F.linear(h[some], E, bias), labels[some]), int(some.sum())

# fault: all positions counted | 2 | a d | positions have a label
some = labels != -100
return F.cross_entropy(F.linear(h[some], E, bias), labels[some], reduction="sum"), labels.numel()

# fault: the head's bias forgotten | 2 | a b | differs from that of the slow version
some = labels != -100
return F.cross_entropy(h[some] @ E.T + 0 * bias, labels[some], reduction="sum"), int(some.sum())

# fault: the hidden vectors detached | 2 | b | does not depend on h
some = labels != -100
return F.cross_entropy(F.linear(h.detach()[some], E, bias), labels[some], reduction="sum"), int(some.sum())

# fault: the table of the head detached | 2 | b | does not depend on E
some = labels != -100
return F.cross_entropy(F.linear(h[some], E.detach(), bias), labels[some], reduction="sum"), int(some.sum())

# fault: labels of other positions | 2 | a b | each with its own label
some = labels != -100
return F.cross_entropy(F.linear(h[some], E, bias), labels[some].flip(0), reduction="sum"), int(some.sum())

# fault: hidden vectors of the first positions | 2 | a b | each with its own label
y = labels[labels != -100]
z = F.linear(h.flatten(0, 1)[: len(y)], E, bias)
return F.cross_entropy(z, y, reduction="sum"), len(y)

# fault: a zero that knows no way back | 2 | d | backward() would not work
some = labels != -100
if not some.any():
    return torch.zeros((), dtype=h.dtype), 0
return F.cross_entropy(F.linear(h[some], E, bias), labels[some], reduction="sum"), int(some.sum())

# fault: the labels overwritten | 2 | d | changed in place
some = labels != -100
total = F.cross_entropy(F.linear(h[some], E, bias), labels[some], reduction="sum")
labels[some] = 0
return total, int(some.sum())

# fault: only the sum returned | 2 | a b d | Return the sum and the number
some = labels != -100
return F.cross_entropy(F.linear(h[some], E, bias), labels[some], reduction="sum")

# fault: the last group forgotten | 3 | a b | should stand in one group
if max(lengths, default=0) > budget:
    raise ValueError(f"{max(lengths)} > {budget}")
groups, group = [], []
for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
    if group and (len(group) + 1) * lengths[i] > budget:
        groups, group = [*groups, group], []
    group.append(i)
return groups

# fault: tokens counted instead of area | 3 | a b | and the budget is
if max(lengths, default=0) > budget:
    raise ValueError(f"{max(lengths)} > {budget}")
groups, used = [], 0
for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
    if groups and used + lengths[i] <= budget:
        groups[-1].append(i)
        used += lengths[i]
    else:
        groups.append([i])
        used = lengths[i]
return groups

# fault: the area of the group before the new row | 3 | a b | and the budget is
if max(lengths, default=0) > budget:
    raise ValueError(f"{max(lengths)} > {budget}")
groups = []
for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
    if groups and len(groups[-1]) * lengths[i] <= budget:
        groups[-1].append(i)
    else:
        groups.append([i])
return groups

# fault: lengths instead of row numbers | 3 | a b | which are no row
if max(lengths, default=0) > budget:
    raise ValueError(f"{max(lengths)} > {budget}")
groups = []
for n in sorted(lengths):
    if groups and (len(groups[-1]) + 1) * n <= budget:
        groups[-1].append(n)
    else:
        groups.append([n])
return groups

# fault: rows in the order in which they come | 3 | b | sorted by length it would be
if max(lengths, default=0) > budget:
    raise ValueError(f"{max(lengths)} > {budget}")
groups = []
for i, n in enumerate(lengths):
    if groups and (len(groups[-1]) + 1) * max([n] + [lengths[k] for k in groups[-1]]) <= budget:
        groups[-1].append(i)
    else:
        groups.append([i])
return groups

# fault: each row by itself | 3 | b | Each group costs a call
if max(lengths, default=0) > budget:
    raise ValueError(f"{max(lengths)} > {budget}")
return [[i] for i in range(len(lengths))]

# fault: room for the longest row of all | 3 | b | Each group costs a call
if max(lengths, default=0) > budget:
    raise ValueError(f"{max(lengths)} > {budget}")
order = sorted(range(len(lengths)), key=lambda i: lengths[i])
size = max(1, budget // max(lengths, default=1) // 2)
return [order[k : k + size] for k in range(0, len(order), size)]

# fault: a row that fits nowhere is passed over | 3 | c | did not complain
groups = []
for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
    if groups and (len(groups[-1]) + 1) * lengths[i] <= budget:
        groups[-1].append(i)
    else:
        groups.append([i])
return groups

# fault: an assertion for the user | 3 | c | raise a ValueError, not AssertionError
assert max(lengths, default=0) <= budget
groups = []
for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
    if groups and (len(groups[-1]) + 1) * lengths[i] <= budget:
        groups[-1].append(i)
    else:
        groups.append([i])
return groups

# fault: an error without numbers | 3 | c | should name the length
if max(lengths, default=0) > budget:
    raise ValueError("too long")
groups = []
for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
    if groups and (len(groups[-1]) + 1) * lengths[i] <= budget:
        groups[-1].append(i)
    else:
        groups.append([i])
return groups

# fault: no row is an error | 3 | c | stopped with ValueError
if max(lengths) > budget:
    raise ValueError(f"{max(lengths)} > {budget}")
groups = []
for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
    if groups and (len(groups[-1]) + 1) * lengths[i] <= budget:
        groups[-1].append(i)
    else:
        groups.append([i])
return groups

# fault: the mean of the groups' means | 4 | a b | Does every label of the batch count the same
@START
groups = plan([len(row) for row in rows], budget)
for group in groups:
@GROUP
    (total / max(n, 1) / len(groups)).backward()
    loss += total.item() / max(n, 1) / len(groups)
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: nan from a group without labels | 4 | a | the loss should be
@START
for group in plan([len(row) for row in rows], budget):
@GROUP
    mean = total / torch.tensor(float(n))
    (mean * n / count).backward()
    loss += mean.item() * n / count
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: the sum of the losses | 4 | a b | times as much
@START
for group in plan([len(row) for row in rows], budget):
@GROUP
    total.backward()
    loss += total.item()
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: gradients of the sum | 4 | b | divided by the wrong number
@START
for group in plan([len(row) for row in rows], budget):
@GROUP
    total.backward()
    loss += total.item() / count
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: divided by all tokens | 4 | a b | times as much
@START
count = sum(map(len, rows))
for group in plan([len(row) for row in rows], budget):
@GROUP
    (total / count).backward()
    loss += total.item() / count
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: gradients of the last group | 4 | b | Is something left out
@START
for group in plan([len(row) for row in rows], budget):
@GROUP
    for leaf in leaves.values():
        leaf.grad = None
    (total / count).backward()
    loss += total.item() / count
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: the loss of the last group | 4 | a | the loss should be
@START
for group in plan([len(row) for row in rows], budget):
@GROUP
    (total / count).backward()
    loss = total.item() / count
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: padding attended to | 4 | a b | the loss should be
@START
for group in plan([len(row) for row in rows], budget):
    t = max(len(rows[i]) for i in group)
    ids, y = pad([rows[i] for i in group], t, 0), pad([labels[i] for i in group], t, -100)
    real = torch.ones_like(ids) == 1
    total, n = sparse_loss(encode(leaves, look_up(leaves["E"], ids), real), leaves["E"], leaves["bias"], y)
    (total / count).backward()
    loss += total.item() / count
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: rows of one group with the labels of another | 4 | a b | the loss should be
@START
labels = sorted(labels, key=len)
rows = [[row[0], *row[1:]] for row in rows]
for group in plan([len(row) for row in rows], budget):
    t = max(len(rows[i]) for i in group)
    ids, y = pad([rows[i] for i in group], t, 0), pad([labels[i][:t] for i in group], t, -100)
    real = pad([[1] * len(rows[i]) for i in group], t, 0) == 1
    total, n = sparse_loss(encode(leaves, look_up(leaves["E"], ids), real), leaves["E"], leaves["bias"], y)
    (total / count).backward()
    loss += total.item() / count
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: the loss as a tensor | 4 | a | should be a Python float
@START
for group in plan([len(row) for row in rows], budget):
@GROUP
    (total / count).backward()
    loss = loss + total.detach() / count
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: the caller's weights used as leaves | 4 | b | came back with gradients in them
leaves = {name: weight.requires_grad_() for name, weight in weights.items()}
count, loss = sum(y != -100 for row in labels for y in row), 0.0
for group in plan([len(row) for row in rows], budget):
@GROUP
    (total / count).backward()
    loss += total.item() / count
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: the weights take a step | 4 | b | The weights were changed
@START
for group in plan([len(row) for row in rows], budget):
@GROUP
    (total / count).backward()
    loss += total.item() / count
for name, leaf in leaves.items():
    weights[name] -= 0.1 * leaf.grad
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: the rows filled up in place | 4 | b | changed in place
@START
for group in plan([len(row) for row in rows], budget):
@GROUP
    (total / count).backward()
    loss += total.item() / count
for row in rows:
    row += [0] * (LONGEST - len(row))
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: all logits in the step | 4 | c e | Logits were computed at
@START
for group in plan([len(row) for row in rows], budget):
    t = max(len(rows[i]) for i in group)
    ids, y = pad([rows[i] for i in group], t, 0), pad([labels[i] for i in group], t, -100)
    real = pad([[1] * len(rows[i]) for i in group], t, 0) == 1
    z = encode(leaves, look_up(leaves["E"], ids), real) @ leaves["E"].T + leaves["bias"]
    total = F.cross_entropy(z.flatten(0, 1), y.flatten(), reduction="sum")
    (total / count).backward()
    loss += total.item() / count
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: filled up to the longest row of the batch | 4 | d e | How far is a group filled up
@START
t = max(map(len, rows))
for group in plan([len(row) for row in rows], budget):
    ids, y = pad([rows[i] for i in group], t, 0), pad([labels[i] for i in group], t, -100)
    real = pad([[1] * len(rows[i]) for i in group], t, 0) == 1
    total, n = sparse_loss(encode(leaves, look_up(leaves["E"], ids), real), leaves["E"], leaves["bias"], y)
    (total / count).backward()
    loss += total.item() / count
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: a forward pass for the loss and one for the gradient | 4 | c d e | how often does it go forward
@START
for group in plan([len(row) for row in rows], budget):
@GROUP
    with torch.no_grad():
        again, n = sparse_loss(encode(leaves, look_up(leaves["E"], ids), real), leaves["E"], leaves["bias"], y)
    (total / count).backward()
    loss += again.item() / count
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: one-hot rows in the step | 4 | e | FLOPs were counted
@START
for group in plan([len(row) for row in rows], budget):
    t = max(len(rows[i]) for i in group)
    ids, y = pad([rows[i] for i in group], t, 0), pad([labels[i] for i in group], t, -100)
    real = pad([[1] * len(rows[i]) for i in group], t, 0) == 1
    x = F.one_hot(ids, len(leaves["E"])).double() @ leaves["E"]
    total, n = sparse_loss(encode(leaves, x, real), leaves["E"], leaves["bias"], y)
    (total / count).backward()
    loss += total.item() / count
return loss, {name: leaf.grad for name, leaf in leaves.items()}

# fault: one backward pass at the end | 4 | e | before the first of them went backward
@START
losses = []
for group in plan([len(row) for row in rows], budget):
@GROUP
    losses.append(total / count)
sum(losses).backward()
return sum(losses).item(), {name: leaf.grad for name, leaf in leaves.items()}

# fault: a backward pass for every gradient | 4 | e | FLOPs were counted
@START
grads = {name: 0.0 for name in leaves}
for group in plan([len(row) for row in rows], budget):
@GROUP
    for name, leaf in leaves.items():
        (g,) = torch.autograd.grad(total / count, leaf, retain_graph=True, allow_unused=True)
        grads[name] = grads[name] + (0 if g is None else g)
    loss += total.item() / count
return loss, grads

# fault: the slow step itself | 4 | c d e | Logits were computed at
return slow_step(weights, rows, labels)

# fault: attention forgotten | 5 | | Which terms grow with v
return (2 * N + 2 * d * v) / (2 * N + 2 * d * v * m)

# fault: attention counted once | 5 | | Which terms grow with v
body = 2 * N + 2 * t * d * L
return (body + 2 * d * v) / (body + 2 * d * v * m)

# fault: the share on everything | 5 | | which of them does m touch
return 1 / m

# fault: the share the wrong way round | 5 | | which of them does m touch
body = 2 * N + 4 * t * d * L
return (body + 2 * d * v * m) / (body + 2 * d * v)

# fault: N without its factor 2 | 5 | | Which terms grow with v
body = N + 4 * t * d * L
return (body + 2 * d * v) / (body + 2 * d * v * m)

# fault: attention of one block | 5 | | Which terms grow with v
body = 2 * N + 4 * t * d
return (body + 2 * d * v) / (body + 2 * d * v * m)
"""

FAST_FAULTS: list[Fault] = read_faults(
    FAULTS_AS_TEXT.replace("@START", START).replace("@GROUP", GROUP), SIGNATURES
)
