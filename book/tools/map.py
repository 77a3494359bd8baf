"""The map of the package, written from its docstrings: it can't tell of what is not there.

    python book/tools/map.py             # write what is stale
    python book/tools/map.py --check     # only say what is stale; ends with 1 if anything is

    README.md               the file tree, between ``<!-- map -->`` and ``<!-- /map -->``
    book/api.md             the list of the pages that are made of docstrings
    book/papers.md          which paper stands in which file, and which chapter tells of it
    book/tools/faces.json   the names that each folder offers, and the version that promised them

``package`` reads the package and ``papers`` finds its sources; here is what the pages look like.
They depend on the docstrings, ``__all__``, ``__version__``, ``_toc.yml`` and ``references.bib``,
and on nothing else.

A name that a folder offers can go only with a new version: while ``__version__`` is the one in
faces.json, the name stays there, and its loss is reported.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

import papers
from package import (
    PACKAGE,
    File,
    chapters_that_tell,
    constant,
    faces_of,
    pages_of_chapters,
    read_package,
)

ROOT = Path(__file__).resolve().parents[2]
START, END = "<!-- map -->", "<!-- /map -->"
WIDTH = 100
# words after which a sentence is not cut
SMALL = r"(?:an?|and|as|at|by|for|from|in|is|its|of|on|or|that|the|to|which|with)"

API = """# API reference

`course_lib` is laid out in folders that follow the book, and a folder imports only from those above
it here. Each page renders the docstrings of a file: what a function does, shapes, units, errors and
sources. What a folder offers to others can be imported from the folder itself:
`from course_lib.masking import mask_tokens`. The [design](design.md) says why it is laid out so,
and the [index of papers](papers.md) which paper stands where.
"""

PAPERS = """# Papers, files, chapters

You have read a paper and want to see its formula run, or you look at a file and want to know where
its formula comes from. Under each paper stand the files whose docstrings name it, often with the
equation or section that the code follows, and the chapters that tell of these files. What the
chapters themselves cite is in the [bibliography](bibliography.md).
"""

PAGES = """## Programs and pages

No papers: where a format is defined, or a program whose data or results the code goes by.
"""


def first_sentence(docstring: str) -> str:
    """What a docstring begins with, without marks.

    >>> first_sentence("Masks of ``BERT`` (Devlin et al. 2019). More\\n\\nthan that.")
    'Masks of BERT (Devlin et al. 2019)'
    """
    text = " ".join(docstring.split("\n\n")[0].split()).replace("``", "").replace("*", "")
    sentence = re.split(r"(?<=[.?!])(?<!al\.)(?<!e\.g\.) (?=[^a-z])", text)[0]
    return sentence.rstrip(".:")


def shorten(text: str, width: int) -> str:
    """``text`` in at most ``width`` characters, cut where a part of it ends.

    That is at a colon, a bracket or a comma if enough is left, else after a word, with dots.

    >>> text = "Which documents share a row: best fit, over a histogram of lengths"
    >>> shorten(text, 60), shorten(text, 40), shorten(text, 20)
    ('Which documents share a row: best fit', 'Which documents share a row', 'Which documents …')
    """
    if len(text) <= width:
        return text
    marks = list(re.finditer(r"[:;] | \(|(, )", text[: width + 2]))
    heads = [(mark[1], text[: mark.start()]) for mark in marks if mark.start() <= width]
    heads = [head for head in heads if head[1].count("(") == head[1].count(")")]
    for least in (0.6, 0.4):
        for comma in (None, ", "):
            fitting = [head for mark, head in heads if mark == comma and len(head) > least * width]
            if fitting:
                return fitting[-1]
    words = text[: width - 1].rpartition(" ")[0]
    return re.sub(rf"(?:[,;:]? {SMALL})*[,;:]?$", "", words) + " …"


def tree(files: list[File]) -> str:
    """A line for each folder and file, with what its docstring begins with."""
    names = []
    for file in files:
        depth = len(file.around) if file.name else 0
        names.append(
            "  " * depth + (f"{file.path.parent.name}/" if file.is_face else file.path.name)
        )
    margin = max(map(len, names)) + 2
    told = [shorten(first_sentence(file.docstrings[0]), WIDTH - margin) for file in files]
    lines = [f"{name:{margin}}{text}".rstrip() for name, text in zip(names, told, strict=True)]
    return "\n".join(["```", *lines, "```"])


def readme(text: str, files: list[File]) -> str:
    """README.md with the tree between its marks. Raises ValueError if it lacks one of them."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"README.md lacks {START} or {END}: put both where the tree is to stand")
    return f"{before}{START}\n\n{tree(files)}\n\n{END}{after}"


