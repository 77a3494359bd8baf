import builtins
import json

import pytest

from course_lib.training.tracking import Tracker


def test_records_after_the_checkpoint_and_half_lines_are_dropped(tmp_path):
    tracker = Tracker(tmp_path)
    for step in (1, 2, 3):
        tracker.add({"step": step, "loss": 1.0 / step})
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 2, "lo')
    resumed = Tracker(tmp_path, last_step=2)
    resumed.add({"step": 3, "loss": 0.5})
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    expected = [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 0.5}, {"step": 3, "loss": 0.5}]
    assert lines == resumed.records == expected


def test_what_is_not_finite_is_none_and_the_file_is_json(tmp_path):
    tracker = Tracker(tmp_path)
    tracker.add({"step": 1, "loss": 2.5, "gradient_norm": float("inf"), "lr": float("nan")})
    expected = {"step": 1, "loss": 2.5, "gradient_norm": None, "lr": None}

    def refuse(word: str):
        raise AssertionError(f"{word} is no JSON")

    line = (tmp_path / "metrics.jsonl").read_text()
    assert json.loads(line, parse_constant=refuse) == expected == tracker.records[0]


def test_a_new_run_starts_an_empty_file(tmp_path):
    Tracker(tmp_path).add({"step": 1})
    Tracker(tmp_path)
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_missing_tensorboard_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        Tracker(tmp_path, tensorboard=True)


def test_damaged_lines_do_not_stop_a_resume(tmp_path):
    good = b'{"step": 1, "loss": 2.0}\n'
    rest = b'\xff\xfe\n[]\nnull\n{"loss": 1.0}\n{"step": "2"}\n\0\0\0\n{"step": 2, "lo'
    (tmp_path / "metrics.jsonl").write_bytes(good + rest)
    assert Tracker(tmp_path, last_step=3).records == [{"step": 1, "loss": 2.0}]
