"""Fine-tuning on small learnable tasks: what moves, stays, comes again and is refused."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    ModernBertConfig,
    ModernBertModel,
    RobertaConfig,
    RobertaModel,
)

from course_lib.data import (
    Example,
    PairExample,
    SpanExample,
    SpanTask,
    Task,
    TokenExample,
    TokenTask,
)
from course_lib.encoder import Encoder, EncoderConfig, TransformersEncoder
from course_lib.finetuning import FineTuneConfig, encode_examples, finetune, finetune_seeds
from course_lib.finetuning.prediction import row_logits
from course_lib.finetuning.tuning import (
    build_model,
    choose_trainable,
    draw,
    feature_store,
    objective_for,
)

FIRST, SECOND = ("ban", "bart", "bal"), ("dol", "kiss", "lumo")
QUICK = FineTuneConfig(epochs=4, batch_size=16, lr=3e-3, precision="fp32", max_len=32)


def words(chance, kind, n=6):
    return [chance.choice((FIRST, SECOND)[kind]) for _ in range(n)]


def splits(made):
    """Training, validation and test examples."""
    return tuple(made[:-40]), tuple(made[-40:-20]), tuple(made[-20:])


def task(n=120, kinds=(0, 1)):
    """Texts out of two sets of words; the class says which."""
    chance = random.Random(0)
    made = [Example(" ".join(words(chance, i % 2)), kinds[i % 2], f"g{i}") for i in range(n)]
    return Task("t", "", ("first", "second"), *splits(made))


def tagged(n=120):
    chance = random.Random(1)
    made = []
    for i in range(n):
        found = [
            (chance.choice(FIRST), 1) if chance.random() < 0.4 else (chance.choice(SECOND), 0)
            for _ in range(5)
        ]
        made.append(TokenExample.of_words(*zip(*found, strict=True), group=f"g{i}"))
    return TokenTask("w", "", ("O", "B-x", "I-x"), *splits(made))


def spans(n=160):
    chance = random.Random(2)
    made = []
    for i in range(n):
        found = words(chance, 1, 5)
        at = chance.randrange(5)
        found[at] = chance.choice(FIRST)
        start = len(" ".join(found[:at])) + (at > 0)
        made.append(SpanExample("where?", " ".join(found), start, start + len(found[at]), f"g{i}"))
    return SpanTask("s", "", *splits(made))


def pairs(n=200):
    """Are both texts of one set of words?"""
    chance = random.Random(3)
    made = []
    for i in range(n):
        a, b = chance.randrange(2), chance.randrange(2)
        one, other = (" ".join(words(chance, kind, 3)) for kind in (a, b))
        made.append(PairExample(one, other, int(a == b), f"g{i}"))
    return Task("p", "", ("other", "same"), *splits(made))


@pytest.fixture
def encoder(tokenizer):
    torch.manual_seed(0)
    config = EncoderConfig.modern(
        vocab_size=tokenizer.vocab_size, n_layers=2, d_model=32, n_heads=2, n_token_types=2
    )
    return Encoder(config)


def tune(task, encoder, tokenizer, config=QUICK, **options):
    return finetune(task, encoder, tokenizer, config, progress=False, **options)


@pytest.mark.parametrize(
    ("make", "epochs", "least"),
    [(task, 4, 0.95), (tagged, 4, 0.95), (spans, 8, 0.9), (pairs, 30, 0.85)],
)
def test_each_kind_of_task_is_learnt(make, epochs, least, encoder, tokenizer):
    done = tune(make(), encoder, tokenizer, replace(QUICK, epochs=epochs))
    assert done.score.estimate >= least and done.score.low <= done.score.estimate <= done.score.high
    assert len(done.guesses) == 20


@pytest.mark.parametrize("setting", ["full", "head", 1, 2])
def test_what_is_trained_moves_and_nothing_else(setting, encoder, tokenizer):
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    done = tune(task(), encoder, tokenizer, replace(QUICK, epochs=1, tune=setting))
    after = done.model.encoder.state_dict()
    moved = {k for k in before if not torch.equal(before[k], after[k])}
    blocks = {k.split(".")[1] for k in moved if k.startswith("blocks.")}
    assert blocks == {"full": {"0", "1"}, "head": set(), 1: {"1"}, 2: {"0", "1"}}[setting]
    assert any("embedding" in k or k.startswith("token") for k in moved) == (setting == "full")
    # the encoder given is a copy's source
    assert all(torch.equal(before[k], v) for k, v in encoder.state_dict().items())
    trained = sum(p.numel() for p in done.model.parameters() if p.requires_grad)
    assert done.n_trainable == trained
    assert (done.n_trainable == done.n_parameters) == (setting == "full")


def test_nothing_is_computed_backward_below_what_is_trained(encoder, tokenizer):
    model = build_model(encoder, "text", 2)
    choose_trainable(model, 1)
    ids = torch.tensor([[2, 7, 9, 3]])
    hidden = []
    hook = model.encoder.blocks[0].register_forward_hook(lambda m, i, o: hidden.append(o))
    model(ids).sum().backward()
    hook.remove()
    assert not hidden[0].requires_grad


@pytest.mark.parametrize("make", [task, tagged, spans, pairs])
def test_kept_features_are_what_the_encoder_says(make, encoder, tokenizer):
    made = make()
    done = tune(made, encoder, tokenizer, replace(QUICK, tune="head", epochs=1))
    rows = encode_examples(made.test, tokenizer, max_len=32)
    direct = row_logits(done.model, rows, pad_id=tokenizer.pad_id, precision="fp32")
    store = feature_store(done.model, tokenizer, QUICK)
    table, (numbered,) = store.looked_up(rows)
    kept = row_logits(done.model.on(table), numbered, precision="fp32")
    for a, b in zip(direct, kept, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
    assert len(store.known) == len({(r.ids, r.types) for r in rows})


def test_the_same_seed_gives_the_same_run_and_another_another(encoder, tokenizer):
    configs = [replace(QUICK, epochs=1, seed=seed) for seed in (0, 0, 1)]
    runs = [tune(task(), encoder, tokenizer, config) for config in configs]
    weights = [r.model.head.output.weight for r in runs]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_fewer_labels_are_the_first_of_more_and_other_seeds_draw_others():
    examples = task().train
    few, more = draw(examples, 10, 3), draw(examples, 40, 3)
    assert few == more[:10] and len(set(more)) == 40
    assert draw(examples, 10, 4) != few and draw(examples, None, 0) == list(examples)


def test_seeds_share_what_a_frozen_encoder_said(encoder, tokenizer, monkeypatch):
    calls = []
    forward = Encoder.forward
    monkeypatch.setattr(
        Encoder, "forward", lambda self, ids, **o: calls.append(len(ids)) or forward(self, ids, **o)
    )
    config = replace(QUICK, tune="head", epochs=1)
    runs = finetune_seeds(task(), encoder, tokenizer, config, seeds=(0, 1, 2), progress=False)
    distinct = {e.text for s in ("train", "test") for e in task().examples(s)}
    assert sum(calls) == len(distinct) and all(run.model is None for run in runs.runs)
    assert runs.interval.low <= runs.interval.estimate <= runs.interval.high
    assert str(runs).startswith("accuracy") and str(runs).endswith("over 3 seeds")


def test_early_stopping_ends_a_run_that_learns_nothing(encoder, tokenizer):
    chance = random.Random(0)
    noise = task()
    train = tuple(replace(e, label=chance.randrange(2)) for e in noise.train)
    noise = Task("n", "", noise.labels, train, noise.validation, noise.test)
    done = tune(noise, encoder, tokenizer, replace(QUICK, epochs=30, patience=2))
    assert done.run.stopped == "patience" and done.run.steps < 30 * 5
    assert done.run.best_step < done.run.steps


def test_balanced_weights_find_the_rare_class():
    rows = encode_rows([0] * 9 + [1])
    assert objective_for("text", rows, 2, "balanced").weights == pytest.approx((10 / 18, 5.0))
    assert objective_for("text", rows, 2).weights is None
    with pytest.raises(ValueError, match="no meaning for spans"):
        objective_for("span", rows, 2, "balanced")


def encode_rows(labels):
    from course_lib.finetuning.rows import Row

    return [Row((2, 3), (label, -100)) for label in labels]


SHAPE = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
DISTIL = dict(dim=16, n_layers=2, n_heads=2, hidden_dim=16)
ENCODERS = {
    "BERT": lambda v: BertModel(BertConfig(vocab_size=v, **SHAPE)),
    "RoBERTa": lambda v: RobertaModel(RobertaConfig(vocab_size=v, **SHAPE, pad_token_id=0)),
    "DistilBERT": lambda v: DistilBertModel(DistilBertConfig(vocab_size=v, **DISTIL)),
    "ModernBERT": lambda v: ModernBertModel(
        ModernBertConfig(vocab_size=v, **SHAPE, pad_token_id=0)
    ),
}


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("make", [task, tagged, spans, pairs])
def test_any_encoder_of_transformers(name, make, tokenizer):
    theirs = TransformersEncoder(ENCODERS[name](tokenizer.vocab_size))
    config = replace(QUICK, epochs=1, n_labels=32, tune=1, layer_decay=0.9)
    done = tune(make(), theirs, tokenizer, config)
    assert done.run.steps == 2 and 0 < done.n_trainable < done.n_parameters


def test_what_cannot_be(encoder, tokenizer):
    for changes, message in (
        (dict(epochs=0), "epochs must be positive"),
        (dict(tune="half"), "tune must be 'full', 'head' or a number"),
        (dict(tune=0), "tune must be 'full', 'head' or a number"),
        (dict(pooling="cls"), "pooling must be one of"),
        (dict(class_weights="auto"), "class_weights must be None or 'balanced'"),
        (dict(n_labels=0), "n_labels must be at least 1"),
        (dict(lr=0.0), "lr must be positive"),
        (dict(layer_decay=2.0), "layer_decay"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(QUICK, **changes)
    with pytest.raises(ValueError, match="tune=3, but the encoder has 2 blocks"):
        tune(task(), encoder, tokenizer, replace(QUICK, tune=3))
    with pytest.raises(ValueError, match="n_labels is 999, but there are 80 training examples"):
        tune(task(), encoder, tokenizer, replace(QUICK, n_labels=999))
    with pytest.raises(ValueError, match="several seeds are needed"):
        finetune_seeds(task(), encoder, tokenizer, QUICK, seeds=(0,))


def test_a_resumed_run_ends_as_if_it_had_not_been_stopped(encoder, tokenizer, tmp_path):
    config = replace(QUICK, epochs=2, checkpoint_every=3)
    whole = tune(task(), encoder, tokenizer, config)
    tune(task(), encoder, tokenizer, config, out=tmp_path)
    resumed = tune(task(), encoder, tokenizer, config, out=tmp_path, resume=True)
    assert torch.equal(whole.model.head.output.weight, resumed.model.head.output.weight)
