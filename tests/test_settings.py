"""Almost-right values in every configuration and record: the plain type at once, or an error."""

import enum
import importlib
import json
import math
import pkgutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
import torch

import course_lib
from course_lib.batches import MLMStream
from course_lib.data import Example, PairExample, SpanExample, TokenExample
from course_lib.encoder import EncoderConfig
from course_lib.evaluation import Evaluation, Interval
from course_lib.finetuning import FineTuneConfig
from course_lib.finetuning.rows import Row
from course_lib.finetuning.stream import TaskStream
from course_lib.masking import MaskPolicy
from course_lib.measuring import write_record
from course_lib.peft import AdaLoRAConfig, LoRAConfig
from course_lib.pretraining.config import PretrainConfig
from course_lib.settings import Settings, settle
from course_lib.training import LoopConfig, TrainConfig, TrainResult

# a setting given as another type is what is tested
pytestmark = pytest.mark.not_strict("wrong types")

ENCODER = dict(vocab_size=60, n_layers=1, d_model=16, n_heads=2, d_ff=32, max_len=32)
NEEDED = {EncoderConfig: ENCODER, TrainConfig: dict(steps=3), AdaLoRAConfig: dict(total_steps=50)}


def configurations() -> list[type]:
    for module in pkgutil.walk_packages(course_lib.__path__, "course_lib."):
        if "__main__" not in module.name:
            importlib.import_module(module.name)
    found, new = [], [Settings]
    while new:
        new = [child for parent in new for child in parent.__subclasses__()]
        found += [
            c for c in new if c.__module__.startswith("course_lib") and c.__name__ != "Config"
        ]
    return found


CONFIGURATIONS = configurations()


def test_every_configuration_is_found():
    names = {c.__name__ for c in CONFIGURATIONS}
    assert {"EncoderConfig", "MaskPolicy", "TrainConfig", "PretrainConfig"} <= names
    assert {"FineTuneConfig", "LoRAConfig", "AdaLoRAConfig", "BitFitConfig"} <= names
    assert not [c for c in CONFIGURATIONS if not c.__dataclass_params__.frozen]


def simple_fields(cls):
    """(name, type, a value that can be) of the fields that hold one plain value."""
    made = cls(**NEEDED.get(cls, {}))
    for f in fields(cls):
        value, hint = getattr(made, f.name), get_type_hints(cls)[f.name]
        if type(value) in (int, float, str, bool):
            yield f.name, hint, value


@pytest.mark.parametrize("cls", CONFIGURATIONS, ids=lambda cls: cls.__name__)
def test_what_is_almost_right_becomes_the_plain_type(cls):
    """NumPy's and torch's scalars in each field: the same configuration, and JSON both ways."""
    needed = NEEDED.get(cls, {})
    plain = cls(**needed)
    for name, _, value in simple_fields(cls):
        almost = [np.array(value)[()], torch.tensor(value)] if not isinstance(value, str) else []
        almost += [np.str_(value), Path(value)] if isinstance(value, str) and value else []
        almost += [float(value), np.float64(value)] if type(value) is int else []
        for one in almost:
            made = cls(**{**needed, name: one})
            assert type(getattr(made, name)) is type(value), (name, one)
            if not isinstance(one, torch.Tensor) or type(value) is not float:
                assert made == plain
            assert cls.from_json(made.to_json()) == made
            assert cls.from_values(json.loads(json.dumps(made.values()))) == made


@pytest.mark.parametrize("cls", CONFIGURATIONS, ids=lambda cls: cls.__name__)
def test_what_would_lose_something_is_refused_with_the_remedy(cls):
    for name, hint, value in simple_fields(cls):
        wrong = {bool: [1, "yes", None], int: [True, "3", 2.5, math.nan], str: [7, b"x"]}.get(
            hint, [True, "3", math.inf, math.nan] if hint is float else []
        )
        for one in wrong:
            with pytest.raises((TypeError, ValueError), match=f"^{name} must be .*, got .*: .*"):
                cls(**{**NEEDED.get(cls, {}), name: one})


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: TrainConfig(steps="3"), TypeError, "steps must be a whole number.*without quotes"),
        (lambda: TrainConfig(steps=True), TypeError, r"steps .* got True \(bool\): write a whole"),
        (lambda: TrainConfig(steps=2.5), ValueError, r"steps .* got 2.5 \(float\): round it"),
        (lambda: TrainConfig(steps=3, lr=None), TypeError, "lr .* leave the field out"),
        (lambda: TrainConfig(steps=3, betas=(0.9,)), ValueError, "betas .*: give 2 values"),
        (lambda: TrainConfig(steps=3, betas=(0.9, 1.0)), ValueError, r"betas must be in \[0, 1\)"),
        (lambda: TrainConfig(steps=3, eps=0), ValueError, "eps must be positive"),
        (lambda: TrainConfig(steps=3, checkpoint_every=0), ValueError, "checkpoint_every must"),
        (lambda: TrainConfig(seconds=10**400), ValueError, "seconds .* too many digits"),
        (lambda: TrainConfig(steps=3, betas={0.9, 0.98}), TypeError, "betas .* write a tuple"),
        (lambda: LoRAConfig(targets=("query", 3)), TypeError, "targets must be a tuple of a str"),
        (lambda: FineTuneConfig(tune=True), TypeError, "tune must be a string or a whole number"),
        (lambda: FineTuneConfig(batch_size=0), ValueError, "batch_size must be at least 1"),
        (lambda: FineTuneConfig(max_len=4), ValueError, "max_len must be at least 8"),
        (lambda: FineTuneConfig(dropout=1), ValueError, "dropout must be in"),
        (lambda: PretrainConfig(mask={"rate": 0.2}), TypeError, r"mask .* write MaskPolicy\(...\)"),
        (lambda: PretrainConfig(n_layers=0), ValueError, "n_layers must be at least 1"),
        (lambda: PretrainConfig(batch_size=0), ValueError, "batch_size must be at least 1"),
        (lambda: PretrainConfig(kind="chars"), ValueError, "kind must be one of"),
        (lambda: Example("t", "1", "g"), TypeError, "label must be a whole number, got '1'"),
        (lambda: Example(math.nan, 1, "g"), TypeError, "text must be a string, got nan"),
    ],
)
def test_the_message_names_field_value_and_remedy(make, error, says):
    with pytest.raises(error, match=says):
        make()


