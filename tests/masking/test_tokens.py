"""Masking, property by property, as k-sigma tests with fixed seeds; then against planted faults.

Every check takes the function under test as its argument, so that the last test can run it on
faulty ones.
"""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from course_lib.batch import IGNORE
from course_lib.masking import MaskPolicy, mask_tokens, span_law
from course_lib.masking import tokens as tokens_file

K = 5.0  # a right function leaves five standard errors once in 1.7 million checks
PAD, CLS, SEP, MASK, V = 0, 2, 3, 4, 60
SPECIAL = torch.zeros(V, dtype=torch.bool)
# also in the middle and at the end: their ranks must be stepped over
SPECIAL[[0, 1, 2, 3, 4, 37, 59]] = True
ORDINARY = (~SPECIAL).nonzero().flatten()
STARTS = SPECIAL | (torch.arange(V) % 3 != 0)  # every third id continues a word
ONE_PIECE = ORDINARY[STARTS[ORDINARY]]
ALL_MASK = {"mask": 1.0, "random": 0.0, "keep": 0.0}


def masked(fn, ids, policy, seed=0):
    """``fn`` as the course calls it."""
    tables = dict(special_mask=SPECIAL, word_start_mask=STARTS)
    generator = torch.Generator().manual_seed(seed)
    return fn(ids, policy, mask_id=MASK, vocab_size=V, **tables, generator=generator)


def rows(b, n, *, padding=3, among=ORDINARY, seed=1):
    """b rows of [CLS], n ordinary tokens, [SEP], padding."""
    body = among[torch.randint(len(among), (b, n), generator=torch.Generator().manual_seed(seed))]
    first, last = torch.full((b, 1), CLS), torch.full((b, 1), SEP)
    return torch.cat([first, body, last, torch.full((b, padding), PAD)], 1)


def within(observed, expected, error, what):
    """The k-sigma test: is the observed value within K standard errors of the expected one?"""
    z = (observed - expected) / error
    assert abs(z) < K, (
        f"{what}: observed {observed:.5f}, expected {expected:.5f}, {z:+.1f} standard errors"
    )


def within_mean(values, expected, what):
    """The same for the mean of independent values, whose spread is estimated from them."""
    values = values.double()
    error = max(values.std().item(), 1e-9) / math.sqrt(len(values))
    within(values.mean().item(), expected, error, what)


def share_of_empty(policy, n):
    """The probability that nothing is taken from n groups."""
    if policy.unit == "span":
        return (1 - policy.rate) * (1 - span_law(policy)[0]) ** (n - 1)
    return (1 - policy.rate) ** n


