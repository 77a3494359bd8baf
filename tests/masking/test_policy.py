"""The policy of masking: it travels, and it says what is wrong."""

from __future__ import annotations

import json
import math

import pytest

from course_lib.masking import MaskPolicy


def test_policy_travels_as_json():
    policy = MaskPolicy(0.3, 0.7, 0.2, 0.1, unit="span", mean_span=2.5, max_span=6)
    assert MaskPolicy.from_json(policy.to_json()) == policy
    assert json.loads(policy.to_json())["unit"] == "span"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"rate": 0.0}, r"rate must be in \(0, 1\], got 0.0"),
        ({"rate": 15}, "got 15.0: it is a share"),
        ({"rate": math.nan}, "rate must be .* got nan"),
        ({"mask": 0.8, "random": 0.1, "keep": 0.2}, "add up to 1.*sum 1.1"),
        ({"mask": 1.2, "random": -0.2, "keep": 0.0}, "must not be negative"),
        ({"unit": "sentence"}, "unit must be one of .*'sentence'"),
        (
            {"unit": "span", "mean_span": 7.0},
            "mean_span must be at least 1 and at most .* = 5.5, got 7.0",
        ),
        ({"unit": "span", "max_span": 0}, "max_span must be a whole number"),
        ({"unit": "span", "max_span": 256}, "from 1 to 255, got 256"),
    ],
)
def test_policy_says_what_is_wrong(fields, says):
    with pytest.raises(ValueError, match=says):
        MaskPolicy(**fields)
