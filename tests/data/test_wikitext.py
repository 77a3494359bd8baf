"""From markup to prose: fixtures for each construction, exact spans, linear time, a real dump."""

from __future__ import annotations

import bz2
import random
import re
import time

import pytest

from course_lib.data import FetchError, fetch
from course_lib.data.wikitext import DEEPEST, PRIVATE, clean, read_dump


def prose(markup: str) -> str:
    return clean(markup)[0]


def mentions(markup: str) -> list[tuple[str, str]]:
    text, links = clean(markup)
    return [(text[link.start : link.end], link.target) for link in links]


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        # emphasis, comments, references
        ("'''Bold''', ''italic'' and '''''both'''''.", "Bold, italic and both."),
        ("It''s''.<!-- hidden {{ [[ --> Seen.", "Its. Seen."),
        ("Open <!-- for ever", "Open"),
        (
            "Fact.<ref>{{cite|a}} [[B]]</ref> More.<ref name=x /> End.<ref name='y'>z</ref>",
            "Fact. More. End.",
        ),
        ("A<REF>b</Ref>c", "Ac"),
        ("Never closed <ref>stays here.", "Never closed stays here."),
        # lower() changes the length of İ
        ("İstanbul <ref>İİİ</ref>and <ref>x</ref>Ağrı.", "İstanbul and Ağrı."),
        # templates
        ("A {{b|{{c|d}}|e={{f}}}} g.", "A g."),
        ("Nine {{convert|9|km|mi|abbr=on}} deep.", "Nine 9 km deep."),
        ("Unclosed {{template stays.", "Unclosed template stays."),
        ("Stray }} goes.", "Stray goes."),
        ("Born ({{IPAc-en|a}}; {{birth|1}}) in X.", "Born in X."),
        ("Name ({{lang-la|nomen}}, {{x}}) here.", "Name (nomen,) here."),
        ("{{quote|Long {{nowrap|live}} the [[king]].|author}}", "Long live the king."),
        # tables
        ("Before\n{| class=x\n! a\n|-\n| b || c\n|}\nAfter", "Before\nAfter"),
        ("Before\n{|\n|\n{|\n| inner\n|}\n| outer\n|}\nAfter", "Before\nAfter"),
        (":{|\n| indented\n|}\nAfter", "After"),
        ("Before\n{|\n| never closed\nAfter", "Before\nAfter"),
        ("|}\nAfter", "After"),
        # links
        ("A [[cat]], [[dog|hound]], [[bus]]es.", "A cat, hound, buses."),
        ("X [[File:a.jpg|thumb|A [[cat]] in ''Rome''.]]Y", "X Y"),
        ("X [[Category:Animals]][[fr:Chat]]Y", "X Y"),
        ("See [[:Category:Animals|animals]].", "See animals."),
        ("[[Mars (planet)|]] shines.", "Mars shines."),
        ("An [[open link.", "An open link."),
        (
            "Go [http://example.org there] or [http://example.org] or http://example.org/a_b now.",
            "Go there or or now.",
        ),
        ("He said [''sic''] so.", "He said [sic] so."),
        # tags and entities
        ("H<sub>2</sub>O<br/>and<br>x<small>y</small>", "H2O and xy"),
        ("<blockquote>One</blockquote><div style='a'>Two</div>", "One\nTwo"),
        ("5 &lt; 6 &amp; 7&nbsp;km &ndash; &#65;", "5 < 6 & 7 km – A"),
        ("if <x> is unknown", "if <x> is unknown"),
        ("<nowiki>[[</nowiki>x<nowiki />", "x"),
        ("Where <math>\\alpha \\le x^{2}</math> holds.", "Where alpha ≤ x^2 holds."),
        ("So <math>\\begin{matrix}a\\\\b\\end{matrix}</math>.", "So."),
        # lines
        ("== Head ==\nProse here.", "Head\nProse here."),
        ("== Empty ==\n=== Also ===\n== Head ==\nProse.", "Head\nProse."),
        ("== Head ==\n=== Sub ===\nProse.", "Head\nSub\nProse."),
        ("A.\n== References ==\nB.\n=== Sub ===\nC.\n== Next ==\nD.", "A.\nNext\nD."),
        ("A.\n== See also ==\n* [[B]]", "A."),
        ("* A whole sentence in a list.\n* Name\n# [[Other]]", "A whole sentence in a list."),
        ("__NOTOC__ A. __TOC__\n----\nB.", "A.\nB."),
        ("12345\n---\n…", ""),
        ("", ""),
    ],
)
def test_prose(markup, expected):
    assert prose(markup) == expected


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("A [[cat]] sat.", [("cat", "Cat")]),
        ("''A'' [[dog (animal)|'''big''' hound]].", [("big hound", "Dog (animal)")]),
        ("[[bus]]es and [[bus|car]]s", [("buses", "Bus"), ("cars", "Bus")]),
        (
            "[[Rome#History|its history]], [[New_York]]",
            [("its history", "Rome"), ("New_York", "New York")],
        ),
        ("[[:Category:Animals|animals]]", []),
        ("[[#Below|see below]] [[wikt:cat|cat]]", []),
        ("[[File:a|[[cat]]]] [[dog]]", [("dog", "Dog")]),
        ("{{quote|The [[king|King&nbsp;X]] came.}}", [("King X", "King")]),
        ("( [[a]] , [[b]] )", [("a", "A"), ("b", "B")]),
        ("[[a|<br>]]x [[c| d ]]", [("d", "C")]),
        ("== [[Head]] ==\nProse.", [("Head", "Head")]),
        ("=== [[Head]] ===\n== References ==\n[[Gone]]", []),
        ("[[a|one\ntwo]] three", [("one two", "A")]),
        ("[[a|&nbsp;b c ('']].", [("b c (", "A")]),
        ("&#xe000;&#xf0000; [[a]]", [("a", "A")]),  # entities cannot forge a mark
        ("\ue000\U000f0005 [[a]]", [("a", "A")]),
    ],
)
def test_spans_are_exact(markup, expected):
    assert mentions(markup) == expected