def check_rate(fn, unit="token"):
    for rate, n in [(0.15, 1), (0.15, 3), (0.15, 40), (0.4, 12), (1.0, 5)]:
        policy = MaskPolicy(rate=rate, unit=unit)
        taken = masked(fn, rows(20_000, n, among=ONE_PIECE), policy).labels != IGNORE
        expected = rate + share_of_empty(policy, n) / n
        within_mean(taken.sum(1) / n, expected, f"rate {rate} in rows of {n}")
        for i in {0, n // 2, n - 1}:
            within_mean(taken[:, 1 + i], expected, f"rate {rate} at place {i} of {n}")


def check_shares(fn):
    ids = rows(5_000, 30)
    for shares in [
        (0.8, 0.1, 0.1),
        (0.5, 0.3, 0.2),
        (0.0, 1.0, 0.0),
        (0.0, 0.0, 1.0),
        (1.0, 0.0, 0.0),
    ]:
        result = masked(fn, ids, MaskPolicy(0.15, *shares))
        at = result.labels != IGNORE
        seen, right = result.input_ids[at], ids[at]
        hit = shares[1] / len(ORDINARY)  # a random token may be the right one
        within_mean(seen == MASK, shares[0], f"[MASK] under {shares}")
        within_mean(seen == right, shares[2] + hit, f"kept under {shares}")
        within_mean((seen != MASK) & (seen != right), shares[1] - hit, f"random under {shares}")


def check_random_ids(fn):
    ids = rows(2_000, 100)
    result = masked(fn, ids, MaskPolicy(1.0, mask=0.0, random=1.0, keep=0.0))
    drawn = result.input_ids[result.labels != IGNORE]
    counts = torch.bincount(drawn, minlength=V).double()
    assert counts[SPECIAL].sum() == 0, "a special id was put in at random"
    expected = len(drawn) / len(ORDINARY)
    chi2 = ((counts[ORDINARY] - expected) ** 2 / expected).sum().item()
    freedom = len(ORDINARY) - 1
    within(chi2, freedom, math.sqrt(2 * freedom), "chi-square of the random ids")


def check_specials(fn):
    ids = rows(500, 6, padding=9)
    for unit in ("token", "word", "span"):
        result = masked(fn, ids, MaskPolicy(0.7, unit=unit))
        special = SPECIAL[ids]
        assert (result.labels[special] == IGNORE).all(), "a special token is predicted"
        assert (result.input_ids[special] == ids[special]).all(), "a special token is changed"


def check_labels(fn):
    ids = rows(500, 20)
    result = masked(fn, ids, MaskPolicy(0.3))
    at = result.labels != IGNORE
    right = (result.labels[at] == ids[at]).all()
    assert not at.all(1).any() and right, "a label is not the original token"
    assert (result.input_ids[~at] == ids[~at]).all(), "a token without a label is changed"


def check_target_in_every_row(fn):
    for unit in ("token", "word", "span"):
        for n in (1, 2, 5):
            result = masked(fn, rows(2_000, n), MaskPolicy(0.02, unit=unit))
            assert (result.labels != IGNORE).any(1).all(), f"a row of {n} has no target ({unit})"
    first = masked(fn, rows(8_000, 4, among=ONE_PIECE), MaskPolicy(1e-6)).labels[:, 1] != IGNORE
    within_mean(first, 0.25, "the place that a row without a draw gives up")


def check_purity(fn):
    ids = rows(50, 20)
    before, state = ids.clone(), torch.random.get_rng_state()
    for unit in ("token", "word", "span"):
        one, same, other = (masked(fn, ids, MaskPolicy(0.3, unit=unit), seed) for seed in (7, 7, 8))
        assert torch.equal(ids, before), "the input was changed in place"
        assert torch.equal(state, torch.random.get_rng_state()), "the global generator was used"
        assert torch.equal(one.input_ids, same.input_ids), "not repeatable"
        assert torch.equal(one.labels, same.labels), "not repeatable"
        assert not torch.equal(one.labels, other.labels), "the seed changes nothing"


def check_independence(fn):
    rate, n = 0.25, 60  # 0.75^60: no row is empty
    labels = masked(fn, rows(6_000, n, padding=0), MaskPolicy(rate)).labels
    taken = (labels != IGNORE)[:, 1:-1].double()
    for i, j in [(0, 1), (10, 11), (3, 40), (58, 59)]:
        within_mean(taken[:, i] * taken[:, j], rate**2, f"places {i} and {j} together")
    within_mean(taken[:-1, 5] * taken[1:, 5], rate**2, "the same place of two rows together")
    excess = (taken.sum(1) - n * rate) ** 2
    within_mean(excess, n * rate * (1 - rate), "variance of the number of targets")


def check_whole_words(fn):
    ids = rows(3_000, 40)
    result = masked(fn, ids, MaskPolicy(0.15, unit="word"))
    taken = result.labels != IGNORE
    inside = ~STARTS[ids]
    inside[:, 1] = False  # a piece right after [CLS] has no word before it
    halves = (taken != taken.roll(1, 1)) & inside
    assert not halves.any(), f"{int(halves.sum())} words are taken in part"
    within_mean(taken[:, 1:41].double().mean(1), 0.15, "rate of pieces under whole words")
    starts = STARTS[ids][:, 10] & STARTS[ids][:, 11]
    pair = taken[starts][:, 10] & taken[starts][:, 11]
    within_mean(pair, 0.15**2, "two neighbouring words together")
    pieces = inside & taken & inside.roll(-1, 1)  # two continuation pieces of one word, both taken
    hidden = result.input_ids == MASK
    both = (hidden & hidden.roll(-1, 1))[pieces]
    within_mean(both, 0.64, "both pieces hidden: each by its own draw")


def run_lengths(policy, most):
    """P(a run of taken words is k long), k = 1 .. most-1, and P(most or longer).

    From the chain of remaining reach.
    """
    q, survival = span_law(policy)
    m = policy.max_span
    falls = [a - b for a, b in zip(survival, (*survival[1:], 0.0), strict=True)]
    fresh = torch.tensor([1 - q] + [q * fall for fall in falls]).double()
    step = torch.zeros(m + 1, m + 1, dtype=torch.float64)
    for old in range(m + 1):
        for new in range(m + 1):
            step[old, max(old - 1, new)] += fresh[new]
    state = torch.cat([torch.zeros(1), fresh[1:] / q]).double()  # the first word of a run
    law = []
    for _ in range(most - 1):
        after = state @ step
        law.append(after[0].item())
        state = torch.cat([torch.zeros(1).double(), after[1:]])
    return [*law, 1 - sum(law)]


def check_spans(fn):
    n, most = 200, 16
    ids = rows(4_000, n, among=ONE_PIECE, padding=0)
    for policy in (
        MaskPolicy(0.15, unit="span"),
        MaskPolicy(0.3, unit="span", mean_span=2.0, max_span=4),
    ):
        taken = (masked(fn, ids, policy).labels != IGNORE)[:, 1:-1]
        for place in (0, 1, 2, 5, 100, 198, 199):
            within_mean(taken[:, place], policy.rate, f"coverage at word {place}")
        across = taken[:-1, -1] & taken[1:, 0]
        within_mean(across, policy.rate**2, "the end of a row and the start of the next together")
        begins = taken[:, 1:100] & ~taken[:, :99]  # far from the right edge: no run is cut off
        row, start = begins.nonzero(as_tuple=True)
        free = ~taken[row[:, None], (start + 1)[:, None] + torch.arange(90)]
        length = free.int().argmax(1)
        for k, p in enumerate(run_lengths(policy, most), start=1):
            seen = (length == k) if k < most else (length >= most)
            error = math.sqrt(p * (1 - p) / len(length))
            within(seen.double().mean().item(), p, error, f"runs of {k}")


CHECKS = {
    "rate": check_rate,
    "rate of words": partial(check_rate, unit="word"),
    "rate of spans": partial(check_rate, unit="span"),
    "shares": check_shares,
    "random ids": check_random_ids,
    "specials": check_specials,
    "labels": check_labels,
    "targets": check_target_in_every_row,
    "purity": check_purity,
    "independence": check_independence,
    "words": check_whole_words,
    "spans": check_spans,
}


@pytest.mark.parametrize("name", CHECKS)
def test_property(name):
    CHECKS[name](mask_tokens)


def test_row_of_specials_only_has_no_target():
    ids = torch.tensor([[CLS, SEP, PAD, PAD], [CLS, 50, SEP, PAD]])
    for unit in ("token", "word", "span"):
        labels = masked(mask_tokens, ids, MaskPolicy(unit=unit)).labels
        assert (labels[0] == IGNORE).all() and labels[1].tolist() == [IGNORE, 50, IGNORE, IGNORE]


def test_spans_reach_the_last_word():
    # neither [CLS] nor [SEP]: the last word ends the row
    bare = ONE_PIECE[torch.arange(8) % 7].expand(2_000, 8)
    taken = masked(mask_tokens, bare, MaskPolicy(0.5, unit="span")).labels != IGNORE
    expected = 0.5 + share_of_empty(MaskPolicy(0.5, unit="span"), 8) / 8
    for place in (0, 7):
        within_mean(taken[:, place], expected, f"coverage at word {place} of a bare row")
    alone = [
        masked(mask_tokens, bare[:1], MaskPolicy(0.5, unit="span"), seed).labels[0, -1]
        for seed in range(2_000)
    ]
    within_mean(torch.stack(alone) != IGNORE, expected, "the last word of the last row")


@pytest.mark.parametrize("width", [1, 2, 7])
@pytest.mark.parametrize("longest", [1, 2, 6])
def test_a_span_ends_with_its_row(monkeypatch, width, longest):
    """The longest span, begun at a row's last word, takes none of the next row; and one begun as
    far before a row as can be takes its first word only.
    """
    policy = MaskPolicy(0.3, unit="span", mean_span=(longest + 1) / 2, max_span=longest)
    ids = ONE_PIECE[:1].expand(3, width)
    places = tokens_file._places

    def covered(begin):
        """Which words are taken if the longest span begins at the places that ``begin`` chooses."""
        found = []

        def draws(shape, generator):
            place = found[0].view(ids.shape)
            return torch.ones(shape).index_fill_(0, torch.tensor(begin(place)), 0.0)

        monkeypatch.setattr(tokens_file, "_uniform", draws)
        monkeypatch.setattr(tokens_file, "_places", lambda *a: found.append(places(*a)) or found[0])
        tables = (SPECIAL, STARTS, None)
        score, _ = tokens_file._group_scores(ids, policy, tables, torch.Generator())
        return (score == 0).int().tolist()

    none, first, last = [0] * width, [1, *[0] * (width - 1)], [*[0] * (width - 1), 1]
    assert covered(lambda place: [int(place[0, -1]), int(place[2, -1])]) == [last, none, last]
    assert covered(lambda place: [int(place[1, 0]) - longest + 1]) == [none, first, none]


def test_edges():
    one = masked(mask_tokens, torch.tensor([[50]]), MaskPolicy(**ALL_MASK))
    assert one.input_ids.tolist() == [[MASK]] and one.labels.tolist() == [[50]]
    strided = rows(20, 7, padding=0).t()  # not contiguous
    both = (masked(mask_tokens, x, MaskPolicy()) for x in (strided, strided.contiguous()))
    assert torch.equal(*(found.labels for found in both))
    # 51 continues a word; the row is a cut of a longer text
    begins_inside = torch.tensor([[51, 51, 50, SEP]])
    for seed in range(20):
        labels = masked(mask_tokens, begins_inside, MaskPolicy(0.5, unit="word"), seed).labels[0]
        assert (labels[0] == IGNORE) == (labels[1] == IGNORE)


@pytest.mark.parametrize("unit", ["word", "span"])
def test_padding_and_special_tokens_are_no_words(unit):
    """One draw a word: neither padding nor a special token changes what happens to the words."""
    ids, policy = rows(40, 30), MaskPolicy(0.3, unit=unit)
    wider = torch.nn.functional.pad(ids, (0, 9), value=PAD)
    one, same = masked(mask_tokens, ids, policy), masked(mask_tokens, wider, policy)
    assert torch.equal(one.labels, same.labels[:, :-9])
    assert torch.equal(one.input_ids, same.input_ids[:, :-9])
    whole = rows(40, 30, among=ONE_PIECE)
    parted = torch.cat([whole[:, :12], torch.full((40, 1), SEP), whole[:, 12:]], 1)
    one, two = (masked(mask_tokens, x, policy).labels for x in (whole, parted))
    assert torch.equal(one, torch.cat([two[:, :12], two[:, 13:]], 1))
    assert (two[:, 12] == IGNORE).all()


def test_a_word_ends_at_a_special_token():
    """[SEP] and then a piece that continues a word: another document's, cut in the middle."""
    ids = torch.tensor([CLS, 50, SEP, 51, 51, SEP]).expand(4_000, 6)
    taken = masked(mask_tokens, ids, MaskPolicy(0.5, unit="word")).labels != IGNORE
    assert torch.equal(taken[:, 3], taken[:, 4])
    within_mean(taken[:, 1] & taken[:, 3], 0.25, "words on both sides of [SEP] together")


def test_a_word_ends_at_an_item_that_ends_one():
    """The same draws as if the next item were marked as a start; and without ends, as before."""
    ids, policy = rows(60, 30), MaskPolicy(0.4, unit="word")
    ends = torch.zeros(V, dtype=torch.bool)
    options = dict(mask_id=MASK, vocab_size=V, special_mask=SPECIAL)

    def labels(starts, ends):
        generator = torch.Generator().manual_seed(0)
        tables = dict(word_start_mask=starts, word_end_mask=ends)
        return mask_tokens(ids, policy, **options, **tables, generator=generator).labels

    assert torch.equal(labels(STARTS, None), labels(STARTS, ends))
    assert torch.equal(labels(STARTS, ~ends), labels(~ends, None))
    assert not torch.equal(labels(STARTS, ~ends), labels(STARTS, None))


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"word_end_mask": SPECIAL[:9]}, ValueError, "word_end_mask must have one entry per id"),
        (
            {"input_ids": torch.tensor([[5, 6]], dtype=torch.int32)},
            TypeError,
            "int64, got torch.int32: call .long",
        ),
        (
            {"input_ids": torch.tensor([5, 6])},
            ValueError,
            r"got \(2,\): for one row, add ids\[None\]",
        ),
        ({"input_ids": torch.zeros(0, 4, dtype=torch.int64)}, ValueError, "not empty"),
        (
            {"input_ids": torch.tensor([[5, 60]])},
            ValueError,
            "input_ids holds 60, outside the vocabulary of 60",
        ),
        ({"input_ids": torch.tensor([[5, -100]])}, ValueError, "input_ids holds -100"),
        ({"mask_id": 60}, ValueError, "mask_id must be an id of the vocabulary, 0 to 59, got 60"),
        ({"mask_id": 9}, ValueError, r"mask_id 9 is not special: set special_mask\[9\] = True"),
        ({"special_mask": SPECIAL.long()}, TypeError, "special_mask must be bool"),
        (
            {"special_mask": SPECIAL[:9]},
            ValueError,
            r"special_mask must have one entry per id, \(60,\), got \(9,\)",
        ),
        (
            {"special_mask": torch.ones(V, dtype=torch.bool)},
            ValueError,
            "no ordinary token is left",
        ),
        (
            {"policy": MaskPolicy(unit="word")},
            ValueError,
            "word_start_mask is needed .* tokenizer.word_start_mask",
        ),
    ],
)
@pytest.mark.not_strict("wrong types")
def test_arguments_are_checked(change, error, says):
    call = {"input_ids": torch.tensor([[5, 6]]), "policy": MaskPolicy(), "mask_id": MASK}
    call |= {"vocab_size": V, "special_mask": SPECIAL, "generator": torch.Generator()}
    with pytest.raises(error, match=says):
        mask_tokens(**(call | change))


