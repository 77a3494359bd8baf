"""Finite differences against derivatives on paper and from autograd; wrong ones are caught."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_lib.gradients import GradientError, check_gradients, compare
from course_lib.gradients.by_hand import (
    cross_entropy,
    layer_norm,
    layer_norm_backward,
    softmax,
    softmax_backward,
)
from course_lib.gradients.checking import FLOOR, central_difference, relative_error, step_curve

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("order, within", [(2, 1e-9), (4, 1e-11)])
@pytest.mark.parametrize(
    "f, slope",
    [
        (lambda x: np.sin(x).sum(), np.cos),
        (lambda x: np.exp(x).sum(), np.exp),
        (lambda x: (x**3).sum(), lambda x: 3 * x**2),
        (lambda x: np.log(np.exp(x).sum()), lambda x: np.exp(x) / np.exp(x).sum()),
    ],
    ids=["sin", "exp", "cube", "log-sum-exp"],
)
def test_agrees_with_derivatives_known_on_paper(f, slope, order, within):
    x = RNG.normal(size=(3, 2))
    assert relative_error(central_difference(f, x, order=order), slope(x))[0] < within


@pytest.mark.parametrize("order, exact", [(2, 2), (4, 4)])
def test_is_exact_for_polynomials_up_to_its_order(order, exact):
    x = np.array([0.7])
    difference = central_difference(lambda x: (x**exact).sum(), x, step=0.25, order=order)
    assert difference == pytest.approx(exact * x ** (exact - 1), rel=1e-13)
    coarse = central_difference(lambda x: (x ** (exact + 1)).sum(), x, step=0.25, order=order)
    assert abs(coarse - (exact + 1) * x**exact) > 1e-3  # and not for the next one


def test_agrees_with_autograd_on_a_module():
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(3, 2).double(), torch.randn(4, 3, dtype=torch.float64)

    def loss(p):
        weight, bias = (torch.from_numpy(p[k]) for k in ("weight", "bias"))
        return F.gelu(F.linear(x, weight, bias)).square().sum().item()

    F.gelu(layer(x)).square().sum().backward()
    parameters = {k: v.detach().numpy() for k, v in layer.named_parameters()}
    gradients = {k: v.grad.numpy() for k, v in layer.named_parameters()}
    assert check_gradients(loss, parameters, gradients).raise_if_wrong().error < 1e-9


def test_the_error_curve_is_a_v_with_the_predicted_slopes_and_bottom():
    x = np.array([1.0])
    steps = np.logspace(-12, -1, 45)
    for order, bottom, power in ((2, 6e-6, 2), (4, 7e-4, 4)):
        error = step_curve(lambda x: np.exp(x).sum(), x, np.exp(x), steps, order=order)
        best = steps[np.argmin(error)]
        assert bottom / 30 < best < bottom * 30
        right = steps > 10 * bottom  # Taylor's remainder: a line of slope `order` in the logarithms
        slope = np.polyfit(np.log(steps[right]), np.log(error[right]), 1)[0]
        assert slope == pytest.approx(power, abs=0.15)
        left = steps < bottom / 30  # rounding: at most a few eps / h
        assert (error[left] < 10 * 2.2e-16 / steps[left]).all()
        assert error[0] > 1e3 * error.min()


def planted(name: str):
    """A loss, its inputs, the right gradients and faulty ones, as (loss, inputs, right, wrong)."""
    z, y = RNG.normal(size=(3, 5)), np.array([0, 4, 2])
    x, gain, bias = RNG.normal(size=(4, 6)), RNG.normal(size=6), RNG.normal(size=6)
    r = RNG.normal(size=(4, 6))
    table, ids = RNG.normal(size=(5, 2)), np.array([1, 1, 3])
    if name == "missing 1/n":
        right = cross_entropy(z, y)[1]
        return lambda p: cross_entropy(p["z"], y)[0], {"z": z}, {"z": right}, {"z": 3 * right}
    if name == "wrong sign in the softmax Jacobian":
        p = softmax(z)
        dp = RNG.normal(size=p.shape)
        wrong = p * (dp + (dp * p).sum(-1, keepdims=True))
        right = softmax_backward(dp, p)
        return lambda q: (dp * softmax(q["z"])).sum(), {"z": z}, {"z": right}, {"z": wrong}
    if name == "epsilon outside the root":
        eps, small = 1e-3, 0.05 * x
        _, cache = layer_norm(small, gain, bias, eps)
        normal = small - small.mean(-1, keepdims=True)
        rate = 1 / (normal.std(-1, keepdims=True) + eps)
        right, wrong = (layer_norm_backward(r, c, gain)[0] for c in (cache, (normal * rate, rate)))
        return (
            lambda p: (r * layer_norm(p["x"], gain, bias, eps)[0]).sum(),
            {"x": small},
            {"x": right},
            {"x": wrong},
        )
    if name == "missing tied path":
        h = table[ids]
        right = np.zeros_like(table)
        np.add.at(right, ids, 2 * h)  # both factors of h . h are the table
        return lambda p: (p["E"][ids] ** 2).sum(), {"E": table}, {"E": right}, {"E": right / 2}
    assert name == "assignment instead of addition"
    right, wrong = np.zeros_like(table), np.zeros_like(table)
    np.add.at(right, ids, np.ones((3, 2)))
    wrong[ids] += 1  # a repeated id counts once
    return lambda p: p["E"][ids].sum(), {"E": table}, {"E": right}, {"E": wrong}


FAULTS = (
    "missing 1/n",
    "wrong sign in the softmax Jacobian",
    "epsilon outside the root",
    "missing tied path",
    "assignment instead of addition",
)


@pytest.mark.parametrize("fault", FAULTS)
def test_catches_planted_faults(fault):
    loss, inputs, right, wrong = planted(fault)
    assert check_gradients(loss, inputs, right).wrong == []
    report = check_gradients(loss, inputs, wrong)
    assert report.wrong == list(inputs) and report.error > 1e-3
    with pytest.raises(GradientError, match="WRONG"):
        report.raise_if_wrong()


def test_only_the_wrong_tensor_is_named_even_a_small_one():
    a, b = np.array([3.0]), np.array([1e-4])
    report = check_gradients(
        lambda p: (p["a"] ** 2).sum() + (p["b"] ** 2).sum(),
        {"a": a, "b": b},
        {"a": 2 * a, "b": 3 * b},
    )
    assert report.wrong == ["b"]


def test_a_gradient_that_is_zero_but_for_rounding_passes():
    x = {"x": np.ones(3), "shift": np.zeros(1)}
    given = {"x": softmax(x["x"]) - [1, 0, 0], "shift": np.array([1e-17])}

    def loss(p):
        return cross_entropy((p["x"] + p["shift"])[None], np.array([0]))[0]

    assert check_gradients(loss, x, given).wrong == []
    given["shift"] = np.array([1e-3])
    assert check_gradients(loss, x, given).wrong == ["shift"]


def test_relative_error_is_symmetric_in_scale_and_says_where():
    a, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [3.0, 5.0]])
    assert relative_error(a, b) == relative_error(b, a) == (0.2, (1, 1))
    assert relative_error(1e6 * a, 1e6 * b)[0] == pytest.approx(0.2)
    assert relative_error(np.zeros(2), np.zeros(2))[0] == 0
    assert relative_error(np.zeros(0), np.zeros(0)) == (0.0, ())
    assert relative_error(np.array([0.0]), np.array([1e-9]), floor=1.0)[0] == pytest.approx(1e-9)
    assert 0 < FLOOR < 1


def test_a_nan_gradient_never_agrees():
    gradient = np.array([1.0, np.nan])
    report = check_gradients(lambda p: p["x"].sum(), {"x": np.ones(2)}, {"x": gradient})
    assert report.wrong == ["x"] and np.isnan(report.error)


def test_a_sample_of_entries_holds_the_largest_gradient_and_repeats():
    x = RNG.normal(size=(40, 5))
    gradient = 2 * x
    wrong = gradient.copy()
    top = np.unravel_index(np.argmax(np.abs(gradient)), x.shape)
    wrong[top] *= 1.01
    calls = []

    def loss(p):
        calls.append(1)
        return float((p["x"] ** 2).sum())

    for given, expected in ((gradient, []), (wrong, ["x"])):
        report = check_gradients(
            loss, {"x": x}, {"x": given}, max_entries=8, generator=torch.Generator().manual_seed(3)
        )
        assert report.wrong == expected
    assert report.entries[0].where == tuple(int(i) for i in top)
    assert len(calls) <= 2 * (2 + 2 * 9)


def test_the_inputs_are_left_as_they_were():
    x = RNG.normal(size=4)
    before = x.copy()
    check_gradients(lambda p: (p["x"] ** 2).sum(), {"x": x}, {"x": 2 * x})
    assert (x == before).all()


def test_the_report_reads_as_a_table_in_text_and_in_a_notebook():
    given = {"<w>": np.array([[1.0, 2.0]]), "b": np.array([0.5])}
    report = compare(given, {"<w>": np.array([[1.0, 2.5]]), "b": np.array([0.5])}, tolerance=1e-7)
    head, first, second, verdict = str(report).splitlines()
    for word in ("name", "shape", "largest relative error", "where", "verdict"):
        assert word in head
    for word in ("<w>", "(1, 2)", "2.0e-01", "(0, 1)", "2.5", "WRONG"):
        assert word in first
    assert "agrees" in second
    assert verdict == "1 of 2 differ by more than 1e-07: <w>"
    assert repr(report) == str(report)
    page = report._repr_html_()
    assert "&lt;w&gt;" in page and "<w>" not in page and page.count("<tr>") == 3


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(parameters={}), "parameters is empty"),
        (dict(gradients={}), "gradients lacks"),
        (
            dict(parameters={"x": np.ones(2, dtype=np.float32)}),
            r"parameters\['x'\] is float32.*double",
        ),
        (
            dict(gradients={"x": torch.ones(2, dtype=torch.float64)}),
            r"gradients\['x'\] is torch.float64",
        ),
        (
            dict(gradients={"x": np.ones((2, 1))}),
            r"has shape \(2, 1\), but the parameter has \(2,\)",
        ),
        (dict(step=0.0), "step must be positive"),
        (dict(order=3), "order must be 2 or 4"),
        (dict(loss=lambda p: float("nan")), "two values|finite"),
        (dict(loss=lambda p: float(RNG.normal())), "two values.*dropout"),
    ],
)
@pytest.mark.not_strict("wrong types")
def test_errors_name_the_field_and_the_remedy(change, message):
    x = np.ones(2)
    sound = dict(loss=lambda p: float(p["x"].sum()), parameters={"x": x}, gradients={"x": x})
    with pytest.raises(ValueError, match=message):
        check_gradients(**(sound | change))


@pytest.mark.not_strict("wrong types")
def test_comparing_different_tensors_is_an_error():
    with pytest.raises(ValueError, match="one gradient only.*b"):
        compare({"a": np.ones(1)}, {"a": np.ones(1), "b": np.ones(1)}, tolerance=1e-7)
    with pytest.raises(ValueError, match="a: given has shape"):
        compare({"a": np.ones(1)}, {"a": np.ones(2)}, tolerance=1e-7)


def test_a_step_that_is_lost_in_rounding_is_refused():
    x = np.array([1000.0], dtype=np.float32)
    with pytest.raises(ValueError, match="lost in the rounding of 1000.0"):
        central_difference(lambda x: float(x.sum()), x, step=1e-6)


def test_infinite_losses_are_refused():
    with pytest.raises(ValueError, match="the loss is inf"):
        central_difference(lambda x: np.inf, np.ones(1))
