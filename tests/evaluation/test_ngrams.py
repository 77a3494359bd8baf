import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from course_lib.batch import IGNORE
from course_lib.batches import fixed_batches
from course_lib.evaluation import fit_ngrams, token_counts, unigram_nll
from course_lib.evaluation.ngrams import targets, tune_ngrams
from course_lib.masking import MaskPolicy

V, NEVER = 12, (0, 2)
LAW = np.random.default_rng(1).dirichlet(np.ones(V))
text = np.random.default_rng(0).choice(V, size=600, p=LAW)
other = np.random.default_rng(2).choice(V, size=200, p=LAW)


@pytest.fixture
def batches(held_out, tokenizer):
    return fixed_batches(held_out, tokenizer, seq_len=16, batch_size=5)


def by_dictionary(tokens, order, kappas, context, target) -> float:
    """The formula at the top of the file with Python's counters; a context of None is unknown."""
    if target in NEVER:
        return 0.0
    p = 1 / (V - len(NEVER))
    for k in range(1, order + 1):
        grams, contexts = Counter(), Counter()
        for i, x in enumerate(tokens):
            if x in NEVER or i < k - 1:
                continue
            c = tuple(tokens[i - k + 1 : i])
            grams[(*c, x)] += 1
            contexts[c] += 1
        c = tuple(context[len(context) - k + 1 :])
        p = (grams[(*c, target)] + kappas[k - 1] * p) / (contexts[c] + kappas[k - 1])
    return p


@pytest.mark.parametrize("order", [1, 2, 3])
def test_equals_the_formula(order):
    kappas = (5.0, 2.0, 0.7)[:order]
    model = fit_ngrams(text, V, order=order, never=NEVER, kappas=kappas)
    rng = np.random.default_rng(3)
    contexts, targets = rng.integers(-1, V, size=(40, order - 1)), rng.integers(0, V, size=40)
    want = [
        by_dictionary(text.tolist(), order, kappas, c, t)
        for c, t in zip(contexts.tolist(), targets.tolist(), strict=True)
    ]
    np.testing.assert_allclose(model.probabilities(contexts, targets), want, rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_every_context_gives_a_distribution(order):
    model = fit_ngrams(text, V, order=order, never=NEVER)
    for context in np.random.default_rng(4).integers(-1, V, size=(20, order - 1)):
        p = model.probabilities(np.tile(context, (V, 1)), np.arange(V))
        assert p.sum() == pytest.approx(1, abs=1e-12)
    assert (model.probabilities(np.full((2, order - 1), 3), np.array(NEVER)) == 0).all()


def test_nll_of_a_text_and_unseen_contexts():
    model = fit_ngrams(text, V, order=2, never=NEVER)
    p = [
        by_dictionary(text.tolist(), 2, model.kappas, [other[i - 1] if i else None], x)
        for i, x in enumerate(other)
        if x not in NEVER
    ]
    assert model.nll(other) == pytest.approx(-np.mean(np.log(p)), rel=1e-12)
    unigram = fit_ngrams(text, V, order=1, never=NEVER)
    unknown = model.probabilities(np.full((V, 1), -1), np.arange(V))
    np.testing.assert_allclose(unknown, unigram.probabilities(np.empty((V, 0)), np.arange(V)))


def test_the_unigram_is_add_one(tokens, held_out, tokenizer):
    batches = fixed_batches(held_out, tokenizer, seq_len=16, batch_size=5)
    model = fit_ngrams(tokens.tokens, tokenizer.vocab_size, order=1, never=tokenizer.special_ids)
    want = unigram_nll(tokens.tokens, batches, tokenizer.vocab_size, tokenizer.special_ids)
    assert model.masked_nll(batches) == pytest.approx(want, rel=1e-12)


def test_context_helps_where_words_follow_a_rule(tokens, held_out, tokenizer):
    """On text with structure each order beats the one below; masked, the bigram still helps."""
    half, never = len(held_out) // 2, tokenizer.special_ids
    nll, masked = [], []
    batches = fixed_batches(held_out, tokenizer, seq_len=16, batch_size=5)
    for order in (1, 2):
        model = fit_ngrams(tokens.tokens, tokenizer.vocab_size, order=order, never=never)
        model = tune_ngrams(model, held_out.tokens[:half])
        nll.append(model.nll(held_out.tokens[half:]))
        masked.append(model.masked_nll(batches))
    assert nll[1] < nll[0] - 0.5 and masked[1] < masked[0] - 0.3


def test_tuning_finds_the_best_kappa():
    model = fit_ngrams(text, V, order=2, never=NEVER)
    tuned = tune_ngrams(model, other)
    first = dict(order=1, grams=model.grams[:1], contexts=model.contexts[:1])
    unigram = lambda k: replace(model, kappas=(k,), **first).nll(other)
    grid = np.geomspace(1e-4, 1e6, 500)
    assert unigram(tuned.kappas[0]) <= min(unigram(k) for k in grid) + 1e-6
    bigram = lambda k: replace(tuned, kappas=(tuned.kappas[0], k)).nll(other)
    assert bigram(tuned.kappas[1]) <= min(bigram(k) for k in grid) + 1e-6
    assert tuned.nll(other) < model.nll(other)


def test_masked_neighbours_are_unknown(tokens, held_out, tokenizer):
    model = fit_ngrams(tokens.tokens, tokenizer.vocab_size, order=2, never=tokenizer.special_ids)
    # hidden neighbours that do not look hidden
    policy = MaskPolicy(rate=0.5, mask=0.0, random=0.5, keep=0.5)
    batch = fixed_batches(held_out, tokenizer, seq_len=16, batch_size=5, policy=policy)[0]
    p = []
    for r, c in (batch.labels != IGNORE).nonzero().tolist():
        seen = c > 0 and batch.labels[r, c - 1] == IGNORE
        context = int(batch.input_ids[r, c - 1]) if seen else -1
        p.append(model.probabilities(np.array([[context]]), np.array([int(batch.labels[r, c])]))[0])
    assert model.masked_nll([batch]) == pytest.approx(-np.mean(np.log(p)))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (dict(order=0), "order"),
        (dict(order=99), "2\\^63"),
        (dict(kappas=(1.0,)), "2 positive numbers"),
        (dict(kappas=(1.0, 0.0)), "positive"),
        (dict(vocab_size=5), "tokens must lie in"),
    ],
)
def test_clear_errors(change, match):
    with pytest.raises(ValueError, match=match):
        fit_ngrams(**(dict(tokens=text, vocab_size=V, order=2) | change))


