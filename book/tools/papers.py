"""Which paper stands where: the sources in docstrings, and what the bibliography knows of them.

A docstring names a source as people do, by authors and year and, most often, an address:

    Hu et al. 2021 (arXiv:2106.09685, section 4.1)      authors, year, address
    Pang and Lee (2005, https://aclanthology.org/...)   the same
    (Devlin et al. 2019, section 5.3)                   no address: whoever else is Devlin 2019
    the patterns of https://github.com/...              an address alone: a program or a page

Two mentions are one source if they have one address, or if the bibliography gives both addresses to
one entry. A mention without an address is looked up by its first author and year, among the other
mentions and then in the bibliography; where that leaves none or several, it is a source of its own.

>>> for mention in mentions("Hu et al. 2021 (arXiv:2106.09685), after Gage 1994."):
...     print(mention)
Mention(authors='Hu et al.', year='2021', address='arXiv:2106.09685')
Mention(authors='Gage', year='1994', address='')
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

NAME = r"(?:(?!(?:As|From|In|See|The)\b)[A-Z][\w'’-]+(?: [A-Z][\w'’-]+){0,2})"
AUTHORS = rf"{NAME}(?:, {NAME})*(?:,? (?:&|and) {NAME})?(?: et al\.)?"
BY = re.compile(rf"(?P<authors>{AUTHORS}),? \(?(?P<year>(?:19|20)\d\d)(?![\w-])")
ADDRESS = re.compile(
    r"arXiv:(?P<arxiv>\d{4}\.\d{4,5})"
    r"|doi:(?P<doi>10\.\d{4,9}/\S+)"
    r"|\b(?P<acl>[A-Z]\d\d-\d{4}|20\d\d\.[a-z]+-[a-z]+\.\d+)\b"
    r"|(?P<url>https?://\S+|\b(?:[\w-]+\.)+(?:org|com)/\S+)"
)
# so many characters may stand between a year and its address, as in "2020 (SpanBERT, arXiv:...)"
NEAR = 40
ACCENTS = {"'": "\u0301", "`": "\u0300", '"': "\u0308", "^": "\u0302", "~": "\u0303"}
LETTERS = {r"\L": "Ł", r"\l": "ł", r"\O": "Ø", r"\o": "ø", r"\ss": "ß"}


@dataclass(frozen=True)
class Mention:
    """A source as one docstring names it.

    address: empty where it gives none.  authors, year: empty where it gives an address alone.
    """

    authors: str
    year: str
    address: str


@dataclass
class Source:
    """A source: what the bibliography or a docstring says of it, and the files that mention it."""

    authors: str
    year: str
    title: str = ""
    addresses: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)

    @property
    def place(self) -> tuple[str, ...]:
        """Where it stands in the index: by author, then by year."""
        return (sortable(self.authors), self.year, self.title, *sorted(self.addresses))

    @property
    def by(self) -> tuple[str, str]:
        """Its first author and year: what a mention without an address is looked up by."""
        return first_author(self.authors), self.year


def sortable(text: str) -> str:
    """``text`` in small letters without accents.

    >>> sortable("Łukasz Müller")
    'lukasz muller'
    """
    parts = unicodedata.normalize("NFKD", text.casefold().replace("ł", "l").replace("ø", "o"))
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


def first_author(authors: str) -> str:
    """The first author's surname, as it can be compared.

    >>> first_author("Müller & Smith"), first_author("Ben Zaken et al.")
    ('muller', 'ben zaken')
    """
    return sortable(re.split(r",| and | & | et al", authors)[0]).strip()


def prose(docstring: str) -> str:
    """The docstring in one line, without its examples, whose strings may look like addresses."""
    paragraphs = re.split(r"\n\s*\n", docstring)
    kept = [re.split(r"(?m)^\s*>>> ", paragraph)[0] for paragraph in paragraphs]
    return " ".join(" ".join(kept).split())


def address_of(match: re.Match[str]) -> str:
    """The address that ``ADDRESS`` found, without the marks of the sentence around it.

    >>> address_of(ADDRESS.search("(see https://arxiv.org/abs/1609.07843)."))
    'arXiv:1609.07843'
    >>> address_of(ADDRESS.search("doi:10.1016/0041-5553(64)90137-5, momentum"))
    'doi:10.1016/0041-5553(64)90137-5'
    """
    if match["arxiv"]:
        return f"arXiv:{match['arxiv']}"
    if match["acl"]:
        return f"https://aclanthology.org/{match['acl']}"
    text = match["doi"] or match["url"]
    while text[-1] in ".,;:'\"`>}" or (text[-1] == ")" and text.count(")") > text.count("(")):
        text = text[:-1]
    if match["doi"]:
        return f"doi:{text}"
    text = re.sub(r"^(?:https?://)?", "https://", text)
    if paper := re.fullmatch(r"https://arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})(?:v\d+)?", text):
        return f"arXiv:{paper[1]}"
    if doi := re.fullmatch(r"https://(?:dx\.)?doi\.org/(10\..+)", text):
        return f"doi:{doi[1]}"
    return text


def identity(address: str) -> str:
    """What two ways of writing one address have in common.

    >>> identity("https://www.jmlr.org/papers/") == identity("https://jmlr.org/papers")
    True
    """
    return address.replace("https://www.", "https://").rstrip("/").casefold()


def link(address: str) -> str:
    """The address as a link in Markdown."""
    kind, _, number = address.partition(":")
    host = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}.get(kind)
    shown = address.removeprefix("https://").replace("_", r"\_")
    return f"[{shown}](<{host + number if host else address}>)"


def mentions(docstring: str) -> list[Mention]:
    """The sources that ``docstring`` names, in its order.

    An address belongs to the authors and year right before it, unless another one has them already.
    """
    text = prose(docstring)
    named = {by.end(): by for by in BY.finditer(text)}
    found = {by.start(): Mention(by["authors"], by["year"], "") for by in named.values()}
    for match in ADDRESS.finditer(text):
        before = max((end for end in named if end <= match.start()), default=None)
        between = text[before : match.start()]
        if before is None or len(between) > NEAR or re.search(r";|\. ", between):
            found[match.start()] = Mention("", "", address_of(match))
        else:
            by = named.pop(before)
            found[by.start()] = Mention(by["authors"], by["year"], address_of(match))
    return [found[place] for place in sorted(found)]


def plain(latex: str) -> str:
    r"""What a field of the bibliography says, without LaTeX's marks.

    >>> plain(r"{\L}ukasz Doll{\'a}r, {BERT}: 15\% -- and more")
    'Łukasz Dollár, BERT: 15% – and more'
    """
    text = re.sub(r"\\(?:[LlOo]|ss)(?![a-z])", lambda m: LETTERS[m[0]], latex)
    text = re.sub(r"""\\(['`"^~])\{?\\?(\w)\}?""", lambda m: m[2] + ACCENTS[m[1]], text)
    text = re.sub(r"\\([%&_#$])", r"\1", text.replace("---", "—").replace("--", "–"))
    return " ".join(unicodedata.normalize("NFC", re.sub(r"[{}]", "", text)).split())


def fields_of(entry: str) -> dict[str, str]:
    """The fields of one entry, ``name = {value}``, ``"value"`` or a number; braces may nest.

    >>> fields_of('@misc{hu, title = {{LoRA}: Low, "thin" rank}, year = 2021, note = "a, b"}')
    {'title': '{LoRA}: Low, "thin" rank', 'year': '2021', 'note': 'a, b'}
    """
    found, place = {}, 0
    start = re.compile(r"[,\n]\s*(\w+)\s*=\s*")
    while match := start.search(entry, place):
        place, depth = match.end(), 0
        closing = '"' if entry.startswith('"', place) else ",\n}"
        place += closing == '"'
        begin = place
        while place < len(entry) and (depth or entry[place] not in closing):
            depth += {"{": 1, "}": -1}.get(entry[place], 0)
            place += 1
        found[match[1].lower()] = entry[begin:place].strip().removeprefix("{").removesuffix("}")
    return found


def listed(authors: str) -> str:
    """The surnames as a text has them, out of ``Surname, Given and Surname, Given``.

    >>> listed("Ba, Jimmy and Kiros, Jamie and Hinton, Geoffrey"), listed("A and B and C and D")
    ('Ba, Kiros and Hinton', 'A et al.')
    """
    people = [plain(person) for person in re.split(r"\s+and\s+", authors)]
    names = [p.split(",")[0] if "," in p else p.rpartition(" ")[2] for p in people]
    if len(names) > 3 or "others" in names:
        return f"{names[0]} et al."
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def bibliography(text: str) -> list[Source]:
    r"""The entries of a .bib file, as sources that no file mentions yet.

    >>> text = "@misc{hu,\n  author = {Hu, E.},\n  title = {{LoRA}},\n  eprint = {2106.09685}\n}"
    >>> [entry] = bibliography(text)
    >>> entry.authors, entry.title, entry.addresses
    ('Hu', 'LoRA', {'arXiv:2106.09685'})
    """
    entries = []
    for block in re.split(r"(?m)^@(?=\w+\s*\{)", text)[1:]:
        has = fields_of(block)
        ways = {"eprint": "arXiv:", "doi": "doi:", "url": ""}
        places = [ADDRESS.match(prefix + has.get(name, "")) for name, prefix in ways.items()]
        addresses = {address_of(place) for place in places if place}
        title, year = plain(has.get("title", "")), has.get("year", "")
        entries.append(Source(listed(has.get("author", "")), year, title, addresses))
    return entries


class Index:
    """The sources of many docstrings, each once, with the files that mention it."""

    def __init__(self, entries: Iterable[Source]) -> None:
        self.entries = list(entries)
        self.at = {identity(a): entry for entry in self.entries for a in entry.addresses}
        self.nameless: dict[tuple[str, str], Source] = {}

    def with_address(self, mention: Mention) -> Source:
        """The source at the address of ``mention``."""
        new = Source(written(mention.authors), mention.year, addresses={mention.address})
        source = self.at.setdefault(identity(mention.address), new)
        if not source.authors:
            source.authors, source.year = new.authors, new.year
        return source

    def by_author(self, mention: Mention, called: Mapping[tuple[str, str], list[Source]]) -> Source:
        """The one source that ``mention`` can mean; else one that has no address."""
        by = first_author(mention.authors), mention.year
        fitting = called.get(by) or [entry for entry in self.entries if entry.by == by]
        exact = [source for source in fitting if source.authors == written(mention.authors)]
        fitting = exact or fitting
        if len({id(source) for source in fitting}) == 1:
            return fitting[0]
        return self.nameless.setdefault(by, Source(written(mention.authors), mention.year))


def index(docstrings: Mapping[str, Iterable[str]], entries: Iterable[Source]) -> list[Source]:
    """Every source that the docstrings of the files name, in order. ``docstrings``: by file.

    >>> [source] = index({"a": ["Hu 2021 (arXiv:2106.09685)"], "b": ["(Hu 2021, section 4)"]}, [])
    >>> source.authors, sorted(source.files)
    ('Hu', ['a', 'b'])
    """
    known, found = Index(entries), []
    called: dict[tuple[str, str], list[Source]] = {}
    all_of_them = [(f, m) for f, texts in docstrings.items() for t in texts for m in mentions(t)]
    # those without an address last: by then it is known who has one
    for file, mention in sorted(all_of_them, key=lambda pair: not pair[1].address):
        if mention.address:
            source = known.with_address(mention)
            by = first_author(mention.authors), mention.year
            called.setdefault(by, []).append(source)
        else:
            source = known.by_author(mention, called)
        source.files.add(file)
        found.append(source)
    return sorted({id(s): s for s in found}.values(), key=lambda source: source.place)


def written(authors: str) -> str:
    """Authors as the index has them."""
    return authors.replace(" &", " and")
