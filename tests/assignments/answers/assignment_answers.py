"""Answers to the assignment *Masking*.

Two more correct ones, written in other ways, and planted faults with what they lose.
"""

from __future__ import annotations

from assignment_judge import Fault

BERNOULLI = {
    "ex1": """
def find_candidates(input_ids, special_mask):
    return torch.isin(input_ids, special_mask.nonzero().flatten(), invert=True)
""",
    "ex2": """
def choose_tokens(candidates, rate, generator):
    return torch.bernoulli(candidates.float() * rate, generator=generator).bool()
""",
    "ex3": """
def make_labels(input_ids, chosen):
    labels = torch.full_like(input_ids, -100)
    labels[chosen] = input_ids[chosen]
    return labels
""",
    "ex4": """
def coin(like, p, generator):
    return torch.bernoulli(torch.full(like.shape, p), generator=generator).bool()

def corrupt(input_ids, chosen, mask_id, special_mask, generator):
    result = input_ids.clone()
    masked = chosen & coin(chosen, 0.8, generator)
    other = chosen & ~masked & coin(chosen, 0.5, generator)
    result[masked] = mask_id
    ordinary = torch.arange(len(special_mask))[~special_mask]
    result[other] = ordinary[torch.randint(0, ordinary.numel(), (int(other.sum()),), generator=generator)]
    return result
""",
    "ex5": """
def choose_words(starts, candidates, rate, generator):
    heads = starts.clone()
    heads[:, 0] = True
    word = heads.flatten().cumsum(0) - 1
    taken = torch.bernoulli(torch.full((int(heads.sum()),), float(rate)), generator=generator).bool()
    return taken[word].view_as(starts) & candidates
""",
    "ex6": """
def ensure_target(chosen, candidates, generator):
    result = chosen.clone()
    need = candidates.any(1) & ~chosen.any(1)
    if need.any():
        column = torch.multinomial(candidates[need].float(), 1, generator=generator)
        result[need] = torch.zeros_like(result[need]).scatter(1, column, True)
    return result
""",
    "ex7": """
def count_targets(n, rate):
    p = [math.comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(n + 1)]
    mean = sum(w * max(k, 1) for k, w in enumerate(p))
    return mean, math.sqrt(sum(w * (max(k, 1) - mean) ** 2 for k, w in enumerate(p)))
""",
}

LOOPS = {
    "ex1": """
def find_candidates(input_ids, special_mask):
    special = special_mask.tolist()
    return torch.tensor([[not special[i] for i in row] for row in input_ids.tolist()])
""",
    "ex2": """
def choose_tokens(candidates, rate, generator):
    result = torch.zeros_like(candidates)
    for i, row in enumerate(candidates):
        draws = torch.rand(len(row), generator=generator).tolist()
        for j, may in enumerate(row.tolist()):
            if may and draws[j] < rate:
                result[i, j] = True
    return result
""",
    "ex3": """
def make_labels(input_ids, chosen):
    pairs = zip(input_ids.tolist(), chosen.tolist())
    return torch.tensor([[i if take else -100 for i, take in zip(*rows)] for rows in pairs])
""",
    "ex4": """
def corrupt(input_ids, chosen, mask_id, special_mask, generator):
    ordinary = [i for i, special in enumerate(special_mask.tolist()) if not special]
    rows = []
    for ids, takes in zip(input_ids.tolist(), chosen.tolist()):
        fates = torch.rand(len(ids), generator=generator).tolist()
        for j, take in enumerate(takes):
            if take and fates[j] < 0.1:
                ids[j] = ordinary[int(torch.randint(len(ordinary), (), generator=generator))]
            elif take and fates[j] < 0.9:
                ids[j] = mask_id
        rows.append(ids)
    return torch.tensor(rows)
""",
    "ex5": """
def choose_words(starts, candidates, rate, generator):
    rows = []
    for begins, may in zip(starts.tolist(), candidates.tolist()):
        draws, row, take = torch.rand(len(begins), generator=generator).tolist(), [], False
        for j, begin in enumerate(begins):
            if begin or j == 0:
                take = draws[j] < rate
            row.append(take and may[j])
        rows.append(row)
    return torch.tensor(rows)
""",
    "ex6": """
def ensure_target(chosen, candidates, generator):
    result = chosen.clone()
    for i in range(len(chosen)):
        places = [j for j, may in enumerate(candidates[i].tolist()) if may]
        if places and not chosen[i].any():
            result[i, places[int(torch.randint(len(places), (1,), generator=generator))]] = True
    return result
""",
    "ex7": """
def count_targets(n, rate):
    none = (1 - rate) ** n
    square = n * rate * (1 - rate) + (n * rate) ** 2 + none
    mean = n * rate + none
    return mean, abs(square - mean**2) ** 0.5
""",
}


