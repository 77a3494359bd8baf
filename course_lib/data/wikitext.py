"""Clean prose from MediaWiki's markup, with the links kept as character spans.

The markup is not a regular language: templates, tables and links nest. Each is taken out by one
scan with a stack, so that the time is linear in the length whatever the input is (an expression
such as ``{{.*?}}`` is wrong on nested templates and quadratic on unclosed ones). Order, as in
MediaWiki itself: comments, elements whose content is not prose (references, galleries), templates,
tables, links, tags, then lines (headings, lists). Links are carried through the later steps by two
private characters around their surface, the first of which numbers the link; the last scan removes
them and reads off the spans, so a span is exact by construction.

Markup: https://www.mediawiki.org/wiki/Help:Formatting. Cost: about 6 MB of markup in a few seconds.

>>> markup = "The '''aardvark''' ({{lang|af|erdvark}}) is a [[mammal|medium-sized mammal]]."
>>> text, links = clean(markup + "<ref>A</ref>")
>>> text
'The aardvark (erdvark) is a medium-sized mammal.'
>>> [(text[link.start : link.end], link.target) for link in links]
[('medium-sized mammal', 'Mammal')]
"""

from __future__ import annotations

import bz2
import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from .records import Link
from .templates import expand_template, tex

# around a link's surface; after OPEN, one character numbers the link
OPEN, CLOSE = "\ue000", "\ue001"
# the numbers: 65 533 characters of the supplementary private use plane
FIRST, LAST = 0xF0000, 0xFFFD
MARKS = re.compile(f"({OPEN}[\U000f0000-\U000ffffd]|{CLOSE})")
EMPTY = re.compile(f"{OPEN}[\U000f0000-\U000ffffd]{CLOSE}")
PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010ffff]")

DROPPED = "ref|references|gallery|timeline|source|syntaxhighlight|imagemap|score|table|chem"
ELEMENT = re.compile(rf"<({DROPPED}|math|nowiki)\b([^<>]*)>", re.IGNORECASE)
BLOCK = re.compile("p|div|li|ul|ol|dl|dt|dd|hr|blockquote|center|poem|tr|td|h[1-6]")
INLINE = (
    "b|i|u|s|em|strong|small|big|sub|sup|span|code|tt|var|cite|font|abbr|del|ins|q|kbd|samp|"
    "strike|br"
)
OTHER = "onlyinclude|includeonly|noinclude|nowiki|references|section|ref"
TAG = re.compile(rf"</?({BLOCK.pattern}|{INLINE}|{OTHER})\b[^<>]*>", re.IGNORECASE)
APPENDIX = re.compile(
    "references|external links|see also|further reading|notes|bibliography|footnotes|sources|"
    "citations|works cited|notes and references|references and notes|notes and citations|gallery|"
    "discography|filmography|publications|selected bibliography|literature|other reading|"
    "footnotes and references|references and further reading|external references|"
    "secondary sources|primary sources",
    re.IGNORECASE,
)
EXTERNAL = re.compile(r"\[(?:https?:|ftp:|mailto:)?//[^\s\[\]]+((?:\s[^\[\]\n]*)?)\]")
URL = re.compile(r"(?:https?|ftp)://[^\s\[\]<>|]+")
RULE = re.compile(r"^-{4,}", re.MULTILINE)
SWITCH, QUOTES = re.compile(r"__[A-Z]+__"), re.compile(r"'{2,}")
ENTITY = re.compile(r"&[#\w]{1,32};")
MEDIA = re.compile(
    r"\s*(?:file|image|media|category|template|portal|special|help)\s*:", re.IGNORECASE
)
FOREIGN = re.compile(
    r"\s*:?[a-z]{1,3}(?:-[a-z-]+)?:|\s*:?(?:wikt|wiktionary|commons|wikisource|meta)\s*:",
    re.IGNORECASE,
)
HOLE = re.compile(r"\(\s*(?:[,;:]\s*)*(?:or|and|from|also)?\s*\)|\[\s*\]")
DOUBLED = re.compile(r",([,.])(?=\s|$)")
LEADING, BEFORE = re.compile(r"\(\s*[,;:]\s*"), re.compile(r" +([,.;:!?)](?!\w))")
SHORTEST_ITEM = 60  # characters; shorter list items without a full stop are names and numbers
DEEPEST = 40  # levels of nesting, MediaWiki's own limit for templates


