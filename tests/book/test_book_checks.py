"""The checks of the built book find what they look for: pages with planted faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_book_pages import broken_links, ids
from test_book_widgets import move_all
from visiting import look

pytestmark = pytest.mark.browser

GOOD = "<p style='color:#222'>Text, and a <a href='#here'>link</a>.</p><h2 id='here'>Here</h2>"
DARK = (
    "<style>html[data-theme=dark] body {background:#121212 !important} "
    "html[data-theme=dark] * {color:#eee !important}</style>"
)
SLIDER = (
    "<div class=widget-subarea><div class=widget-slider><label class=widget-label>x</label>\n"
    '<div class=noUi-base style="width:200px;height:20px">'
    '<div class=noUi-handle tabindex=0 style="width:20px;height:20px"\n'
    "aria-valuenow=0 aria-valuemax=3></div></div></div>"
    "<div class=widget-html-content><p>the first frame</p></div></div>"
)
LAYERS = (
    "<p style='background:#ddd8'>"
    "<span style='background:rgb(0 0 0/40%);color:#555'>layers</span></p>"
)
SVG = "<svg role=img aria-label=x width=80 height=20>{}</svg>"


def document(body: str) -> str:
    """A page with ``body`` as its article."""
    head = f"<title>A page</title><meta name=viewport content='width=device-width'>{DARK}"
    main = f"<main><article><h1>Title</h1>{body}</article></main>"
    body = f"<body style='background:#fff'>{main}</body>"
    return f"<!doctype html><html lang=en><head>{head}</head>{body}</html>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def seen(browser, serve, folder):
    """A function: body of a page -> what a visit to it sees."""
    base = serve(folder)

    def visit(body: str):
        (folder / "page.html").write_text(document(body))
        (folder / "favicon.ico").touch()
        return look(browser, base, "page.html")

    return visit


def test_a_page_without_faults_passes(seen, folder):
    visit = seen(GOOD)
    for check in FAULTS:
        assert getattr(visit, check) == [], check
    assert visit.contrast == {"light": [], "dark": []} and visit.axe == set()
    page = folder / "page.html"
    assert broken_links(page, {page.resolve(): set(ids(page))}) == []


FAULTS = {
    "off_host": "<img alt=x src='https://example.org/x.png'>",
    "failed": "<img alt=x src='missing.png'>",
    "console": "<script>console.error('broken')</script>",
    "unnamed": "<svg width=20 height=20><rect width=9 height=9 /></svg>",
    "unresolved": "<p><a class=reference href='#'>??</a></p>",
    "enlarged": (
        "<pre class=mermaid><svg role=img aria-label=x viewBox='0 0 90 40' width=700></svg></pre>"
    ),
    "wide": "<div style='width:900px;background:#eee'>too wide</div>",
}


@pytest.mark.parametrize("check", FAULTS)
def test_each_fault_is_seen(seen, check):
    assert getattr(seen(GOOD + FAULTS[check]), check) != []


def test_what_scrolls_inside_of_itself_is_not_too_wide(seen):
    body = "<div style='overflow-x:auto' tabindex=0><pre style='width:900px'>x</pre></div>"
    assert seen(GOOD + body).wide == []


@pytest.mark.parametrize(
    ("body", "theme"),
    [
        ("<p style='color:#aaa'>pale on white</p>", "light"),
        ("<p style='color:#333 !important'>dark on dark</p>", "dark"),
        ("<p style='color:#222;opacity:.4'>faded</p>", "light"),
        (LAYERS, "light"),
        (SVG.format("<text y=15 fill='#ccc'>pale</text>"), "light"),
        (SVG.format("<text y=15 fill='#222'>black</text>"), "dark"),
    ],
)
def test_text_that_cannot_be_read_is_seen(seen, body, theme):
    assert seen(GOOD + body).contrast[theme] != []


def test_axe_is_asked(seen):
    visit = seen(GOOD + "<div role=slider tabindex=0 aria-valuenow=1>x</div><input>")
    rules = {rule for _, rule, _ in visit.axe}
    assert {"aria-input-field-name", "label"} <= rules


@pytest.mark.parametrize("link", ["#nowhere", "missing.html", "page.html#nowhere"])
def test_a_broken_link_is_seen(folder, link):
    page = folder / "page.html"
    page.write_text(document(GOOD + f"<a href='{link}'>x</a>"))
    assert len(broken_links(page, {page.resolve(): set(ids(page))})) == 1


def test_a_slider_that_moves_nothing_is_seen(browser, serve, folder):
    (folder / "stuck.html").write_text(document(SLIDER))
    page = browser.new_page()
    page.goto(serve(folder) + "stuck.html")
    assert len(move_all(page)) == 2, "by keyboard and by mouse"
    page.close()
