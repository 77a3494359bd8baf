"""The law of span lengths against SpanBERT's."""

from __future__ import annotations

import math

import pytest

from course_lib.masking import MaskPolicy, span_law


def test_span_law_is_spanberts():
    q, survival = span_law(MaskPolicy(unit="span"))
    weights = [0.8**k for k in range(10)]
    spanbert = sum((k + 1) * w for k, w in enumerate(weights)) / sum(weights)
    assert sum(survival) == pytest.approx(3.8) and spanbert == pytest.approx(3.8, abs=0.01)
    assert math.prod(1 - q * s for s in survival) == pytest.approx(0.85)
    assert span_law(MaskPolicy(unit="span", mean_span=1.0, max_span=1))[0] == pytest.approx(0.15)
    assert span_law(MaskPolicy(rate=1.0, unit="span"))[0] == 1.0