# --- planted faults: each check must catch what it is there for -----------------------------------


def result(ids, labels):
    from course_lib.masking import Masked

    return Masked(ids, labels)


def with_replacement(ids, policy, **kw):
    """round(rate n) indices drawn with replacement: some are drawn twice, too little is masked."""
    out, labels = ids.clone(), torch.full_like(ids, IGNORE)
    n = int((~SPECIAL[ids[0]]).sum())
    at = 1 + torch.randint(n, (len(ids), max(1, round(policy.rate * n))), generator=kw["generator"])
    labels.scatter_(1, at, ids.gather(1, at))
    return result(out.scatter_(1, at, MASK), labels)


def count_per_row(ids, policy, **kw):
    """Exactly round(rate n) places of each row."""
    n = int((~SPECIAL[ids[0]]).sum())
    k = max(1, round(policy.rate * n))
    order = 1 + torch.rand((len(ids), n), generator=kw["generator"]).argsort(1)[:, :k]
    labels = torch.full_like(ids, IGNORE).scatter_(1, order, ids.gather(1, order))
    return result(torch.where(labels != IGNORE, MASK, ids), labels)


def labels_everywhere(ids, policy, **kw):
    return result(mask_tokens(ids, policy, **kw).input_ids, ids)


def labels_of_the_corrupted(ids, policy, **kw):
    m = mask_tokens(ids, policy, **kw)
    return result(m.input_ids, torch.where(m.labels != IGNORE, m.input_ids, IGNORE))