def test_edges():
    model = fit_ngrams(np.array([], np.int64), V, order=3)  # has seen nothing: uniform
    assert model.nll(other) == pytest.approx(math.log(V))
    for f in (model.nll, lambda x: tune_ngrams(model, x)):
        with pytest.raises(ValueError, match="nothing to"):
            f(np.array([], np.int64))
    with pytest.raises(ValueError, match="no batch"):
        model.masked_nll([])
    with pytest.raises(ValueError, match="order - 1 tokens"):
        model.probabilities(np.zeros((2, 1)), np.zeros(2))


def test_unigram_equals_the_frequencies(tokens, batches, tokenizer):
    counts = np.ones(tokenizer.vocab_size)
    for i in tokens.tokens:
        counts[i] += i not in tokenizer.special_ids
    counts[list(tokenizer.special_ids)] = 0
    p = counts / counts.sum()
    labels = [i for b in batches for i in b.labels.flatten().tolist() if i >= 0]
    want = -np.mean([math.log(p[i]) for i in labels])
    got = unigram_nll(tokens.tokens, batches, tokenizer.vocab_size, tokenizer.special_ids)
    assert got == pytest.approx(want, rel=1e-12)
    assert len(targets(batches)) == sum(b.n_targets for b in batches)


def test_counts_read_in_pieces(tokens, tokenizer):
    counts = token_counts(tokens.tokens, tokenizer.vocab_size)
    assert counts.sum() == len(tokens) and counts[tokenizer.cls_id] == tokens.n_documents
    assert token_counts(tokens.tokens, tokenizer.vocab_size, [2])[2] == 0
