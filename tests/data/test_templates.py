"""Templates and formulas: what stays in the sentence."""

from __future__ import annotations

import pytest

from course_lib.data.templates import expand_template, split_arguments, tex


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("cite web|url=a|title=b", ""),
        ("Infobox|name=x", ""),
        ("convert|16|in|cm|abbr=on", "16 inches"),
        ("convert|5|to|9|C|F", "5 to 9 °C"),
        ("convert|5|-|9|km", "5–9 km"),
        ("convert|5", "5"),
        ("convert", ""),
        ("lang|de|Wille", "Wille"),
        ("lang-grc-gre|ἀναρχία", "ἀναρχία"),
        ("transl|ar|ALA|Allāh", "Allāh"),
        ("Nihongo|'''return'''|小手返し|kotegaeshi", "'''return'''"),
        ("frac|2", "1/2"),
        ("frac|3|2", "3/2"),
        ("frac|1|3|2", "1 3/2"),
        ("chem|Cs|7|O|2", "Cs7O2"),
        ("simplenuclide|potassium|40", "potassium-40"),
        ("As of|2013|June|8", "As of June 2013"),
        ("as of|2010|6", "As of June 2010"),
        ("As_of|2010|lc=y", "As of 2010"),
        ("as of", "As of "),
        ("circa|3000", "c. 3000"),
        ("nowrap|1=a=b", "a=b"),
        ("nowrap|[[x|y]]", "[[x|y]]"),
        ("quote|text=Long live.|author=Z", "\nLong live.\n"),
        ("small", ""),
        ("", ""),
    ],
)
def test_expand(call, expected):
    assert expand_template(call) == expected


def test_arguments_split_outside_links():
    assert split_arguments("a|[[b|c]]|d|[[e") == ["a", "[[b|c]]", "d", "[[e"]
    assert split_arguments("a]]|b") == ["a]]", "b"]


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("y+1", "y+1"),
        ("\\Omega_{k} \\times \\mathbf{x}", "Omega_k × x"),
        ("\\frac{a}{b}", ""),
        ("a" * 100, ""),
        ("", ""),
    ],
)
def test_tex(formula, expected):
    assert tex(formula) == expected