def padding_masked(ids, policy, **kw):
    none = torch.zeros(V, dtype=torch.bool)
    none[MASK] = True
    return mask_tokens(ids, policy, **(kw | {"special_mask": none}))


def special_replacements(ids, policy, **kw):
    m = mask_tokens(ids, policy, **kw)
    swapped = (m.input_ids != ids) & (m.input_ids != MASK)
    drawn = torch.randint(V, ids.shape, generator=kw["generator"])
    return result(torch.where(swapped, drawn, m.input_ids), m.labels)


def last_id_never(ids, policy, **kw):
    m = mask_tokens(ids, policy, **kw)
    swapped = (m.input_ids != ids) & (m.input_ids == ORDINARY[-1])
    return result(torch.where(swapped, ORDINARY[0], m.input_ids), m.labels)


def tenth_of_the_rest(ids, policy, **kw):
    """`random` applied to what [MASK] left over: 2 % random and 18 % kept instead of 10 and 10."""
    rest = 1 - policy.mask
    wrong = MaskPolicy(
        policy.rate, policy.mask, rest * policy.random, rest * (1 - policy.random), policy.unit
    )
    return mask_tokens(ids, wrong, **kw)


def in_place(ids, policy, **kw):
    m = mask_tokens(ids, policy, **kw)
    return result(ids.copy_(m.input_ids), m.labels)