def check(text: str, links) -> None:
    """What must hold of every cleaned text."""
    assert not PRIVATE.search(text)
    assert "  " not in text and "\n\n" not in text and text == text.strip()
    before = 0
    for link in links:
        surface = text[link.start : link.end]
        assert before <= link.start < link.end <= len(text)
        assert surface == surface.strip() and "\n" not in surface and link.target
        before = link.end


PIECES = ["{{", "}}", "[[", "]]", "|", "{|\n", "\n|}", "\n|-", "<ref>", "</ref>", "<!--", "-->",
          "'''", "\n", " ", "(", ")", ";", ",", ".", "cat", "File:", "convert|", "== ", " ==", "* ",
          "<br>", "<math>", "</math>", "\\alpha", "&nbsp;", "&#xe001;", "[http://x ", "]",
          "References", "İ", "é", "<nowiki>", "</nowiki>", "#", "{{{", "}}}"]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_any_soup_of_markup_gives_valid_spans(seed):
    draw = random.Random(seed)
    for _ in range(300):
        check(*clean("".join(draw.choices(PIECES, k=draw.randint(1, 60)))))


ADVERSARIES = ["{{", "}}", "[[", "]]", "<!--", "<ref>", "<ref ", "<b", "(", "( ", "[http://a", "'",
               "__A", "=", " ", "{|\n", "{{nowrap|", "[[a|", "&", "<math>", "<nowiki>", "\n=", ",",
               "* ", "http://", "[[ ", "\\alpha ", "{{a|", "[[a]]"]  # fmt: skip
PREFIXED = [
    ("[http://", "a"),
    ("[http://", "a "),
    ("[[", " "),
    ("[[a|", " "),
    ("(", " ,"),
    ("<math>", "{"),
    ("<b", "a"),
]