class Article(NamedTuple):
    """A page of the encyclopaedia: its ``title`` and its ``markup``."""

    title: str
    markup: str


def read_dump(path: Path) -> Iterator[Article]:
    """The articles of a bz2-compressed XML dump, one after the other.

    Redirects and talk pages are passed over.
    """
    with bz2.open(path) as stream:
        for _, node in ElementTree.iterparse(stream):
            if _name(node) != "page":
                continue
            parts = {_name(child): child.text or "" for child in node.iter()}
            if parts.get("ns") == "0" and "redirect" not in parts:
                yield Article(parts["title"], parts["text"])
            node.clear()


def _name(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]


def clean(markup: str) -> tuple[str, tuple[Link, ...]]:
    """``markup`` as prose, and the links with spans in it.

    A paragraph, list item or heading is one line.
    """
    text = unicodedata.normalize("NFC", PRIVATE.sub("", markup))
    text = drop_tables(expand(drop_elements(cut(text, "<!--", "-->")), "{{", "}}", expand_template))
    targets: list[str] = []
    text = expand(text, "[[", "]]", lambda body: _link(body, targets))
    # [[bus]]es: the ending belongs to the mention
    text = re.sub(f"{CLOSE}([a-z]+)", rf"\1{CLOSE}", text)
    text = URL.sub("", EXTERNAL.sub(r"\1", TAG.sub(_tag, text)))
    text = ENTITY.sub(_entity, QUOTES.sub("", SWITCH.sub("", RULE.sub("", text))))
    return read_spans("\n".join(prose_lines(text)), targets)


def cut(text: str, start: str, stop: str) -> str:
    """``text`` without what stands between ``start`` and ``stop``, both included.

    What is not closed goes to the end of the text.
    """
    kept, at = [], 0
    while (begin := text.find(start, at)) >= 0:
        kept.append(text[at:begin])
        end = text.find(stop, begin + len(start))
        at = len(text) if end < 0 else end + len(stop)
    return "".join(kept) + text[at:]


def drop_elements(text: str) -> str:
    """``text`` without references, galleries etc.; formulas and literal text become plain."""
    kept, at, missing = [], 0, set()
    while match := ELEMENT.search(text, at):
        kept.append(text[at : match.start()])
        name, at = match[1].lower(), match.end()
        if match[2].rstrip().endswith("/") or name in missing:
            continue
        end = _closing(name).search(text, at)
        if end is None:
            missing.add(name)  # no later one can be closed either: do not look again
            continue
        kept.append({"math": tex, "nowiki": _literal}.get(name, _nothing)(text[at : end.start()]))
        at = (text.find(">", end.end()) + 1) or len(text)
    return "".join(kept) + text[at:]


@cache
def _closing(name: str) -> re.Pattern:
    return re.compile(rf"</{name}\b", re.IGNORECASE)


def _entity(match: re.Match) -> str:
    return PRIVATE.sub("", html.unescape(match[0]))  # an entity must not forge a link's mark


def _nothing(content: str) -> str:
    return ""


def _literal(content: str) -> str:
    return re.sub(r"[\[\]{}|<>']{2,}", "", content)


def expand(text: str, start: str, stop: str, rule: Callable[[str], str]) -> str:
    """``text`` with each balanced ``start`` body ``stop`` replaced by ``rule(body)``.

    The innermost come first. A bracket without its partner is dropped and what follows it stays, so
    a typo does not swallow an article.
    """
    open_bodies: list[list[str]] = [[]]
    for piece in re.split(f"({re.escape(start)}|{re.escape(stop)})", text):
        if piece == start:
            open_bodies.append([])
        elif piece == stop:
            if len(open_bodies) > 1:
                body = "".join(open_bodies.pop())
                open_bodies[-1].append(rule(body) if len(open_bodies) < DEEPEST else "")
        else:
            open_bodies[-1].append(piece)
    return "".join(piece for body in open_bodies for piece in body)


