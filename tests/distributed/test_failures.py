import numpy as np
import pytest

from course_lib.distributed.failures import (
    daly_interval,
    expected_slowdown,
    simulate,
    slowest_of,
    young_interval,
)


@pytest.mark.parametrize(("hours", "minutes"), [(24, 117), (6, 57), (0.25, 9.1)])
def test_daly_against_his_paper(hours, minutes):
    """Daly 2006, figures 3 to 5: checkpoints of 5 minutes."""
    found = daly_interval(save=5, between_failures=60 * hours)
    assert found == pytest.approx(minutes, abs=0.5 if minutes > 10 else 0.05)


@pytest.mark.parametrize("between", [20.0, 100.0, 1000.0])
def test_the_intervals_are_near_the_smallest_slowdown(between):
    grid = np.geomspace(0.5, 2000, 20_000)
    costs = [expected_slowdown(t, save=2, restart=5, between_failures=between) for t in grid]
    best = min(costs)
    for interval, tolerance in ((daly_interval, 1e-4), (young_interval, 2e-2)):
        found = expected_slowdown(
            interval(save=2, between_failures=between), save=2, restart=5, between_failures=between
        )
        assert best <= found * (1 + 1e-6) and found < best * (1 + tolerance)


@pytest.mark.parametrize("interval", [4.0, 14.0, 60.0])
def test_the_formula_against_failures_drawn_one_by_one(interval):
    """Mean of 400 runs within four standard errors of the expected time."""
    generator = np.random.default_rng(7)
    times = dict(save=1.0, restart=3.0, between_failures=100.0)
    drawn = [simulate(1200, interval, **times, generator=generator)[0] for _ in range(400)]
    runs = np.array(drawn) / 1200
    expected = expected_slowdown(interval, **times)
    assert abs(runs.mean() - expected) < 4 * runs.std(ddof=1) / 20


def test_failures_come_as_often_as_asked():
    generator = np.random.default_rng(3)
    runs = [
        simulate(1000, 10, save=1, restart=2, between_failures=50, generator=generator)
        for _ in range(200)
    ]
    clock, failures = np.array(runs).sum(axis=0)
    assert abs(failures - clock / 50) < 4 * np.sqrt(clock / 50)


def test_without_failures_only_saving_costs():
    clock, failures = simulate(
        100, 25, save=1, restart=9, between_failures=1e12, generator=np.random.default_rng(0)
    )
    assert clock == 104 and failures == 0
    slowdown = expected_slowdown(25, save=1, restart=9, between_failures=1e9)
    assert slowdown == pytest.approx(1.04, abs=1e-6)


def test_saving_that_takes_longer_than_the_machine_lives():
    assert daly_interval(save=30, between_failures=10) == 10
    with pytest.raises(ValueError, match="save must be positive, got 0"):
        young_interval(save=0, between_failures=1)


@pytest.mark.parametrize("n", [1, 2, 64])
def test_the_slowest_worker_against_drawing(n):
    draws = 1 + 0.1 * np.random.default_rng(n).normal(size=(20_000, n)).max(axis=1)
    assert abs(slowest_of(n, spread=0.1) - draws.mean()) < 4 * draws.std() / np.sqrt(20_000)
