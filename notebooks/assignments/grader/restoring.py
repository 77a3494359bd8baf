"""Recognise the cells of a submitted notebook and put it back into the shape of the released one.

nbgrader finds cells by their metadata. Editors drop metadata, copy cells, merge, split and move
them; nbgrader then grades zero and says nothing. Here every cell is found by what is in it: given
cells by their text, solutions by the function that they define, written answers by their metadata,
their first line or their place. The result has all the given cells as released, the student's
solutions in their places, and the student's own cells where they stood. What cannot be decided is
refused, with the cell and the reason.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import nbformat

from . import source_code
from .given import Given, Matching, given_cells, squeeze
from .reading import Refused


@dataclass(frozen=True)
class Restored:
    """The notebook to grade, and what the instructor (and the student) should know about it."""

    notebook: nbformat.NotebookNode
    remarks: tuple[str, ...]


def restore(
    submitted: nbformat.NotebookNode,
    release: nbformat.NotebookNode,
    *,
    accept_missing: bool = False,
) -> Restored:
    """The released notebook with the student's answers and the student's own cells in it.

    Args:
        submitted: what the student handed in, as nbformat 4.
        release: the student version as released.
        accept_missing: grade an answer of which there is no trace as not attempted, instead of
            refusing.

    Raises:
        Refused: it is another notebook, or an answer is missing or there twice.
    """
    try:
        return _restored(submitted, release, accept_missing)
    except RecursionError:
        raise Refused("an expression in the code is nested too deeply to be read") from None


def _restored(
    submitted: nbformat.NotebookNode, release: nbformat.NotebookNode, accept_missing: bool
) -> Restored:
    given = given_cells(release)
    names = {cell.name for cell in given}
    meta = [
        cell.get("metadata", {}).get("nbgrader", {}).get("grade_id") for cell in submitted.cells
    ]
    matching = Matching(submitted.cells, [name if name in names else None for name in meta], given)
    _match_locked(matching)
    _check_identity(matching)
    _match_code(matching, accept_missing)
    _match_locked_by_name(matching)
    _match_text(matching, accept_missing)
    _remark_metadata(matching)
    return _assemble(matching, release)


def _match_locked(m: Matching) -> None:
    by_text = {squeeze(cell.source): cell.name for cell in m.locked.values()}
    for i, cell in enumerate(m.cells):
        name = by_text.get(squeeze(cell.source))
        if name:
            m.owner[i] = name


def _check_identity(m: Matching) -> None:
    functions = frozenset().union(*(cell.functions for cell in m.given))
    found = set().union(*(source_code.defined(cell.source) for cell in m.cells)) & functions
    if not found and len(set(m.owner.values())) < 3:
        raise Refused(
            "this is another notebook: "
            "none of the assignment's functions and hardly any of its cells are in it"
        )


def _match_code(m: Matching, accept_missing: bool) -> None:
    chosen: dict[int, list[Given]] = {}
    for cell in m.given:
        if cell.functions:
            i = _solution_cell(m, cell, accept_missing)
            if i is not None:
                chosen.setdefault(i, []).append(cell)
    statements = source_code.statements(
        cell.source for cell in m.locked.values() if cell.kind == "code"
    )
    for i, answered in chosen.items():
        m.owner[i] = answered[0].name
        source = _without_course_names(m, i, source_code.without(m.cells[i].source, statements))
        if len(answered) == 1:
            m.sources[answered[0].name] = source
            continue
        parts = source_code.split(source, [cell.functions for cell in answered])
        labels = ", ".join(cell.name for cell in answered)
        if parts is None:
            raise Refused(
                f"cell {i + 1} holds the answers {labels} together and is not valid Python: "
                "it cannot be taken apart"
            )
        m.sources.update({cell.name: part for cell, part in zip(answered, parts)})
        m.remarks.append(f"cell {i + 1} held the answers {labels} together and was taken apart")


def _solution_cell(m: Matching, given: Given, accept_missing: bool) -> int | None:
    """Index of the cell that answers `given`: by the function it defines, then by its metadata."""
    name = "`" + "`, `".join(sorted(given.functions)) + "`"
    found = [
        i
        for i, cell in enumerate(m.cells)
        if i not in m.owner and given.functions & source_code.defined(cell.source)
    ]
    found = [i for i in found if squeeze(m.cells[i].source) != squeeze(given.source)] or found[:1]
    named = [i for i in found if m.meta[i] == given.name]
    if len({squeeze(m.cells[i].source) for i in found}) == 1:
        return named[0] if named else found[0]
    if len(named) == 1:
        return named[0]
    if found:
        where = " and ".join(str(i + 1) for i in found)
        raise Refused(
            f"answer {given.name}: the cells {where} define {name} differently; "
            "which one counts? Delete the others"
        )
    fallback = [i for i, label in enumerate(m.meta) if label == given.name and i not in m.owner]
    if fallback:
        m.remarks.append(f"answer {given.name}: no cell defines {name} (renamed or deleted?)")
        return fallback[-1]
    if accept_missing:
        m.remarks.append(f"answer {given.name}: missing, graded as not attempted")
        return None
    raise Refused(
        f"answer {given.name} is missing: no cell defines {name}. "
        "Ask for it, or grade with --accept-missing"
    )


def _match_locked_by_name(m: Matching) -> None:
    """Given cells that the student has changed are still known by their metadata."""
    edited = []
    for i, name in enumerate(m.meta):
        if i not in m.owner and name in m.locked and name not in m.owner.values():
            m.owner[i] = name
            edited.append(f"{name} (cell {i + 1})")
    if edited:
        m.remarks.append(
            f"given cells were edited, the released ones are used: {', '.join(edited)}"
        )


def _match_text(m: Matching, accept_missing: bool) -> None:
    for place, given in enumerate(m.given):
        if not given.solution or given.kind == "code":
            continue
        found = [i for i, name in enumerate(m.meta) if name == given.name and i not in m.owner]
        found = found or _by_first_line(m, given)
        if all(squeeze(m.cells[i].source) == squeeze(given.source) for i in found):
            beside = _by_place(m, place, found)
            if beside and found:
                m.remarks.append(
                    f"written answer {given.name}: the text beside its cell was taken for it"
                )
            found = found + beside
        if not found and not accept_missing:
            raise Refused(
                f"the written answer {given.name} is missing. "
                "Ask for it, or grade with --accept-missing"
            )
        if not found:
            m.remarks.append(f"written answer {given.name}: missing, graded as not attempted")
            continue
        _take_text(m, given, found)


def _take_text(m: Matching, given: Given, found: list[int]) -> None:
    texts = dict.fromkeys(squeeze(m.cells[i].source) for i in found)
    written = [text for text in texts if text != squeeze(given.source)]
    m.sources[given.name] = "\n\n".join(written) if written else given.source
    m.owner.update({i: given.name for i in found})
    for i in found:
        m.attachments.setdefault(given.name, {}).update(m.cells[i].get("attachments", {}))


def _by_first_line(m: Matching, given: Given) -> list[int]:
    first = squeeze(given.source).split("\n")[0]
    return [
        i
        for i, cell in enumerate(m.cells)
        if i not in m.owner and squeeze(cell.source).startswith(first)
    ]


def _by_place(m: Matching, place: int, known: list[int]) -> list[int]:
    """Text cells of unknown origin between the given cells that surround the answer."""
    before = {cell.name for cell in m.given[:place]}
    after = {cell.name for cell in m.given[place + 1 :]}
    low = max((i for i, name in m.owner.items() if name in before), default=-1)
    high = min(
        (i for i, name in m.owner.items() if name in after and i > low), default=len(m.cells)
    )
    between = [
        i for i in range(low + 1, high) if i not in m.owner and m.cells[i].cell_type != "code"
    ]
    return [i for i in between if i not in known and m.cells[i].source.strip()]


def _remark_metadata(m: Matching) -> None:
    lost = [i for i in m.owner if m.meta[i] != m.owner[i]]
    if lost:
        m.remarks.insert(
            0,
            f"nbgrader's metadata was missing or wrong on {len(lost)} cells: "
            "recognised by what is in them",
        )
    order = [m.owner[i] for i in sorted(m.owner)]
    expected = [cell.name for cell in m.given if cell.name in order]
    if list(dict.fromkeys(order)) != expected:
        m.remarks.append("cells had been moved: put back in their order")


def _assemble(m: Matching, release: nbformat.NotebookNode) -> Restored:
    kept = _own_cells(m)
    result = copy.deepcopy(release)
    cells = list(kept.get(None, []))
    for cell in result.cells:
        name = cell.metadata["nbgrader"]["grade_id"]
        cell.source = m.sources.get(name, cell.source)
        if m.attachments.get(name):
            cell.attachments = m.attachments[name]
        cells += [cell, *kept.get(name, [])]
    result.cells = cells
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i}"
    return Restored(result, tuple(m.remarks))


def _own_cells(m: Matching) -> dict[str | None, list]:
    """The student's own cells, under the name of the given cell that they follow."""
    stubs = {squeeze(cell.source) for cell in m.given}
    kept: dict[str | None, list] = {}
    anchor = None
    for i, cell in enumerate(m.cells):
        anchor = m.owner.get(i, anchor)
        source = cell.source
        if i in m.owner:
            source = _rest_of_edited(source, m.locked[anchor]) if anchor in m.locked else ""
        if not source.strip() or squeeze(source) in stubs or cell.cell_type == "raw":
            continue
        if cell.cell_type == "code":
            own = nbformat.v4.new_code_cell(_without_course_names(m, i, source))
        else:
            own = nbformat.v4.new_markdown_cell(source, attachments=cell.get("attachments", {}))
        kept.setdefault(anchor, []).append(own)
    return kept


def _rest_of_edited(source: str, given: Given) -> str:
    """What is worth keeping of an edited given cell: imports and helpers of code, all of a text."""
    if squeeze(source) == squeeze(given.source):
        return ""
    return source_code.additions(source, given.source) if given.kind == "code" else source


def _without_course_names(m: Matching, index: int, source: str) -> str:
    clash = source_code.defined(source) & m.course_names
    if not clash:
        return source
    m.remarks.append(
        f"cell {index + 1} redefines {', '.join(sorted(clash))}, "
        "which the given cells define: left out"
    )
    return source_code.without_definitions(source, clash)