def test_sequences_become_tuples():
    betas = [
        [0.9, 0.98],
        np.array([0.9, 0.98]),
        (np.float64(0.9), torch.tensor(0.98, dtype=torch.float64)),
    ]
    for given in betas:
        made = TrainConfig(steps=1, betas=given)
        assert made.betas == (0.9, 0.98) and type(made.betas) is tuple
        assert [type(b) for b in made.betas] == [float, float]
    assert LoRAConfig(targets=["query", np.str_("key")]).targets == ("query", "key")
    assert LoRAConfig(targets={"value", "query"}).targets == ("query", "value")
    assert LoRAConfig(targets="query").targets == ("query",)
    assert hash(LoRAConfig(targets=["query"])) == hash(LoRAConfig(targets=("query",)))


def test_a_union_keeps_what_fits_and_an_enumeration_its_text():
    class Pooling(str, enum.Enum):
        MEAN = "mean"

    assert FineTuneConfig(tune=np.int64(2)).tune == 2
    assert type(FineTuneConfig(tune=np.int64(2)).tune) is int
    assert FineTuneConfig(patience=None, lr=np.float32(0.5)).lr == 0.5
    assert type(FineTuneConfig(pooling=Pooling.MEAN).pooling) is str


def test_json_says_what_it_lacks():
    with pytest.raises(ValueError, match="EncoderConfig also needs d_ff, max_len"):
        EncoderConfig.from_values(
            {k: v for k, v in ENCODER.items() if k not in ("d_ff", "max_len")}
        )
    for text in ("[]", "null", "3", "{", "[" * 100_000):
        with pytest.raises(ValueError, match="MaskPolicy"):
            MaskPolicy.from_json(text)
    with pytest.raises(ValueError, match=r"unknown fields of MaskPolicy: \['share'\]; it has rate"):
        MaskPolicy.from_values({"share": 1})
    config = PretrainConfig(mask=MaskPolicy(0.2, unit="word"), betas=(0.5, 0.9))
    assert PretrainConfig.from_json(config.to_json()) == config
    with pytest.raises(TypeError, match="mask must be a MaskPolicy, got 3"):
        PretrainConfig.from_values({"mask": 3})


def test_records_and_streams_too(tokens, tokenizer):
    """Labels out of pandas, seeds of streams: their fingerprints are JSON."""
    label, place = np.int64(1), torch.tensor(2)
    assert type(Example("t", label, "g").label) is int
    assert type(PairExample("t", "u", label, "g").label) is int
    assert SpanExample("q", "text", label, np.int32(2), "g").answer == "e"
    tagged = TokenExample("ab cd", [(0, 2), (np.int64(3), 5)], np.array([0, 1]), "g")
    assert tagged.tags == (0, 1) and tagged.words == ((0, 2), (3, 5))
    rows = (Row(np.array([2, 5, 3]), (label, -100, place)),)
    assert json.dumps([rows[0].ids, rows[0].labels]) == "[[2, 5, 3], [1, -100, 2]]"
    one, other = (TaskStream(rows, batch_size=n, seed=n) for n in (1, np.int64(1)))
    assert one.fingerprint == other.fingerprint
    one, other = (MLMStream(tokens, tokenizer, seq_len=n, seed=n) for n in (8, np.int32(8)))
    assert one.fingerprint == other.fingerprint


def test_results_can_be_written(tmp_path):
    """What was measured may be infinite, and is plain all the same."""
    f = np.float32(0.5)
    found = [Interval(f, f, f, f), Evaluation(f, None, np.int64(3))]
    found += [TrainResult(np.int64(3), f, torch.tensor(3), "budget", None, [])]
    for record in found:
        assert json.loads(json.dumps(vars(record)))
    assert Evaluation(math.inf, 0.5, 1).nll == math.inf
    write_record(tmp_path / "r.json", {"loss": f, "curve": np.arange(2), "at": Path("x")})
    again = json.loads((tmp_path / "r.json").read_text())
    assert again["curve"] == [0, 1] and again["at"] == "x"


def test_fields_of_other_types_are_left_alone():
    @dataclass
    class Mixed:
        names: list[str]
        count: int
        anything: object = None

    mixed = Mixed(["a"], np.int64(2))
    settle(mixed)
    assert mixed.names == ["a"] and type(mixed.count) is int and mixed.anything is None


def test_settings_of_the_loop_alone_are_settled():
    assert type(LoopConfig(lr=np.float32(0.5)).lr) is float
