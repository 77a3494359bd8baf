import numpy as np
import pytest

from course_lib.distributed.costs import (
    Cluster,
    all_reduce_bytes,
    all_reduce_seconds,
    bubble,
    data_parallel_step,
    ring_all_reduce,
    state_bytes,
    tensor_parallel_seconds,
)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_the_ring_adds_up_and_sends_what_the_formula_says(n):
    arrays = [np.random.default_rng(k).normal(size=(n, 12)) for k in range(n)]
    found, sent = ring_all_reduce(arrays)
    assert all(np.allclose(a, sum(arrays), rtol=1e-12) for a in found)
    # the same bits everywhere: the workers can't drift apart
    assert all(np.array_equal(a, found[0]) for a in found)
    assert all(s == all_reduce_bytes(n, n * 12) for s in sent)


def test_the_ring_takes_lengths_that_do_not_divide():
    arrays = [np.arange(7.0) * (k + 1) for k in range(3)]
    found, sent = ring_all_reduce(arrays)
    assert np.array_equal(found[2], np.arange(7.0) * 6)
    assert sum(sent) == pytest.approx(3 * all_reduce_bytes(3, 7))


def test_all_reduce_time_is_the_sum_of_its_messages():
    """2 (n - 1) messages of size / n bytes, one after the other."""
    n, size, latency, bandwidth = 6, 3e6, 2e-5, 1e9
    messages = 2 * (n - 1) * (latency + size / n / bandwidth)
    link = dict(latency=latency, bandwidth=bandwidth)
    assert all_reduce_seconds(n, size, **link) == pytest.approx(messages)
    assert all_reduce_seconds(1, size, **link) == 0


def test_state_against_the_table_of_the_zero_paper():
    """Rajbhandari et al. 2020, figure 1: 7.5 billion parameters, 64 workers, mixed precision.

    At the stages 0 to 3: 120, 31.4, 16.6 and 1.9 GB.
    """
    mixed = dict(weight=2, gradient=2, optimizer=12)
    found = [state_bytes(7.5e9, 64, stage=s, **mixed) / 1e9 for s in range(4)]
    assert found == pytest.approx([120, 31.4, 16.6, 1.9], abs=0.05)
    with pytest.raises(ValueError, match="stage must be 0, 1, 2 or 3, got 4"):
        state_bytes(1, 2, stage=4)


@pytest.mark.parametrize(("stages", "micro"), [(1, 4), (4, 1), (4, 8), (3, 5)])
def test_the_bubble_by_drawing_the_schedule(stages, micro):
    """Stage s works on micro-batch m at time s + m: count the empty places of the grid."""
    length = stages + micro - 1
    busy = {(s, s + m) for s in range(stages) for m in range(micro)}
    assert bubble(stages, micro) == pytest.approx(1 - len(busy) / (stages * length))


CLUSTER = Cluster(flops=4e14, memory=80e9, inside=4e11, between=5e10)


def test_a_step_hides_communication_behind_the_backward_pass():
    small = data_parallel_step(CLUSTER, 16, flops=1e12, gradient_bytes=2e8)
    large = data_parallel_step(CLUSTER, 16, flops=1e16, gradient_bytes=2e8)
    assert small.exposed > 0 and small.efficiency < 0.5
    assert large.exposed == 0 and large.efficiency == 1
    assert large.communication == small.communication
    bare = data_parallel_step(CLUSTER, 16, flops=1e16, gradient_bytes=2e8, overlap=0)
    assert bare.total == pytest.approx(bare.compute + bare.communication)
    sharded = data_parallel_step(CLUSTER, 16, flops=1e16, gradient_bytes=2e8, stage=3)
    assert sharded.communication == pytest.approx(1.5 * large.communication)
    assert data_parallel_step(CLUSTER, 1, flops=1e12, gradient_bytes=2e8).communication == 0


def test_the_link_between_nodes_is_taken_where_it_must():
    assert CLUSTER.link(8) == 4e11 and CLUSTER.link(9) == 5e10


def test_tensor_parallel_sends_four_activations_a_layer():
    found = tensor_parallel_seconds(CLUSTER, 8, tokens=1000, d_model=500, n_layers=3)
    assert found == pytest.approx(12 * all_reduce_seconds(8, 1e6, latency=1e-5, bandwidth=4e11))


def test_impossible_values_are_named():
    for call in (
        lambda: all_reduce_bytes(0, 1),
        lambda: bubble(1, 0),
        lambda: all_reduce_seconds(2, 1, latency=0, bandwidth=0),
    ):
        with pytest.raises(ValueError, match="must be positive, got 0"):
            call()
