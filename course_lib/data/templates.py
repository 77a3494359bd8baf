"""What a template leaves in the prose: mostly nothing, sometimes its argument.

A page of the encyclopaedia calls thousands of templates. Most are citations, boxes and notices, and
go without a trace. Some stand in the middle of a sentence, and taking them out would leave a hole
(*mines* ``{{convert|9|km}}`` *deep*): for those this file has one rule each, a function of the
positional arguments. Formulas in TeX are kept where a few replacements make them plain text. Rules
were chosen by counting the templates of the dump that the course uses. Source:
https://en.wikipedia.org/wiki/Help:Template. Cost: linear in the length of the call.

>>> expand_template("convert|16|to|20|km|mi|abbr=on")
'16 to 20 km'
>>> expand_template("cite web|url=http://example.org")
''
>>> tex(r"\\alpha \\leq x^{2}"), tex(r"\\begin{matrix} a & b \\end{matrix}")
('alpha ≤ x^2', '')
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable

Arguments = list[str]
SPLIT = re.compile(r"(\[\[|\]\]|\|)")
NAMED = re.compile(r"\s*[A-Za-z][\w -]*=")
RANGES = {
    "-": "–",
    "–": "–",
    "to": " to ",
    "and": " and ",
    "x": " × ",
    "by": " by ",
    "or": " or ",
    "+": " + ",
}
LONGEST_FORMULA = 60  # characters; longer ones are display formulas rather than part of a sentence


def expand_template(body: str) -> str:
    """The prose that the call ``{{body}}`` leaves, ``""`` for most."""
    name, *arguments = split_arguments(body)
    name = " ".join(name.replace("_", " ").split()).lower()
    rule = _first if FIRST.fullmatch(name) else RULES.get(name, _nothing)
    kept = [a for a in arguments if not NAMED.match(a) or name in TEXTS and _is_text(a)]
    return rule([_value(a) for a in kept])


def split_arguments(body: str) -> list[str]:
    """``body`` cut at the bars that do not belong to a link inside of it."""
    parts, depth = [[]], 0
    for piece in SPLIT.split(body):
        depth += (piece == "[[") - (piece == "]]")
        if piece == "|" and depth <= 0:
            parts.append([])
        else:
            parts[-1].append(piece)
    return ["".join(part) for part in parts]


def _is_text(argument: str) -> bool:
    return argument.partition("=")[0].strip() in ("1", "text", "quote")


def _value(argument: str) -> str:
    key, equals, value = argument.partition("=")
    return (value if equals and (_is_text(argument) or key.strip().isdigit()) else argument).strip()


def _nothing(arguments: Arguments) -> str:
    return ""


def _first(arguments: Arguments) -> str:
    return arguments[0] if arguments else ""


def _last(arguments: Arguments) -> str:
    return arguments[-1] if arguments else ""


def _paragraph(arguments: Arguments) -> str:
    return f"\n{_first(arguments)}\n"


def _convert(arguments: Arguments) -> str:
    """``16|km|mi`` and ``16|to|20|km``: the number or range and its unit, not the conversion."""
    if len(arguments) >= 4 and arguments[1] in RANGES:
        low, between, high, unit = arguments[:4]
        return f"{low}{RANGES[between]}{high} {UNITS.get(unit, unit)}"
    return " ".join(UNITS.get(a, a) for a in arguments[:2])


def _fraction(arguments: Arguments) -> str:
    if len(arguments) > 1:
        whole, top, bottom = (["", "1", "1"] + arguments)[-3:]
    else:
        whole, top, bottom = "", "1", _first(arguments)
    return f"{whole} {top}/{bottom}".strip() if len(arguments) > 2 else f"{top}/{bottom}"


def _as_of(arguments: Arguments) -> str:
    year, *rest = arguments or [""]
    month = [MONTHS.get(int(part), part) if part.isdigit() else part for part in rest[:1]]
    return " ".join(["As of", *month, year])


def _nuclide(arguments: Arguments) -> str:
    return "-".join(arguments[:2])


def _constant(text: str) -> Callable[[Arguments], str]:
    return lambda arguments: text


UNITS = {
    "ft": "feet", "mi": "miles", "in": "inches", "yd": "yards", "nmi": "nautical miles",
    "sqft": "square feet", "sqmi": "square miles", "acre": "acres",
    "m2": "m²", "km2": "km²", "sqkm": "km²", "m3": "m³", "km3": "km³", "cuft": "cubic feet",
    "lb": "pounds", "oz": "ounces",
    "C": "°C", "F": "°F", "C-change": "°C", "F-change": "°F"}  # fmt: skip
MONTHS = dict(enumerate(calendar.month_name))
FIRST = re.compile(
    "small|smaller|nowrap|nobr|sc|smallcaps|vanchor|keypress|key|vr|big|larger|unicode|abbr|"
    "tooltip|flag|flagcountry|nihongo|mvar|math|sic|var|midsize|resize|polytonic|hebrew|script|"
    "ipa|angle bracket|visible anchor|lang-.*"
)
TEXTS = frozenset(
    {"quote", "quotation", "cquote", "blockquote", "bquote", "poemquote", "nowrap", "mvar", "math"}
)
RULES: dict[str, Callable[[Arguments], str]] = {
    **dict.fromkeys(["lang", "transl", "transliteration"], _last),
    **dict.fromkeys(TEXTS - {"nowrap", "mvar", "math"}, _paragraph),
    **dict.fromkeys(["convert", "cvt"], _convert),
    **dict.fromkeys(["frac", "sfrac", "fraction"], _fraction),
    **dict.fromkeys(["simplenuclide", "simplenuclide2", "nuclide"], _nuclide),
    **dict.fromkeys(["chem", "chem2"], lambda arguments: "".join(arguments)),
    **dict.fromkeys(["circa", "c.", "ca."], lambda arguments: f"c. {_first(arguments)}"),
    **dict.fromkeys(["nbsp", "space", "spaces", "thinsp"], _constant(" ")),
    **dict.fromkeys(["ndash", "–", "en dash"], _constant("–")),
    **dict.fromkeys(["mdash", "—", "em dash"], _constant("—")),
    **dict.fromkeys(["spaced ndash", "snd", "spnd"], _constant(" – ")),
    "as of": _as_of,
    "angbr": lambda arguments: f"⟨{_first(arguments)}⟩",
    "val": lambda arguments: _first(arguments),
    "'s": _constant("'s"),
    "eqm": _constant("⇌"),
    "=": _constant("="),
    "·": _constant(" · "),
}

GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|"
    "nu|xi|pi|rho|sigma|tau|phi|chi|psi|omega",
    re.IGNORECASE,
)
SYMBOLS = {
    "leq": "≤", "le": "≤", "geq": "≥", "ge": "≥", "neq": "≠", "ne": "≠", "approx": "≈", "sim": "~",
    "times": "×", "cdot": "·", "pm": "±", "infty": "∞", "in": "∈", "to": "→", "rightarrow": "→",
    "ldots": "...", "dots": "...", "cdots": "...", "circ": "°", "quad": " ",
    "log": "log", "ln": "ln", "exp": "exp", "max": "max", "min": "min",
    "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "arcsin",
    "varepsilon": "epsilon", "varphi": "phi"}  # fmt: skip
STYLES = re.compile(
    r"\\(?:mathrm|mathbf|mathit|mathcal|mathbb|text|mbox|rm|bf|"
    r"left|right|displaystyle|operatorname)\b"
)
SPACES = re.compile(r"\\[ ,;:!]|~")
BRACED = re.compile(r"\{(\w+)\}")
COMMAND = re.compile(r"\\([A-Za-z]+) ?")


def tex(formula: str) -> str:
    """A short TeX ``formula`` as plain text; ``""`` if it needs more than names and symbols."""

    def spelled(command: re.Match[str]) -> str:
        name = command[1]
        return (name if GREEK.fullmatch(name) else SYMBOLS.get(name, command[0])) + " "

    text = COMMAND.sub(spelled, SPACES.sub(" ", STYLES.sub("", formula)))
    text = re.sub(" +([_^,)])", r"\1", " ".join(BRACED.sub(r"\1", text).split()))
    return "" if len(text) > LONGEST_FORMULA or re.search(r"[\\{}&]", text) else text