def toctree(files: list[File], template: str) -> str:
    """Pages that autosummary is to make."""
    head = ["```{eval-rst}", ".. autosummary::", "   :toctree: _api", f"   :template: {template}"]
    return "\n".join([*head, "", *(f"   {PACKAGE}.{file.name}" for file in files), "```", ""])


def api(files: list[File]) -> str:
    """The page of all pages: single files, then folder after folder, its face before its files."""
    files = [file for file in files if file.is_read]
    folders = [file.name for file in files if file.is_face and file.name == file.folder]
    parts = [API, "## The ground\n"]
    parts += [toctree([file for file in files if file.folder not in folders], "module.rst")]
    for folder in folders:
        inside = [file for file in files if file.folder == folder]
        parts += [f"## {folder}\n", toctree([f for f in inside if f.is_face], "face.rst")]
        if rest := [file for file in inside if not file.is_face]:
            parts += [toctree(rest, "module.rst")]
    return "\n".join(parts)


def source_entry(source: papers.Source, links: dict[str, list[str]]) -> str:
    """A source with its files and their chapters. links: to chapters, by file, in order."""
    by = f"**{source.authors} {source.year}**" if source.authors else ""
    escaped = re.sub(r"([*_<$])", r"\\\1", source.title)
    title = f"*{escaped}*" if escaped else ""
    addresses = ", ".join(papers.link(address) for address in sorted(source.addresses))
    names = [name for name in links if name in source.files]
    files = ", ".join(f"{{py:mod}}`{name} <{PACKAGE}.{name}>`" for name in names)
    chapters = sorted({link for name in names for link in links[name]})
    told = f"; chapter{'s' * (len(chapters) > 1)} {', '.join(chapters)}" if chapters else ""
    head = ". ".join(filter(None, [by, title, addresses])).replace("?*. ", "?* ")
    return f"{head}\\\n{files}{told}\n"


def index_of_papers(root: Path, files: list[File]) -> str:
    """The page of papers: by author and year, and after them what has no author."""
    told, pages = chapters_that_tell(files), pages_of_chapters(root)
    links = {
        file.name: [f"[{n}](../{page}.ipynb)" for n, page in pages.items() if n in told[file.name]]
        for file in files
        if file.is_read
    }
    bibliography = papers.bibliography(read(root / "book" / "references.bib"))
    docstrings = {file.name: file.docstrings for file in files if file.name in links}
    sources = papers.index(docstrings, bibliography)
    named = [source_entry(source, links) for source in sources if source.authors]
    pages_only = [source_entry(source, links) for source in sources if not source.authors]
    return "\n".join([PAPERS, *named, *([PAGES, *pages_only] if pages_only else [])])


def promises(root: Path, files: list[File]) -> tuple[str, list[str]]:
    """What faces.json has to hold, and the names that were lost without a new version.

    It holds these still, so that they are missed until they are back.
    """
    version = constant(root / PACKAGE / "__init__.py", "__version__")
    path = root / "book" / "tools" / "faces.json"
    recorded = json.loads(read(path)) if path.exists() else {}
    faces, lost = faces_of(files), []
    if recorded.get("version") == version:
        for face, names in recorded["faces"].items():
            gone = sorted(set(names) - set(faces.get(face, ())))
            lost += [f"{PACKAGE}.{face} has lost {name}" for name in gone]
            faces[face] = sorted({*faces.get(face, ()), *names})
    content = {"version": version, "faces": dict(sorted(faces.items()))}
    return json.dumps(content, indent=1) + "\n", lost


def texts(root: Path) -> tuple[dict[Path, str], list[str]]:
    """What each generated file has to hold, and the names that were lost."""
    files = read_package(root)
    faces, lost = promises(root, files)
    book, top = root / "book", root / "README.md"
    return {
        top: readme(read(top), files),
        book / "api.md": api(files),
        book / "papers.md": index_of_papers(root, files),
        book / "tools" / "faces.json": faces,
    }, lost


def read(path: Path) -> str:
    """The text of a file."""
    return path.read_text(encoding="utf-8")


def main(root: Path = ROOT, *, check: bool = False) -> int:
    """Write what is stale, or only say it; 1 if something is left to do."""
    wanted, lost = texts(root)
    stale = [path for path, text in wanted.items() if not path.exists() or read(path) != text]
    for path in stale:
        if not check:
            path.write_text(wanted[path], encoding="utf-8", newline="\n")
        print(f"{path.relative_to(root).as_posix()} {'is stale: make map' if check else 'written'}")
    for name in lost:
        print(f"{name}: put it back, or raise __version__, say so in book/changes.md, and make map")
    return 1 if lost or (check and stale) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, say what is stale")
    try:
        sys.exit(main(check=parser.parse_args().check))
    except ValueError as error:
        sys.exit(str(error))
