"""The book's own Sphinx extension, which renders the package's docstrings well.

They are written for the source and ``help()``.

Lines that read ``name: what it is`` become a list of the parameters, where reStructuredText would
run them together; so do paragraphs of aligned columns. Indented formulas and drawings become
literal blocks. Bars (``|V|``) are kept, and the stars of ``(**options)``.
"""

from __future__ import annotations

import inspect
import re
from itertools import groupby
from typing import Any

from sphinxcontrib.mermaid import mermaid

PARAMETER = re.compile(r"(\w+)((?:(?:,| or| and) \w+| \([^)]*\))*): (\S.*)")
# outside of code, what reStructuredText would take for marks: bars, and the stars of (**options)
SPECIAL = re.compile(r"(``.*?``)|\||\*\*(?=\w+[,)])")
COLUMN = re.compile(r"(``[^`]+``|\S+) {2,}(\S.*)")


def names_of(thing: Any) -> set[str]:
    """The parameters of a function or the fields of a dataclass; nothing for other objects."""
    try:
        return set(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        return set()


def paragraphs(lines: list[str]) -> list[list[str]]:
    """``lines`` split at blank ones."""
    return [
        list(group) for filled, group in groupby(lines, lambda line: bool(line.strip())) if filled
    ]


def parameters(paragraph: list[str], names: set[str]) -> list[str]:
    """The paragraph with its ``name: text`` lines, and what continues them, made a bullet list."""
    result: list[str] = []
    inside = False
    for line in paragraph:
        start = PARAMETER.match(line)
        if start and start[1] in names:
            result += [] if inside or not result else [""]
            result.append(f"* **{start[1]}{start[2]}**: {start[3]}")
        elif inside and line.startswith(" "):
            result.append("  " + line.strip())
            continue
        else:
            result += ["", line] if inside else [line]
        inside = bool(start and start[1] in names)
    return result


def render(paragraph: list[str], before: list[str], names: set[str]) -> list[str]:
    """One paragraph as reStructuredText; ``before`` is the paragraph above it."""
    if paragraph[0].startswith((">>>", "..", "=", "+-")):
        return paragraph
    if all(line.startswith("    ") for line in paragraph):
        listed = before and (
            before[0].startswith(("*", "-", " ", "..")) or before[-1].rstrip().endswith("::")
        )
        return paragraph if listed else ["::", "", *paragraph]
    text = [SPECIAL.sub(lambda m: m[1] or "\\" + "\\".join(m[0]), line) for line in paragraph]
    if COLUMN.match(text[0]) and all(line.startswith("  ") or COLUMN.match(line) for line in text):
        return [
            COLUMN.sub(r"* \1: \2", line) if not line.startswith(" ") else "  " + line.strip()
            for line in text
        ]
    text = [part for line in text for part in re.split(r"(?<=\S)  (?=\w+(?: \([^)]*\))?: )", line)]
    return parameters(text, names)


def process(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Sphinx's event ``autodoc-process-docstring``: change ``lines`` in place."""
    names = names_of(thing) if what != "module" else set()
    blocks = paragraphs(lines)
    rendered = [
        render(block, above, names) for above, block in zip([[], *blocks], blocks, strict=False)
    ]
    lines[:] = [line for block in rendered for line in [*block, ""]]


SIGNATURE = re.compile(
    r'(<span class="sig-paren">\(</span>\s*)<dl>(.*?)</dl>(?=\s*<span class="sig-paren">\))',
    re.DOTALL,
)


def mend(app: Any, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Sphinx's event ``html-page-context``: mend what a screen reader stumbles on.

    A signature of several lines is no list of definitions, an entry of the bibliography is an item
    of a list, and the exercises of a page would all have the same id.
    """
    lines = {"<dd>": '<span class="sig-line">', "</dd>": "</span>"}
    body = context.get("body") or ""
    body = SIGNATURE.sub(lambda m: m[1] + re.sub(r"</?dd>", lambda tag: lines[tag[0]], m[2]), body)
    body = re.sub(r' id="(?:exercise|solution)-content"', "", body)
    context["body"] = body.replace('role="doc-biblioentry"', 'role="listitem"')


def describe_maps(app: Any, document: Any, page: str) -> None:
    """Sphinx's event ``doctree-resolved``: a mermaid drawing gets its ``:alt:`` as its title.

    That is what a screen reader reads.
    """
    for drawing in document.findall(mermaid):
        first, _, rest = drawing["code"].strip().partition("\n")
        if drawing.get("alt") and "accTitle" not in rest:
            drawing["code"] = f"{first}\n  accTitle: {drawing['alt']}\n{rest}"


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", process, priority=400)  # before napoleon
    app.connect("doctree-resolved", describe_maps)
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
