import json

import pytest
import torch

from course_lib import hardware


def test_one_switch(monkeypatch):
    for value in ("cpu", "gpu"):
        monkeypatch.setenv("COURSE_SCALE", value)
        assert hardware.scale() == value and hardware.pick(cpu="cpu", gpu="gpu") == value
    monkeypatch.setenv("COURSE_SCALE", "tpu")
    with pytest.raises(ValueError, match="must be 'cpu', 'gpu' or 'gpu-tiny', got 'tpu'"):
        hardware.scale()
    monkeypatch.delenv("COURSE_SCALE")
    assert hardware.scale() == ("gpu" if torch.cuda.is_available() else "cpu")


def test_a_gpus_branches_run_at_the_sizes_of_a_cpu(monkeypatch):
    monkeypatch.setenv("COURSE_SCALE", "gpu-tiny")
    assert hardware.scale() == "gpu" and hardware.pick(cpu=64, gpu=512) == 64


@pytest.mark.parametrize(
    ("capability", "want"), [((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16")]
)
def test_a_t4_gets_fp16_and_newer_ones_bf16(monkeypatch, capability, want):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert hardware.precision(torch.device("cuda")) == want


@pytest.mark.parametrize(
    ("flags", "speedup", "want"),
    [
        ({"avx2"}, 9.0, "fp32"),
        ({"avx512_bf16"}, 3.0, "bf16"),
        ({"avx512_bf16"}, 0.5, "fp32"),
        (set(), 9.0, "fp32"),
    ],
)
def test_a_cpu_gets_bf16_only_if_it_is_fast_at_it(monkeypatch, flags, speedup, want):
    monkeypatch.setattr(hardware, "_cpu_flags", lambda: frozenset(flags))
    monkeypatch.setattr(hardware, "bf16_speedup", lambda: speedup)
    assert hardware.precision(torch.device("cpu")) == want


def test_the_trial_gives_a_ratio():
    assert 0.01 < hardware.bf16_speedup(64, 2) < 100


def test_description_is_json_with_versions():
    found = json.loads(json.dumps(hardware.describe()))
    assert found["versions"]["torch"] == torch.__version__ and found["cores"] >= 1 and found["cpu"]