def _fault(name: str, cell: str, fails: str, source: str) -> Fault:
    return Fault(name, cell, frozenset(f"test-{test}" for test in fails.split()), source)


CORRUPT = "def corrupt(input_ids, chosen, mask_id, special_mask, generator):\n    "
WORDS = "def choose_words(starts, candidates, rate, generator):\n    "
TARGET = "def ensure_target(chosen, candidates, generator):\n    "
TOKENS = "def choose_tokens(candidates, rate, generator):\n    "

FAULTS = [
    _fault(
        "padding is masked",
        "ex1",
        "1",
        """
def find_candidates(input_ids, special_mask):
    return special_mask.new_tensor([i not in (1, 2, 3, 4) for i in range(len(special_mask))])[input_ids]
""",
    ),
    _fault(
        "[CLS] and [SEP] are masked",
        "ex1",
        "1",
        """
def find_candidates(input_ids, special_mask):
    return input_ids != 0
""",
    ),
    _fault(
        "hard-coded special ids",
        "ex1",
        "1",
        """
def find_candidates(input_ids, special_mask):
    return input_ids > 4
""",
    ),
    _fault(
        "indices with replacement",
        "ex2",
        "2a 2b",
        """
def choose_tokens(candidates, rate, generator):
    chosen = torch.zeros_like(candidates)
    for i, row in enumerate(candidates):
        places = row.nonzero().squeeze(1)
        if len(places):
            draws = torch.randint(len(places), (round(rate * len(places)),), generator=generator)
            chosen[i, places[draws]] = True
    return chosen
""",
    ),
    _fault(
        "indices over the sequence length",
        "ex2",
        "2a",
        TOKENS
        + """
    return torch.rand(candidates.shape, generator=generator) < rate
""",
    ),
    _fault(
        "rate per row instead of per token",
        "ex2",
        "2a 2b",
        TOKENS
        + """
    return (torch.rand(len(candidates), 1, generator=generator) < rate) & candidates
""",
    ),
    _fault(
        "the same number in each row",
        "ex2",
        "2a 2b",
        TOKENS
        + """
    score = torch.rand(candidates.shape, generator=generator).masked_fill(~candidates, 2.0)
    return score.argsort(1).argsort(1) < (candidates.sum(1, keepdim=True) * rate).round()
""",
    ),
    _fault(
        "generator ignored",
        "ex2",
        "2c",
        TOKENS
        + """
    return (torch.rand(candidates.shape) < rate) & candidates
""",
    ),
    _fault(
        "seeded inside",
        "ex2",
        "2c",
        TOKENS
        + """
    return (torch.rand(candidates.shape, generator=generator.manual_seed(42)) < rate) & candidates
""",
    ),
    _fault(
        "candidates changed in place",
        "ex2",
        "2c",
        TOKENS
        + """
    candidates &= torch.rand(candidates.shape, generator=generator) < rate
    return candidates
""",
    ),
    _fault(
        "labels kept everywhere",
        "ex3",
        "3",
        """
def make_labels(input_ids, chosen):
    return input_ids.clone()
""",
    ),
    _fault(
        "labels 0 instead of -100",
        "ex3",
        "3",
        """
def make_labels(input_ids, chosen):
    return input_ids * chosen
""",
    ),
    _fault(
        "labels overwrite the input",
        "ex3",
        "3",
        """
def make_labels(input_ids, chosen):
    input_ids[~chosen] = -100
    return input_ids
""",
    ),
    _fault(
        "special ids as random replacements",
        "ex4",
        "4b",
        CORRUPT
        + """
    fate = torch.rand(input_ids.shape, generator=generator)
    other = torch.randint(len(special_mask), input_ids.shape, generator=generator)
    result = torch.where(chosen & (fate < 0.8), mask_id, input_ids)
    return torch.where(chosen & (fate >= 0.9), other, result)
""",
    ),
    _fault(
        "hard-coded vocabulary size",
        "ex4",
        "4b",
        CORRUPT
        + """
    fate = torch.rand(input_ids.shape, generator=generator)
    other = torch.randint(5, 72, input_ids.shape, generator=generator)
    result = torch.where(chosen & (fate < 0.8), mask_id, input_ids)
    return torch.where(chosen & (fate >= 0.9), other, result)
""",
    ),
    _fault(
        "10 % of what the first draw left",
        "ex4",
        "4a",
        CORRUPT
        + """
    ordinary = (~special_mask).nonzero().squeeze(1)
    masked = chosen & (torch.rand(input_ids.shape, generator=generator) < 0.8)
    other = chosen & ~masked & (torch.rand(input_ids.shape, generator=generator) < 0.1)
    random_ids = ordinary[torch.randint(len(ordinary), input_ids.shape, generator=generator)]
    return torch.where(other, random_ids, torch.where(masked, mask_id, input_ids))
""",
    ),
    _fault(
        "always [MASK]",
        "ex4",
        "4a 4b 4c",
        CORRUPT
        + """
    return torch.where(chosen, mask_id, input_ids)
""",
    ),
    _fault(
        "one fate for a row",
        "ex4",
        "4a",
        CORRUPT
        + """
    ordinary = (~special_mask).nonzero().squeeze(1)
    fate = torch.rand(len(input_ids), 1, generator=generator)
    random_ids = ordinary[torch.randint(len(ordinary), input_ids.shape, generator=generator)]
    result = torch.where(chosen & (fate < 0.8), mask_id, input_ids)
    return torch.where(chosen & (fate >= 0.9), random_ids, result)
""",
    ),
    _fault(
        "input changed in place",
        "ex4",
        "4d",
        CORRUPT
        + """
    ordinary = (~special_mask).nonzero().squeeze(1)
    fate = torch.rand(input_ids.shape, generator=generator)
    random_ids = ordinary[torch.randint(len(ordinary), input_ids.shape, generator=generator)]
    input_ids[chosen & (fate < 0.8)] = mask_id
    other = chosen & (fate >= 0.9)
    input_ids[other] = random_ids[other]
    return input_ids
""",
    ),
    _fault(
        "replacements not seeded",
        "ex4",
        "4c",
        CORRUPT
        + """
    ordinary = (~special_mask).nonzero().squeeze(1)
    fate = torch.rand(input_ids.shape, generator=generator)
    random_ids = ordinary[torch.randint(len(ordinary), input_ids.shape)]
    result = torch.where(chosen & (fate < 0.8), mask_id, input_ids)
    return torch.where(chosen & (fate >= 0.9), random_ids, result)
""",
    ),
    _fault(
        "whole words split",
        "ex5",
        "5a",
        WORDS
        + """
    return (torch.rand(starts.shape, generator=generator) < rate) & candidates
""",
    ),
    _fault(
        "first pieces only",
        "ex5",
        "5a",
        WORDS
        + """
    return (torch.rand(starts.shape, generator=generator) < rate) & candidates & starts
""",
    ),
    _fault(
        "a word if any of its pieces",
        "ex5",
        "5a",
        WORDS
        + """
    word = starts.long().cumsum(1)
    hit = (torch.rand(starts.shape, generator=generator) < rate).long()
    words = torch.zeros(len(starts), starts.shape[1] + 1, dtype=torch.long).scatter_add(1, word, hit)
    return (words.gather(1, word) > 0) & candidates
""",
    ),
    _fault(
        "words across rows",
        "ex5",
        "5a",
        WORDS
        + """
    word = starts.flatten().long().cumsum(0)
    draw = torch.rand(int(word[-1]) + 1, generator=generator)
    return (draw[word] < rate).view_as(starts) & candidates
""",
    ),
    _fault(
        "words not seeded",
        "ex5",
        "5b",
        WORDS
        + """
    draw = torch.rand(starts.shape[0], starts.shape[1] + 1)
    return (draw.gather(1, starts.long().cumsum(1)) < rate) & candidates
""",
    ),
    _fault("a loop over words", "ex5", "5c", LOOPS["ex5"]),
    _fault(
        "a loop over rows",
        "ex5",
        "5c",
        WORDS
        + """
    words, draws = starts.long().cumsum(1), torch.rand(len(starts), starts.shape[1] + 1, generator=generator)
    return torch.stack([draw[word] < rate for draw, word in zip(draws, words)]) & candidates
""",
    ),
    _fault(
        "a row left without target",
        "ex6",
        "6a 6b",
        TARGET
        + """
    return chosen.clone()
""",
    ),
    _fault(
        "always the first candidate",
        "ex6",
        "6b",
        TARGET
        + """
    result, need = chosen.clone(), candidates.any(1) & ~chosen.any(1)
    result[need, candidates.long().argmax(1)[need]] = True
    return result
""",
    ),
    _fault(
        "a target for rows of special tokens only",
        "ex6",
        "6a",
        TARGET
        + """
    score = torch.rand(chosen.shape, generator=generator).masked_fill(~candidates, -1.0)
    result, need = chosen.clone(), ~chosen.any(1)
    result[need, score.argmax(1)[need]] = True
    return result
""",
    ),
    _fault(
        "the added target forgotten",
        "ex7",
        "7",
        """
def count_targets(n, rate):
    return n * rate, math.sqrt(n * rate * (1 - rate))
""",
    ),
    _fault(
        "the covariance forgotten",
        "ex7",
        "7",
        """
def count_targets(n, rate):
    none = (1 - rate) ** n
    return n * rate + none, math.sqrt(n * rate * (1 - rate) + none * (1 - none))
""",
    ),
]
