"""Answers to the assignment *A head and its metric*.

Two more correct ones, written in other ways than the reference solution.
"""

from __future__ import annotations

# With whole tensors and the library where it helps.
TENSORS = {
    "ex1": """
def mean_pool(hidden, real):
    clean = torch.where(real.unsqueeze(-1) > 0, hidden, torch.zeros_like(hidden))
    counts = real.sum(1, keepdim=True).to(hidden.dtype)
    return torch.einsum("btd->bd", clean) / torch.maximum(counts, torch.ones_like(counts))
""",
    "ex2": """
def align_labels(word_ids, labels):
    numbers = torch.tensor([[-1 if n is None else n for n in row] for row in word_ids])
    before = torch.cat([torch.full((len(word_ids), 1), -1), numbers[:, :-1]], dim=1)
    first = (numbers >= 0) & (numbers != before)
    longest = max(1, max(len(row) for row in labels))
    table = torch.tensor([list(row) + [-100] * (longest - len(row)) for row in labels])
    return torch.where(first, table.gather(1, numbers.clamp(min=0)), -100)
""",
    "ex3": """
def word_tags(logits, word_ids, lengths):
    result = []
    for scores, numbers, n in zip(logits, word_ids, lengths):
        result.append([int(scores[numbers.index(w)].argmax()) if w in numbers else 0 for w in range(n)])
    return result
""",
    "ex4": """
def token_loss(logits, labels, weights=None):
    weights = torch.ones(logits.shape[-1], dtype=logits.dtype) if weights is None else weights
    losses = F.cross_entropy(logits.transpose(1, 2), labels, weight=weights, ignore_index=-100, reduction="none")
    total = torch.where(labels == -100, 0.0, weights[labels.clamp(min=0)]).sum()
    return losses.sum() / total if total > 0 else losses.sum()
""",
    "ex5": r"""
import itertools

def entities(tags):
    starts = [
        i
        for i, tag in enumerate(tags)
        if tag != "O" and (tag[0] == "B" or i == 0 or tags[i - 1] == "O" or tags[i - 1][2:] != tag[2:])
    ]
    result = set()
    for i in starts:
        more = itertools.takewhile(lambda j: tags[j] == "I-" + tags[i][2:], range(i + 1, len(tags)))
        result.add((tags[i][2:], i, i + len(list(more))))
    return result
""",
    "ex6": """
def tag_scores(gold, guess):
    a = b = c = right = words = 0
    for here, there in zip(gold, guess):
        one, other = entities(here), entities(there)
        a, b, c = a + len(one & other), b + len(other - one), c + len(one - other)
        right += sum(x == y for x, y in zip(here, there))
        words += len(here)
    def share(x, y):
        return x / y if y else 0.0
    return {
        "f1": share(2 * a, 2 * a + b + c),
        "precision": share(a, a + b),
        "recall": share(a, a + c),
        "accuracy": share(right, words),
    }
""",
    "ex7": """
def undo_weights(q, weights):
    return (q.log() - weights.log()).softmax(-1)
""",
}

# Row by row and piece by piece, from the definitions.
STEPS = {
    "ex1": """
def mean_pool(hidden, real):
    rows = []
    for vectors, marks in zip(hidden, real):
        chosen = vectors[marks.bool()]
        rows.append(chosen.sum(0) / max(1, len(chosen)))
    return torch.stack(rows)
""",
    "ex2": """
def align_labels(word_ids, labels):
    result = []
    for row, numbers in enumerate(word_ids):
        seen, line = set(), []
        for number in numbers:
            line.append(-100 if number is None or number in seen else labels[row][number])
            seen.add(number)
        result.append(line)
    return torch.tensor(result)
""",
    "ex3": """
def first_pieces_of(numbers):
    places = {}
    for place, number in enumerate(numbers):
        if number is not None:
            places.setdefault(number, place)
    return places

def word_tags(logits, word_ids, lengths):
    result = [[0 for _ in range(n)] for n in lengths]
    for row, numbers in enumerate(word_ids):
        for number, place in first_pieces_of(numbers).items():
            result[row][number] = torch.max(logits[row, place], 0).indices.item()
    return result
""",
    "ex4": """
def token_loss(logits, labels, weights=None):
    rows, places = torch.nonzero(labels != -100, as_tuple=True)
    if rows.numel() == 0:
        return (logits * 0).sum()
    chosen = labels[rows, places]
    minus = -logits.log_softmax(-1)[rows, places, chosen]
    if weights is None:
        return minus.mean()
    w = weights[chosen]
    return (w * minus).sum() / w.sum()
""",
    "ex5": """
def entities(tags):
    result, i = set(), 0
    while i < len(tags):
        if tags[i] == "O":
            i += 1
            continue
        kind, j = tags[i].split("-", 1)[1], i
        while j + 1 < len(tags) and tags[j + 1] == f"I-{kind}":
            j += 1
        result.add((kind, i, j))
        i = j + 1
    return result
""",
    "ex6": """
def tag_scores(gold, guess):
    there = [(n, e) for n, tags in enumerate(gold) for e in entities(tags)]
    said = [(n, e) for n, tags in enumerate(guess) for e in entities(tags)]
    right = [e for e in said if e in there]
    flat = [x == y for a, b in zip(gold, guess) for x, y in zip(a, b)]
    p = len(right) / len(said) if said else 0.0
    r = len(right) / len(there) if there else 0.0
    try:
        f1 = 2 / (1 / p + 1 / r)
    except ZeroDivisionError:
        f1 = 0.0
    return dict(accuracy=sum(flat) / len(flat), precision=p, recall=r, f1=f1)
""",
    "ex7": """
def undo_weights(q, weights):
    w = weights / weights.min()
    return torch.nn.functional.normalize(q * (1 / w), p=1, dim=-1)
""",
}
