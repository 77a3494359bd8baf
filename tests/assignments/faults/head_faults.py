"""Planted faults for the assignment *A head and its metric*.

What many get wrong, and exactly the tests that each must fail.
"""

from __future__ import annotations

from assignment_judge import Fault, read_faults

SIGNATURES = {
    "ex1": "def mean_pool(hidden, real):",
    "ex2": "def align_labels(word_ids, labels):",
    "ex3": "def word_tags(logits, word_ids, lengths):",
    "ex4": "def token_loss(logits, labels, weights=None):",
    "ex5": "def entities(tags):",
    "ex6": "def tag_scores(gold, guess):",
    "ex7": "def undo_weights(q, weights):",
}

# the right counts of exercise 6; a fault spoils one of them
COUNTS = """there = {(n, *e) for n, tags in enumerate(gold) for e in entities(tags)}
said = {(n, *e) for n, tags in enumerate(guess) for e in entities(tags)}
pairs = [(x, y) for a, b in zip(gold, guess) for x, y in zip(a, b)]
right, accuracy = len(there & said), sum(x == y for x, y in pairs) / len(pairs)
p, r = right / max(1, len(said)), right / max(1, len(there))
f1 = 2 * p * r / (p + r) if right else 0.0"""

# the form is that of assignment_judge.read_faults; "@COUNTS" stands for the lines above
FAULTS_AS_TEXT = r"""
# fault: padding in the mean | 1 | a b c | by what do you divide
return hidden.mean(1)

# fault: padding added as zeros but counted | 1 | a | by what do you divide
return hidden.masked_fill(real[..., None] == 0, 0).mean(1)

# fault: divided by the largest count | 1 | a | by what do you divide
some = real.bool()[..., None]
total = hidden.masked_fill(~some, 0).sum(1)
return total / real.sum(1).max()

# fault: the sum instead of the mean | 1 | a | by what do you divide
return hidden.masked_fill(real[..., None] == 0, 0).sum(1)

# fault: the first vector instead of the mean | 1 | a b c | Which positions are added up
return hidden[:, 0]

# fault: the mean of padding | 1 | a b c | Which positions are added up
some = ~real.bool()[..., None]
return hidden.masked_fill(~some, 0).sum(1) / some.sum(1).clamp(min=1)

# fault: the largest instead of the mean | 1 | a | Which positions are added up
best = hidden.masked_fill(real[..., None] == 0, -torch.inf).amax(1)
return torch.where(real.any(1, keepdim=True), best, 0.0)

# fault: real pieces taken for the first ones | 1 | a b c | Which positions are added up
count = real.sum(1)
first = torch.arange(real.shape[1])[None] < count[:, None]
return hidden.masked_fill(~first[..., None], 0).sum(1) / count.clamp(min=1)[:, None]

# fault: zero times nan | 1 | b | should not be multiplied
return (hidden * real[..., None]).sum(1) / real.sum(1).clamp(min=1)[:, None].to(hidden.dtype)

# fault: zero divided by zero | 1 | c | The last row is nothing but padding
some = real.bool()[..., None]
return hidden.masked_fill(~some, 0).sum(1) / some.sum(1)

# fault: a small number in the denominator | 1 | a | by what do you divide
some = real.bool()[..., None]
return hidden.masked_fill(~some, 0).sum(1) / (some.sum(1) + 1e-2)

# fault: the padding overwritten in place | 1 | c | argument number 1 in place
hidden = hidden.data
hidden[real == 0] = 0
return hidden.sum(1) / real.sum(1).clamp(min=1)[:, None]

# fault: pooled without a gradient | 1 | c | Is something detached
some = real.bool()[..., None]
return (hidden.masked_fill(~some, 0).sum(1) / some.sum(1).clamp(min=1)).detach()

# fault: means in float64 | 1 | c | came back as torch.float64
some = real.bool()[..., None]
return hidden.double().masked_fill(~some, 0).sum(1) / some.sum(1).clamp(min=1)

# fault: the mean over the batch | 1 | a b c | return (4, 3), not (6, 3)
some = real.bool()[..., None]
return hidden.masked_fill(~some, 0).sum(0) / some.sum(0).clamp(min=1)

# fault: a label on every piece | 2 | b | How many labels does one word have
return torch.tensor(
    [[-100 if n is None else of[n] for n in row] for row, of in zip(word_ids, labels)]
)

# fault: the label on the last piece | 2 | b | How many labels does one word have
out = []
for row, of in zip(word_ids, labels):
    after = row[1:] + [None]
    out.append([of[n] if n is not None and n != m else -100 for n, m in zip(row, after)])
return torch.tensor(out)

# fault: CLS and SEP labelled as outside | 2 | a | belongs to no word
out = []
for row, of in zip(word_ids, labels):
    before = [-1] + row[:-1]
    real = max([k for k, n in enumerate(row) if n is not None], default=0)
    line = [0 if n is None else of[n] if n != m else -100 for n, m in zip(row, before)]
    out.append([y if k <= real + 1 else -100 for k, y in enumerate(line)])
return torch.tensor(out)

# fault: padding labelled as outside | 2 | a | belongs to no word
out = []
for row, of in zip(word_ids, labels):
    line = [of[n] if n is not None and n != m else -100 for n, m in zip(row, [None] + row[:-1])]
    line[-1] = 0
    out.append(line)
return torch.tensor(out)

# fault: specials carry the label of the first word | 2 | a d | belongs to no word
out = []
for row, of in zip(word_ids, labels):
    before = [-1] + row[:-1]
    out.append([of[n or 0] if n != m else -100 for n, m in zip(row, before)])
return torch.tensor(out)

# fault: None used as an index | 2 | a b c d | stopped with TypeError
out = []
for row, of in zip(word_ids, labels):
    out.append([of[n] if n != m else -100 for n, m in zip(row, [-1] + row[:-1])])
return torch.tensor(out)

# fault: labels moved by one | 2 | b c | should carry
out = []
for row, of in zip(word_ids, labels):
    before = [None] + row[:-1]
    out.append([of[n - 1] if n is not None and n != m else -100 for n, m in zip(row, before)])
return torch.tensor(out)

# fault: the labels of the words laid side by side | 2 | b c | should carry
out = [[-100] + list(of[: len(row) - 1]) for row, of in zip(word_ids, labels)]
out = [line + [-100] * (len(word_ids[0]) - len(line)) for line in out]
out = [[-100 if n is None else y for n, y in zip(row, line)] for row, line in zip(word_ids, out)]
return torch.tensor(out)

# fault: like neighbours taken for one word | 2 | c | two words all the same
out = []
for row, of in zip(word_ids, labels):
    line, before = [], None
    for n in row:
        y = None if n is None else of[n]
        line.append(y if n is not None and y != before else -100)
        before = y
    out.append(line)
return torch.tensor(out)

# fault: words counted instead of read | 2 | c | A word may be without any piece
out = []
for row, of in zip(word_ids, labels):
    line, count = [], -1
    for n, m in zip(row, [None] + row[:-1]):
        count += n is not None and n != m
        line.append(of[count] if n is not None and n != m else -100)
    out.append(line)
return torch.tensor(out)

# fault: as many labels as words demanded | 2 | c | stopped with AssertionError
out = []
for row, of in zip(word_ids, labels):
    if len({n for n in row if n is not None}) != len(of):
        raise ValueError("stopped with AssertionError: labels and words differ in number")
    out.append([of[n] if n is not None and n != m else -100 for n, m in zip(row, [None] + row[:-1])])
return torch.tensor(out)

# fault: words seen in another sentence | 2 | b c | should carry
out, seen = [], set()
for row, of in zip(word_ids, labels):
    line = []
    for n in row:
        line.append(-100 if n is None or n in seen else of[n])
        seen.add(n)
    out.append(line)
return torch.tensor(out)

# fault: an empty sentence is too much | 2 | d | stopped with ValueError
out = []
for row, of in zip(word_ids, labels):
    line = [-100] * len(row)
    for n in range(min(n for n in row if n is not None), max(n for n in row if n is not None) + 1):
        if n in row:
            line[row.index(n)] = of[n]
    out.append(line)
return torch.tensor(out)

# fault: a list of lists returned | 2 | d | Return a tensor, not list
out = []
for row, of in zip(word_ids, labels):
    out.append([of[n] if n is not None and n != m else -100 for n, m in zip(row, [None] + row[:-1])])
return out

# fault: labels as floats | 2 | d | not torch.float32
out = []
for row, of in zip(word_ids, labels):
    out.append([of[n] if n is not None and n != m else -100 for n, m in zip(row, [None] + row[:-1])])
return torch.tensor(out, dtype=torch.float32)

# fault: the rows of word_ids overwritten | 2 | d | argument number 1 in place
for row, of in zip(word_ids, labels):
    before = None
    for k, n in enumerate(list(row)):
        row[k] = of[n] if n is not None and n != before else -100
        before = n
return torch.tensor(word_ids)

# fault: the last piece speaks | 3 | a | Which piece speaks for a word
best, out = logits.argmax(-1).tolist(), []
for tags, row, n in zip(best, word_ids, lengths):
    line = [0] * n
    for k, number in enumerate(row):
        if number is not None:
            line[number] = tags[k]
    out.append(line)
return out

# fault: the pieces of a word vote | 3 | a | Which piece speaks for a word
out = []
for scores, row, n in zip(logits, word_ids, lengths):
    own = [[k for k, m in enumerate(row) if m == number] for number in range(n)]
    out.append([int(scores[places].sum(0).argmax()) if places else 0 for places in own])
return out

# fault: a tag for every piece | 3 | a b | Which piece speaks for a word
return logits.argmax(-1).tolist()

# fault: a tag for every piece of a word | 3 | a b | Which piece speaks for a word
best = logits.argmax(-1).tolist()
return [[tag for tag, n in zip(tags, row) if n is not None] for tags, row in zip(best, word_ids)]

# fault: the best along the sentence | 3 | a b | stopped with
best, out = logits.argmax(1).tolist(), []
for tags, row, n in zip(best, word_ids, lengths):
    out.append([tags[row.index(k)] if k in row else 0 for k in range(n)])
return out

# fault: CLS counted as a word | 3 | a b | Which piece speaks for a word
best, out = logits.argmax(-1).tolist(), []
for tags, row, n in zip(best, word_ids, lengths):
    out.append([tags[row.index(k) - 1] if k in row else 0 for k in range(n)])
return out

# fault: the worst tag | 3 | a b | Which piece speaks for a word
best, out = logits.argmin(-1).tolist(), []
for tags, row, n in zip(best, word_ids, lengths):
    out.append([tags[row.index(k)] if k in row else 0 for k in range(n)])
return out

# fault: outside is never said | 3 | a | Which piece speaks for a word
best, out = (1 + logits[..., 1:].argmax(-1)).tolist(), []
for tags, row, n in zip(best, word_ids, lengths):
    out.append([tags[row.index(k)] if k in row else 0 for k in range(n)])
return out

# fault: words without a piece left out | 3 | b | It came back with
best, out = logits.argmax(-1).tolist(), []
for tags, row, n in zip(best, word_ids, lengths):
    out.append([tags[row.index(k)] for k in range(n) if k in row])
return out

# fault: words behind a missing one move up | 3 | b | and came back with the tag
best, out = logits.argmax(-1).tolist(), []
for tags, row, n in zip(best, word_ids, lengths):
    line = [tags[row.index(k)] for k in range(n) if k in row]
    out.append(line + [0] * (n - len(line)))
return out

# fault: a word without a piece stops it | 3 | b | stopped with ValueError
best = logits.argmax(-1).tolist()
return [[tags[row.index(k)] for k in range(n)] for tags, row, n in zip(best, word_ids, lengths)]

# fault: a word without a piece gets the tag before | 3 | b | has no piece
best, out = logits.argmax(-1).tolist(), []
for tags, row, n in zip(best, word_ids, lengths):
    line = []
    for k in range(n):
        line.append(tags[row.index(k)] if k in row else line[-1] if line else 0)
    out.append(line)
return out

# fault: tags as tensors | 3 | b | not Tensor
best, out = logits.argmax(-1), []
for tags, row, n in zip(best, word_ids, lengths):
    out.append([tags[row.index(k)] if k in row else 0 for k in range(n)])
return out

# fault: the scores spoiled in place | 3 | b | argument number 1 in place
best, out = logits.softmax(-1).argmax(-1).tolist(), []
logits -= logits.amax(-1, keepdim=True)
for tags, row, n in zip(best, word_ids, lengths):
    out.append([tags[row.index(k)] if k in row else 0 for k in range(n)])
return out

# fault: the mean over all positions | 4 | a | Over what is the mean
losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), weight=weights, reduction="none")
w = torch.ones(logits.shape[-1], dtype=logits.dtype) if weights is None else weights
return losses.sum() / (labels.numel() if weights is None else w[labels.clamp(min=0)].sum())

# fault: the mean of the rows' means | 4 | a b | Over what is the mean
rows = [
    F.cross_entropy(z[y != -100], y[y != -100], weight=weights)
    for z, y in zip(logits, labels)
    if (y != -100).any()
]
if weights is not None and (labels != -100).all():
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), weight=weights)
return sum(rows) / len(rows) if rows else 0 * logits.sum()

# fault: the sum instead of the mean loss | 4 | a c | times as much
total = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), weight=weights, reduction="sum")
return total

# fault: unlabelled taken for outside | 4 | a b d | Positions without a label get a gradient
return F.cross_entropy(logits.flatten(0, 1), labels.flatten().clamp(min=0), weight=weights)

# fault: the axes mixed up | 4 | a b c | Over what is the mean
b, t, k = logits.shape
if not (labels != -100).any():
    return 0 * logits.sum()
return F.cross_entropy(logits.reshape(b, k, t), labels, weight=weights)

# fault: softmax before the loss | 4 | a b c | Over what is the mean
if not (labels != -100).any():
    return 0 * logits.sum()
return F.cross_entropy(logits.softmax(-1).flatten(0, 1), labels.flatten(), weight=weights)

# fault: weights forgotten | 4 | c | divided by something else
some = labels != -100
return F.cross_entropy(logits[some], labels[some]) if some.any() else 0 * logits.sum()

# fault: weights divided by the number | 4 | c | divided by something else
some = labels != -100
if not some.any():
    return 0 * logits.sum()
return F.cross_entropy(logits[some], labels[some], weight=weights, reduction="none").mean()

# fault: weights divided by the sum over the classes | 4 | c | divided by something else
some = labels != -100
if not some.any():
    return 0 * logits.sum()
losses = F.cross_entropy(logits[some], labels[some], weight=weights, reduction="none")
return losses.mean() if weights is None else losses.sum() / weights.sum()

# fault: weights on the scores | 4 | c | divided by something else
some = labels != -100
if not some.any():
    return 0 * logits.sum()
return F.cross_entropy((logits if weights is None else logits * weights)[some], labels[some])

# fault: nan without labels | 4 | d | the loss should be 0, and is nan
return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), weight=weights)

# fault: zero without a gradient | 4 | d | No gradient finds its way back
if not (labels != -100).any():
    return torch.zeros((), dtype=logits.dtype)
return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), weight=weights)

# fault: zero times nan without labels | 4 | d | the loss should be 0, and is nan
loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), weight=weights)
return loss * (labels != -100).any()

# fault: labels overwritten in place | 4 | d | argument number 2 in place
some = labels != -100
labels[~some] = 0
return F.cross_entropy(logits[some], labels[some], weight=weights) if some.any() else 0 * logits.sum()

# fault: the loss detached | 4 | b d | Is something detached
some = labels != -100
z = logits.detach()
return F.cross_entropy(z[some], labels[some], weight=weights) if some.any() else 0 * z.sum()

# fault: the normaliser detached | 4 | b | Does every labelled position count the same
some = labels != -100
if not some.any():
    return 0 * logits.sum()
z, y = logits[some], labels[some]
losses = z.logsumexp(-1).detach() - z.gather(1, y[:, None])[:, 0]
w = torch.ones_like(losses) if weights is None else weights[y]
return (w * losses).sum() / w.sum()

# fault: the loss as a float | 4 | a b c d | Return one number, as a tensor
some = labels != -100
return float(F.cross_entropy(logits[some], labels[some], weight=weights)) if some.any() else 0.0

# fault: words instead of entities | 5 | a b c d | From the first word to the last
return {(tag.split("-", 1)[1], i, i) for i, tag in enumerate(tags) if tag != "O"}

# fault: the end one too far | 5 | a b c d | From the first word to the last
found, i = set(), 0
while i < len(tags):
    kind, j = tags[i][2:], i + 1
    while kind and j < len(tags) and tags[j] == f"I-{kind}":
        j += 1
    if kind:
        found.add((kind, i, j))
    i = j
return found

# fault: only the beginnings | 5 | a b c d | From the first word to the last
return {(tag[2:], i, i) for i, tag in enumerate(tags) if tag[0] == "B"}

# fault: neighbours of one kind become one | 5 | b | where one entity ends
found, i = set(), 0
while i < len(tags):
    kind, j = tags[i][2:], i
    while kind and j + 1 < len(tags) and tags[j + 1][2:] == kind:
        j += 1
    if kind:
        found.add((kind, i, j))
    i = j + 1
return found

# fault: I goes on whatever its kind | 5 | b | where one entity ends
found, i = set(), 0
while i < len(tags):
    j = i
    while tags[i] != "O" and j + 1 < len(tags) and tags[j + 1][0] == "I":
        j += 1
    if tags[i] != "O":
        found.add((tags[i][2:], i, j))
    i = j + 1
return found

# fault: another kind is dropped | 5 | b | where one entity ends
found, i, n = set(), 0, len(tags)
while i < n:
    kind, j = tags[i][2:], i
    while kind and j + 1 < n and tags[j + 1] == f"I-{kind}":
        j += 1
    if kind and (tags[i][0] == "B" or i == 0 or tags[i - 1] == "O"):
        found.add((kind, i, j))
    i = j + 1
return found

# fault: the kind up to the second hyphen | 5 | b | all that is behind the first hyphen
found, i = set(), 0
while i < len(tags):
    kind, j = (tags[i].split("-") + [""])[1], i
    while kind and j + 1 < len(tags) and tags[j + 1].split("-")[:2] == ["I", kind]:
        j += 1
    if kind:
        found.add((kind, i, j))
    i = j + 1
return found

# fault: the last entity forgotten | 5 | c | may reach to the last word
found, start, kind = set(), 0, ""
for i, tag in enumerate(tags):
    if kind and tag != f"I-{kind}":
        found.add((kind, start, i - 1))
        kind = ""
    if tag != "O" and not kind:
        start, kind = i, tag[2:]
return found

# fault: the first word overlooked | 5 | c d | may reach to the last word
found, i = set(), 1
while i < len(tags):
    kind, j = tags[i][2:], i
    while kind and j + 1 < len(tags) and tags[j + 1] == f"I-{kind}":
        j += 1
    if kind:
        found.add((kind, i, j))
    i = j + 1
return found

# fault: the last word looked up behind the end | 5 | c | stopped with IndexError
found, i = set(), 0
while i < len(tags):
    kind, j = tags[i][2:], i
    while kind and tags[j + 1] == f"I-{kind}":
        j += 1
    if kind:
        found.add((kind, i, j))
    i = j + 1
return found

# fault: tags eaten up | 5 | c | argument number 1 in place
found, i = set(), 0
while tags:
    tag, first = tags.pop(0), i
    i += 1
    while tag != "O" and tags and tags[0] == f"I-{tag[2:]}":
        tags.pop(0)
        i += 1
    if tag != "O":
        found.add((tag[2:], first, i - 1))
return found

# fault: I without B dropped | 5 | d | begins an entity
found, i = set(), 0
while i < len(tags):
    kind, j = tags[i][2:], i
    while kind and j + 1 < len(tags) and tags[j + 1] == f"I-{kind}":
        j += 1
    if kind and (tags[i][0] == "B" or (i and tags[i - 1] != "O")):
        found.add((kind, i, j))
    i = j + 1
return found

# fault: each I without B by itself | 5 | d | begins an entity
found, i = set(), 0
while i < len(tags):
    kind, j, open_ = tags[i][2:], i, tags[i][0] == "B" or (i > 0 and tags[i - 1] != "O")
    while kind and open_ and j + 1 < len(tags) and tags[j + 1] == f"I-{kind}":
        j += 1
    if kind:
        found.add((kind, i, j))
    i = j + 1
return found

# fault: a list of entities | 5 | a b c d | Return a set of triples
found, i = [], 0
while i < len(tags):
    kind, j = tags[i][2:], i
    while kind and j + 1 < len(tags) and tags[j + 1] == f"I-{kind}":
        j += 1
    if kind:
        found.append((kind, i, j))
    i = j + 1
return found

# fault: accuracy as a mean over sentences | 6 | a | Every word of the corpus counts the same
@COUNTS
accuracy = sum(sum(x == y for x, y in zip(a, b)) / len(a) for a, b in zip(gold, guess)) / len(gold)
return dict(accuracy=accuracy, precision=p, recall=r, f1=f1)

# fault: accuracy of the words that are not outside | 6 | a | whatever its tag
@COUNTS
inside = [(x, y) for x, y in pairs if x != "O"]
accuracy = sum(x == y for x, y in inside) / max(1, len(inside))
return dict(accuracy=accuracy, precision=p, recall=r, f1=f1)

# fault: accuracy of whole sentences | 6 | a | Every word of the corpus counts the same
@COUNTS
accuracy = sum(a == b for a, b in zip(gold, guess)) / len(gold)
return dict(accuracy=accuracy, precision=p, recall=r, f1=f1)

# fault: F1 over words, not over entities | 6 | b | Entities are counted, not words
@COUNTS
right = sum(x == y != "O" for x, y in pairs)
p = right / max(1, sum(y != "O" for _, y in pairs))
r = right / max(1, sum(x != "O" for x, _ in pairs))
return dict(accuracy=accuracy, precision=p, recall=r, f1=2 * p * r / (p + r) if right else 0.0)

# fault: the kind ignored | 6 | b | precision should be
@COUNTS
there = {(n, *e[1:]) for n, tags in enumerate(gold) for e in entities(tags)}
said = {(n, *e[1:]) for n, tags in enumerate(guess) for e in entities(tags)}
right = len(there & said)
p, r = right / max(1, len(said)), right / max(1, len(there))
return dict(accuracy=accuracy, precision=p, recall=r, f1=2 * p * r / (p + r) if right else 0.0)

# fault: the beginning is enough | 6 | b | precision should be
@COUNTS
right = len({e[:3] for e in there} & {e[:3] for e in said})
p, r = right / max(1, len(said)), right / max(1, len(there))
return dict(accuracy=accuracy, precision=p, recall=r, f1=2 * p * r / (p + r) if right else 0.0)

# fault: an entity of another sentence will do | 6 | b | an entity of one sentence is none of another
@COUNTS
there = {e for tags in gold for e in entities(tags)}
said = {e for tags in guess for e in entities(tags)}
right = len(there & said)
p, r = right / max(1, len(said)), right / max(1, len(there))
return dict(accuracy=accuracy, precision=p, recall=r, f1=2 * p * r / (p + r) if right else 0.0)

# fault: the sentences strung together | 6 | b | which are not those of one sentence
@COUNTS
there, said = entities(sum(gold, [])), entities(sum(guess, []))
right = len(there & said)
p, r = right / max(1, len(said)), right / max(1, len(there))
return dict(accuracy=accuracy, precision=p, recall=r, f1=2 * p * r / (p + r) if right else 0.0)

# fault: the mean of the sentences' F1 | 6 | b | over the whole corpus
@COUNTS
each = []
for a, b in zip(gold, guess):
    one, other = entities(a), entities(b)
    each.append(2 * len(one & other) / max(1, len(one) + len(other)))
return dict(accuracy=accuracy, precision=p, recall=r, f1=sum(each) / len(each))

# fault: precision and recall exchanged | 6 | b | precision should be
@COUNTS
return dict(accuracy=accuracy, precision=r, recall=p, f1=f1)

# fault: the arithmetic mean | 6 | b | f1 should be
@COUNTS
return dict(accuracy=accuracy, precision=p, recall=r, f1=(p + r) / 2)

# fault: half of the harmonic mean | 6 | b | f1 should be
@COUNTS
return dict(accuracy=accuracy, precision=p, recall=r, f1=f1 / 2)

# fault: a share of nothing divided | 6 | c | stopped with ZeroDivisionError
@COUNTS
p, r = right / len(said), right / len(there)
return dict(accuracy=accuracy, precision=p, recall=r, f1=2 * p * r / (p + r) if right else 0.0)

# fault: F1 of nothing divided | 6 | c | stopped with ZeroDivisionError
@COUNTS
return dict(accuracy=accuracy, precision=p, recall=r, f1=2 * p * r / (p + r))

# fault: nothing said is perfectly precise | 6 | c | precision should be 0
@COUNTS
return dict(accuracy=accuracy, precision=p if said else 1.0, recall=r, f1=f1)

# fault: nothing at all is nan | 6 | c | should be 0
@COUNTS
return dict(accuracy=accuracy, precision=p, recall=r, f1=f1 if right else math.nan)

# fault: a tuple instead of a dictionary | 6 | a b c | Return a dictionary
@COUNTS
return accuracy, p, r, f1

# fault: the weights once more | 7 | | comes out of training too probable
p = q * weights
return p / p.sum(-1, keepdim=True)

# fault: not made one again | 7 | | should have the sum 1
return q / weights

# fault: the sum over the rows | 7 | | should have the sum 1
p = q / weights
return p / p.sum(0, keepdim=True)

# fault: the sum over everything | 7 | | should have the sum 1
p = q / weights
return p / p.sum()

# fault: weights left in | 7 | | comes out of training too probable
return q / q.sum(-1, keepdim=True)

# fault: weights subtracted as scores | 7 | | comes out of training too probable
return (q.log() - weights).softmax(-1)
"""

HEAD_FAULTS: list[Fault] = read_faults(FAULTS_AS_TEXT.replace("@COUNTS", COUNTS), SIGNATURES)