def drop_tables(text: str) -> str:
    """``text`` without its tables, nested ones included.

    Of a table that is never closed, only the table's rows go.
    """
    kept, since, depth = [], 0, 0
    for line in text.split("\n"):
        mark = line.lstrip(" :*")[:2]
        if mark == "{|":
            since, depth = (since if depth else len(kept)), depth + 1
        elif mark == "|}" and depth:
            depth -= 1
            del kept[since if depth == 0 else len(kept) :]
        elif mark[:1] not in ("|", "!"):
            kept.append(line)
    return "\n".join(kept)


def _link(body: str, targets: list[str]) -> str:
    """The surface of ``[[body]]`` between its two private characters.

    Nothing for images and categories.
    """
    target, bar, surface = body.partition("|")
    if MEDIA.match(target) or (FOREIGN.match(target) and not bar):
        return ""
    # [[Mars (planet)|]] shows "Mars"
    page = target.partition("(")[0] if bar else target.lstrip(":")
    surface = " ".join(TAG.sub(" ", surface if surface.strip() else page).split())
    entry = " ".join(target.lstrip(" :").partition("#")[0].replace("_", " ").split())
    if FOREIGN.match(target) or MEDIA.match(entry) or OPEN in body:
        return surface
    if not entry or not surface or len(targets) >= LAST:
        return surface
    targets.append(entry[0].upper() + entry[1:])
    return f"{OPEN}{chr(FIRST + len(targets) - 1)}{surface}{CLOSE}"


def _tag(match: re.Match) -> str:
    name = match[1].lower()
    return "\n" if BLOCK.fullmatch(name) else " " if name == "br" else ""


def prose_lines(text: str) -> Iterator[str]:
    """The lines that are prose, tidied.

    A heading comes only if prose follows, appendix sections not at all.
    """
    headings: list[tuple[int, str]] = []
    skipped = 0  # level of the appendix that we are in
    for line in text.split("\n"):
        line = tidy(line)
        if line.startswith("=") and line.endswith("=") and (title := line.strip("= ")):
            level = min(len(line) - len(line.lstrip("=")), len(line) - len(line.rstrip("=")))
            headings = [h for h in headings if h[0] < level] + [(level, title)]
            if not skipped or level <= skipped:
                skipped = level if APPENDIX.fullmatch(MARKS.sub("", title)) else 0
        elif not skipped and (line := sentence(line)):
            yield from (title for _, title in headings)
            headings = []
            yield line


def sentence(line: str) -> str:
    """``line`` without its list bullets.

    ``""`` if it has no letter, or is an entry of a list rather than a sentence.
    """
    bare = line.lstrip("*#:; ")
    shown = MARKS.sub("", bare)
    is_short = len(shown) < SHORTEST_ITEM and not shown.endswith((".", "!", "?", '."'))
    is_entry = bare != line and is_short
    return bare if re.search(r"[^\W\d_]", shown) and not is_entry else ""


def tidy(line: str) -> str:
    """One line with single spaces and without the holes that templates leave.

    ``"( ; lived )"`` becomes ``"(lived)"``.
    """
    line = LEADING.sub("(", HOLE.sub("", " ".join(EMPTY.sub("", line).split())))
    return " ".join(DOUBLED.sub(r"\1", BEFORE.sub(r"\1", line.replace("( ", "("))).split())


def read_spans(text: str, targets: list[str]) -> tuple[str, tuple[Link, ...]]:
    """``text`` without the private characters, and the links that they marked."""
    kept: list[str] = []
    links: list[Link] = []
    at, start, opened, target = 0, -1, 0, ""
    for piece in MARKS.split(text):
        if piece[:1] == OPEN:
            start, opened, target = at, len(kept), targets[ord(piece[1]) - FIRST]
        elif piece == CLOSE:
            surface = "".join(kept[opened:])
            if start >= 0 and surface.strip():
                left = start + len(surface) - len(surface.lstrip())
                links.append(Link(left, left + len(surface.strip()), target))
            start = -1
        else:
            kept.append(piece)
            at += len(piece)
    return "".join(kept), tuple(links)