def unseeded(ids, policy, **kw):
    return mask_tokens(ids, policy, **(kw | {"generator": torch.default_generator}))


def same_for_all_rows(ids, policy, **kw):
    taken = (mask_tokens(ids[:1], policy, **kw).labels != IGNORE) & ~SPECIAL[ids]
    return result(torch.where(taken, MASK, ids), torch.where(taken, ids, IGNORE))


def no_second_chance(ids, policy, **kw):
    """Rows without a draw stay without a target."""
    taken = (torch.rand(ids.shape, generator=kw["generator"]) < policy.rate) & ~SPECIAL[ids]
    return result(torch.where(taken, MASK, ids), torch.where(taken, ids, IGNORE))


def first_place_given_up(ids, policy, **kw):
    m = no_second_chance(ids, policy, **kw)
    m.labels[(m.labels == IGNORE).all(1), 1] = ids[(m.labels == IGNORE).all(1), 1]
    return result(torch.where(m.labels != IGNORE, MASK, ids), m.labels)


def words_by_token(ids, policy, **kw):
    return mask_tokens(ids, MaskPolicy(policy.rate, policy.mask, policy.random, policy.keep), **kw)


def one_draw_a_word(ids, policy, **kw):
    """[MASK] for the whole word or for none of it."""
    m = mask_tokens(ids, MaskPolicy(policy.rate, unit=policy.unit, **ALL_MASK), **kw)
    word = STARTS[ids].cumsum(1)
    keep = torch.rand(ids.shape, generator=kw["generator"]).gather(1, word - 1) > 0.8
    return result(torch.where(keep, ids, m.input_ids), m.labels)