@pytest.mark.parametrize(("prefix", "piece"), [*(("", piece) for piece in ADVERSARIES), *PREFIXED])
def test_time_is_linear(prefix, piece):
    """Ten times the input, well under a hundred times the time."""

    def seconds(n: int) -> float:
        markup = prefix + piece * (n // len(piece)) + "x" + "}}" * 50 + "]]" * 50
        start = time.process_time()
        clean(markup)
        return time.process_time() - start

    small = max(seconds(20_000), 0.01)
    # the best of some: a busy machine is no sign of the square
    large = min(seconds(200_000) for _ in range(4))
    assert large < 40 * small, f"{small:.3f} s became {large:.3f} s"


def test_nesting_beyond_the_limit_is_dropped():
    deep = 3 * DEEPEST
    assert prose("a " + "{{nowrap|" * deep + "x" + "}}" * deep + " b") == "a b"
    assert prose("a " + "{{nowrap|" * 9 + "x" + "}}" * 9 + " b") == "a x b"


def test_read_dump_passes_over_redirects_and_talk(tmp_path):
    def page(title: str, ns: int, text: str, more: str = "") -> str:
        revision = f"<revision><text>{text}</text></revision>"
        return f"<page><title>{title}</title><ns>{ns}</ns>{more}{revision}</page>"

    pages = (
        page("A", 0, "a &lt;b&gt;")
        + page("B", 0, "", '<redirect title="A"/>')
        + page("Talk:A", 1, "t")
        + page("C", 0, "c")
    )
    file = tmp_path / "dump.bz2"
    file.write_bytes(bz2.compress(f'<mediawiki xmlns="http://x/">{pages}</mediawiki>'.encode()))
    assert [tuple(article) for article in read_dump(file)] == [("A", "a <b>"), ("C", "c")]


@pytest.fixture(scope="module")
def dump():
    try:
        (file,) = fetch("gensim", progress=False).rglob("*.bz2")
    except FetchError as error:
        pytest.skip(f"no download here: {error}")
    return [(article.title, *clean(article.markup)) for article in read_dump(file)]


def test_real_articles_are_clean(dump):
    assert len(dump) == 106
    assert 2_500_000 < sum(len(text) for _, text, _ in dump) < 3_200_000
    for _, text, links in dump:
        check(text, links)
    everything = "\n".join(text for _, text, _ in dump)
    for mark in (
        "{{",
        "}}",
        "[[",
        "]]",
        "{|",
        "|}",
        "<ref",
        "</",
        "<br",
        "''",
        "==",
        "http://",
        "()",
        "&nbsp;",
        "\u00a0",
    ):
        assert mark not in everything, mark
    for rare in ("|", "{", "}", "<"):  # ASCII's own article, and slips of the authors
        assert everything.count(rare) < 10, rare
    assert not re.search(r"^(thumb|File:|Category:)", everything, re.MULTILINE)


def test_real_prose_reads_as_prose(dump):
    text, links = next((text, links) for title, text, links in dump if title == "Anarchism")
    assert text.startswith(
        "Anarchism is a political philosophy that advocates self-governed societies "
        "based on voluntary"
    )
    assert "Further reading" not in text.split("\n") and "References" not in text.split("\n")
    named = {(text[link.start : link.end], link.target) for link in links}
    assert ("political philosophy", "Political philosophy") in named
    assert len(links) > 300


def test_real_links_are_many_and_near_their_targets(dump):
    """Most surfaces are the title, give or take case and brackets: a shifted span breaks this."""
    pairs = [
        (text[link.start : link.end], link.target) for _, text, links in dump for link in links
    ]
    same = sum(surface.casefold().rstrip("s") in target.casefold() for surface, target in pairs)
    assert len(pairs) > 15_000 and same / len(pairs) > 0.6
