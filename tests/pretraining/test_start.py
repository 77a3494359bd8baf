"""Going on from a model that was saved: by this package and by ``transformers``."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from pretraining_command import SMALL
from small_corpus import small_corpus
from small_language import small_language

from course_lib.__main__ import main
from course_lib.encoder import EncoderConfig, MaskedLanguageModel
from course_lib.pretraining import (
    PretrainConfig,
    build_model,
    judge,
    load_start,
    prepare,
    pretrain,
)
from course_lib.pretraining.start import settled
from course_lib.tokenization import train_tokenizer
from course_lib.training import save_model

SHAPE = ("n_layers", "d_model", "n_heads", "vocab_size")
GO_ON = {name: value for name, value in SMALL.items() if name not in SHAPE}
KINDS = ("ours", "bert", "modern")


@pytest.fixture
def corpus(monkeypatch, tmp_path):
    return small_corpus(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model in each of the three forms, with a tokenizer of its own, trained on other text."""
    folder = tmp_path_factory.mktemp("saved")
    tokenizer = train_tokenizer(small_language(100, seed=9), vocab_size=80)
    sizes = dict(vocab_size=tokenizer.vocab_size, n_layers=2, d_model=16, n_heads=2, max_len=32)
    for kind in KINDS:
        torch.manual_seed(0)
        make = EncoderConfig.bert if kind == "bert" else EncoderConfig.modern
        model = MaskedLanguageModel(make(**sizes, pad_id=tokenizer.pad_id))
        if kind == "ours":
            save_model(folder / kind, model, tokenizer)
        else:
            model.to_transformers().save_pretrained(folder / kind)
            tokenizer.to_transformers().save_pretrained(folder / kind)
    return folder, tokenizer


@pytest.mark.parametrize("kind", KINDS)
def test_a_little_training_beats_the_start(corpus, saved, tmp_path, kind):
    folder, tokenizer = saved
    config = PretrainConfig(**GO_ON | {"steps": 60}, init=str(folder / kind))
    prepared = prepare(config, progress=False)
    assert prepared.tokenizer.fingerprint == tokenizer.fingerprint
    start = build_model(config, prepared)
    kept = load_start(folder / kind).model.state_dict()
    assert all(torch.equal(a, kept[name]) for name, a in start.state_dict().items())
    before = judge(start, prepared)["validation_nll"]
    result = pretrain(config, tmp_path / "run", progress=False)
    assert result["validation_nll"] < before - 0.3
    assert result["config"]["n_layers"] == 2 and result["config"]["d_model"] == 16
    assert result["config"]["shape"] == ("bert" if kind == "bert" else "modern")
    assert result["config"]["kind"] == "wordpiece"
    # and from what this run wrote, which goes on where it ended
    again = PretrainConfig(**GO_ON | {"steps": 20, "lr": 1e-3}, seed=1, init=str(tmp_path / "run"))
    more = pretrain(again, tmp_path / "more", progress=False)
    assert more["validation_nll"] < result["validation_nll"]


def test_the_same_batches_do_not_come_again(corpus, tmp_path):
    pretrain(PretrainConfig(**SMALL), tmp_path / "run", progress=False)
    again = PretrainConfig(**GO_ON, init=str(tmp_path / "run"))
    with pytest.raises(ValueError, match=r"seed=0, with which .* same text: .* such as 1"):
        pretrain(again, tmp_path / "again", progress=False)
    assert not (tmp_path / "again").exists()


def test_a_resumed_run_is_the_whole_one(corpus, saved, tmp_path):
    config = PretrainConfig(**GO_ON, init=str(saved[0] / "ours"))
    whole = pretrain(config, tmp_path / "whole", progress=False)
    shutil.copytree(tmp_path / "whole/step-00000010", tmp_path / "cut/step-00000010")
    again = pretrain(config, tmp_path / "cut", resume=True, progress=False)
    assert again["validation_nll"] == whole["validation_nll"]


@pytest.mark.parametrize(
    ("said", "match"),
    [
        (dict(n_layers=3), r"n_layers=3, but the model in .* has n_layers=2: leave it out"),
        (dict(shape="bert"), "shape='bert', but the model in .* has shape='modern'"),
        (dict(vocab_size=4096), "vocab_size=4096, but the model in .* has vocab_size="),
        (dict(kind="bpe"), "kind='bpe', but the model in .* has kind='wordpiece'"),
        (dict(seq_len=64), "seq_len=64, but the model in .* takes rows of at most 32 tokens"),
    ],
)
def test_a_conflict_is_said_before_the_corpus_is_read(monkeypatch, saved, tmp_path, said, match):
    def read(*_, **__):
        raise AssertionError("the corpus was read")

    monkeypatch.setattr("course_lib.data.load_corpus", read)
    config = PretrainConfig(**GO_ON | said, init=str(saved[0] / "ours"))
    for start in (lambda: prepare(config), lambda: pretrain(config, tmp_path / "run")):
        with pytest.raises(ValueError, match=match):
            start()


def test_what_agrees_is_no_conflict_and_defaults_stay(saved):
    config = PretrainConfig(**GO_ON, init=str(saved[0] / "ours"), n_layers=2, shape="modern")
    assert settled(config, load_start(config.init)).d_model == 16
    assert PretrainConfig().n_layers == 2 and PretrainConfig().kind == "wordpiece"
    assert PretrainConfig.of({"n_layers": 5}).n_layers == 5
    with pytest.raises(ValueError, match="shape must be"):
        PretrainConfig(shape="round", init="anywhere")


def test_folders_that_hold_no_such_model(saved, tmp_path):
    folder, _ = saved
    with pytest.raises(ValueError, match=r"holds no model: give a folder with what `pretrain`"):
        load_start(tmp_path)
    bare = tmp_path / "bare"
    shutil.copytree(folder / "bert", bare)
    (bare / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match="a model without its tokenizer"):
        load_start(bare)
    train_tokenizer(small_language(400, seed=1), vocab_size=90).to_transformers().save_pretrained(
        bare
    )
    with pytest.raises(ValueError, match="the model only .*: they do not belong together"):
        load_start(bare)
    config = json.loads((bare / "config.json").read_text())
    (bare / "config.json").write_text(json.dumps(config | {"architectures": ["BertModel"]}))
    with pytest.raises(ValueError, match="is a BertModel and has no masked-language-model head"):
        load_start(bare)
    (bare / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is damaged"):
        load_start(bare)


def test_the_command_line_and_evaluating_without_the_start(corpus, saved, tmp_path, capsys):
    shutil.copytree(saved[0] / "ours", tmp_path / "start")
    flags = [f"--{k.replace('_', '-')}={v}" for k, v in GO_ON.items() if v is not None]
    out = str(tmp_path / "run")
    assert main(["pretrain", "--out", out, "--init", str(tmp_path / "start"), *flags]) == 0
    shutil.rmtree(tmp_path / "start")
    capsys.readouterr()
    assert main(["evaluate", out]) == 0
    stored = json.loads((tmp_path / "run/result.json").read_text())
    shown = json.loads(capsys.readouterr().out)
    assert shown["validation_nll"] == pytest.approx(stored["validation_nll"], abs=1e-9)
    assert main(["pretrain", "--out", str(tmp_path / "x"), "--init", str(tmp_path / "start")]) == 1
    assert "holds no model" in capsys.readouterr().err