def spans_begin_in_the_row(ids, policy, law=None, **kw):
    """No span reaches in from before the row, so its first words are seldom covered."""
    q, survival = law or span_law(policy)
    draw = torch.rand(ids.shape, generator=kw["generator"])
    length = sum((draw < q * s).long() for s in survival)
    reach = (torch.arange(ids.shape[1]) + length).cummax(1).values
    taken = (reach > torch.arange(ids.shape[1])) & ~SPECIAL[ids]
    return result(torch.where(taken, MASK, ids), torch.where(taken, ids, IGNORE))


def spans_of_one_length(ids, policy, **kw):
    q = 1 - (1 - policy.rate) ** 0.25
    return spans_begin_in_the_row(ids, policy, law=(q, (1.0,) * 4), **kw)


def overlaps_forgotten(ids, policy, **kw):
    """q = rate / mean length: right only if spans never overlapped."""
    spans = dict(unit="span", mean_span=policy.mean_span, max_span=policy.max_span)
    return mask_tokens(ids, MaskPolicy(_rate_of(policy), **spans), **kw)


def _rate_of(policy):
    _, survival = span_law(policy)
    return 1 - math.prod(1 - policy.rate / policy.mean_span * s for s in survival)


PLANTED = [
    (with_replacement, "rate"),
    (count_per_row, "rate"),
    (count_per_row, "independence"),
    (labels_everywhere, "specials"),
    (labels_of_the_corrupted, "labels"),
    (padding_masked, "specials"),
    (special_replacements, "random ids"),
    (last_id_never, "random ids"),
    (tenth_of_the_rest, "shares"),
    (in_place, "purity"),
    (unseeded, "purity"),
    (same_for_all_rows, "independence"),
    (no_second_chance, "targets"),
    (no_second_chance, "rate"),
    (first_place_given_up, "targets"),
    (first_place_given_up, "rate"),
    (words_by_token, "words"),
    (one_draw_a_word, "words"),
    (spans_begin_in_the_row, "spans"),
    (spans_of_one_length, "spans"),
    (overlaps_forgotten, "spans"),
    (overlaps_forgotten, "rate of spans"),
]


@pytest.mark.parametrize(("fault", "name"), PLANTED, ids=[f"{f.__name__}-{n}" for f, n in PLANTED])
def test_planted_fault_is_caught(fault, name):
    with pytest.raises(AssertionError):
        CHECKS[name](fault)
