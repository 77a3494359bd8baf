"""Schedules: a rise, then no rise again, and values that are known."""

import math

import numpy as np
import pytest

from course_lib.optimisation import SCHEDULES
from course_lib.optimisation.schedules import cosine, inverse_root, linear, wsd


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.25])
def test_schedules_rise_then_never_rise_again(name, warmup):
    values = [SCHEDULES[name](p, warmup=warmup) for p in np.linspace(0, 1, 401)]
    peak = int(warmup * 400)
    assert values[peak] == pytest.approx(1)
    assert np.all(np.diff(values[: peak + 1]) > 0) and np.all(np.diff(values[peak:]) <= 1e-12)
    assert 0 <= min(values) and max(values) <= 1 + 1e-12
    # a clock can overrun its budget
    assert SCHEDULES[name](1.2, warmup=warmup) == pytest.approx(values[-1])


def test_known_values():
    assert linear(0.625, warmup=0.25) == 0.5
    assert cosine(0.5) == pytest.approx(0.5)
    assert cosine(1 / 3) == pytest.approx((1 + math.cos(math.pi / 3)) / 2)
    assert wsd(0.8, decay=0.2) == pytest.approx(1) and wsd(0.9, decay=0.2) == pytest.approx(0.5)


def test_inverse_root_ignores_where_the_budget_ends():
    assert inverse_root(0.4, warmup=0.1) == pytest.approx(0.5)
    assert inverse_root(0.9, warmup=0.1) == pytest.approx(1 / 3)
    assert inverse_root(0.04) == pytest.approx(0.5) and inverse_root(0.005) == 1
    ratio = [
        inverse_root(p, warmup=0.1) / inverse_root(p / 2, warmup=0.05) for p in (0.2, 0.5, 0.9)
    ]
    assert ratio == pytest.approx([1, 1, 1])  # twice the budget: the same rate at the same step
