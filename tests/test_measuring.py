"""Fair measuring: turns, spreads, ratios within a turn.

What is timed here is never asserted to be fast.
"""

import json
import mmap
import time

import numpy as np
import pytest
import torch

from course_lib.measuring import (
    choose_clock,
    forget_peak,
    matrix_peak,
    memory_bandwidth,
    quantile,
    read_record,
    resident_bytes,
    seconds_to_reach,
    speedup,
    spread,
    take_turns,
    write_record,
)


def test_sides_take_turns_and_the_first_turn_does_not_count():
    calls = []
    sides = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    seconds = take_turns(sides, repeats=3)
    assert calls == ["a", "b"] * 4 and {k: len(v) for k, v in seconds.items()} == {"a": 3, "b": 3}


def test_a_side_may_measure_itself():
    assert take_turns({"own": lambda: 7.5}, repeats=2) == {"own": [7.5, 7.5]}


def test_the_clock_sees_a_pause():
    assert min(take_turns({"pause": lambda: time.sleep(0.02)}, repeats=2)["pause"]) >= 0.02


def test_the_processors_clock_does_not_see_a_pause():
    sides = {"pause": lambda: time.sleep(0.05)}
    assert max(take_turns(sides, repeats=2, clock=time.process_time)["pause"]) < 0.04


def test_the_processors_clock_means_one_thread():
    before = torch.get_num_threads()
    try:
        clock, name = choose_clock()
        assert clock is time.process_time and "one thread" in name and torch.get_num_threads() == 1
        assert choose_clock(wall=True)[0] is time.perf_counter
    finally:
        torch.set_num_threads(before)


def test_spread_and_speedup_by_hand():
    found = spread([4, 1, 2])
    assert (found["low"], found["high"]) == (pytest.approx(1.2), pytest.approx(3.6))
    rest = {name: found[name] for name in found if name not in ("low", "high")}
    assert rest == {"median": 2.0, "min": 1.0, "max": 4.0, "all": [4.0, 1.0, 2.0]}
    assert speedup([2.0, 9.0, 4.0], [1.0, 3.0, 4.0])["all"] == [2.0, 3.0, 1.0]


@pytest.mark.parametrize("n", [1, 2, 7, 25])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_quantiles_are_numpys(n, share):
    values = torch.rand(n, generator=torch.Generator().manual_seed(n), dtype=torch.float64).tolist()
    assert quantile(values, share) == pytest.approx(np.quantile(values, share), abs=1e-12)


def test_one_bad_turn_does_not_widen_the_range_of_quantiles():
    found = spread([1.0] * 24 + [4.16])
    assert found["high"] == 1.0 and found["max"] == 4.16


def test_the_ratio_is_formed_within_a_turn():
    """A machine ten times slower half-way changes neither ratio; that of the medians it would."""
    assert speedup([2.0, 20.0, 20.0, 2.0], [1.0, 10.0, 10.0, 1.0])["median"] == 2.0


def test_peaks_are_positive_numbers():
    assert matrix_peak(size=64, repeats=2) > 0
    assert matrix_peak(torch.bfloat16, size=64, repeats=2) > 0
    assert memory_bandwidth(megabytes=1, repeats=2) > 0


def test_memory_sees_a_large_block():
    """A map of fresh pages, not an array: an allocator may hand out memory that is held already."""
    forget_peak()
    before, _ = resident_bytes()
    if not before:
        pytest.skip("no /proc")
    size = 256 * 2**20
    block = mmap.mmap(-1, size)
    for page in range(0, size, mmap.PAGESIZE):
        block[page] = 1
    assert resident_bytes()[0] - before > 0.8 * size
    block.close()
    now, peak = resident_bytes()
    assert now - before < 0.2 * size and peak - before > 0.8 * size


def test_the_record_has_the_machine(tmp_path):
    write_record(tmp_path / "new" / "x.json", {"value": 3})
    found = json.loads((tmp_path / "new" / "x.json").read_text())
    assert found["value"] == 3 and found["hardware"]["versions"]["torch"] == torch.__version__
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["x.json"]


def test_seconds_to_reach_by_hand():
    curve = [{"seconds": s, "nll": x} for s, x in ((1.0, 6.0), (2.0, 6.5), (4.0, 5.0), (5.0, 3.0))]
    assert seconds_to_reach(curve, 4.0) == 4.5
    assert seconds_to_reach(curve, 5.75) == 3.0  # not on the way up
    assert seconds_to_reach(curve, 6.0) == 1.0 and seconds_to_reach(curve, 2.9) is None
    assert seconds_to_reach(curve[:1], 7.0) == 1.0


def test_a_record_is_found_from_a_folder_below(tmp_path, monkeypatch, capsys):
    write_record(tmp_path / "benchmarks" / "results" / "x.json", {"value": 3})
    (tmp_path / "notebooks" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notebooks" / "deep")
    assert read_record("x")["value"] == 3 and capsys.readouterr().out == ""
    assert read_record("no_such") is None
    assert "python benchmarks/no_such.py" in capsys.readouterr().out
    assert read_record("no_such", "python other.py all") is None
    assert capsys.readouterr().out.endswith("in the repository: python other.py all\n")


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match="repeats must be at least 1"):
        take_turns({}, repeats=0)
    with pytest.raises(ValueError, match="values is empty"):
        spread([])
    with pytest.raises(ValueError, match="share in"):
        quantile([1.0], 1.5)
    with pytest.raises(ValueError):
        speedup([1.0], [1.0, 2.0])
