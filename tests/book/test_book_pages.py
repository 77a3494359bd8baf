"""Every page, as a reader with a phone, a dark screen, a keyboard or a screen reader meets it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from bs4 import BeautifulSoup

pytestmark = pytest.mark.browser

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"
GENERATED = {"genindex.html", "py-modindex.html", "search.html"}
BUILT = [p.relative_to(HTML) for p in HTML.rglob("*.html") if "_static" not in p.parts]
PAGES = sorted(map(str, BUILT)) or ["(not built)"]
PAGES = [page for page in PAGES if page != "index.html"]  # a redirect to the landing page
READ = [page for page in PAGES if page not in GENERATED]


@pytest.mark.parametrize("page", PAGES)
def test_no_request_leaves_the_host_and_none_fails(visits, page):
    assert visits(page).off_host == []
    assert visits(page).failed == []


@pytest.mark.parametrize("page", PAGES)
def test_the_console_is_quiet(visits, page):
    assert visits(page).console == []


@pytest.mark.parametrize("page", PAGES)
def test_nothing_sticks_out_on_a_phone(visits, page):
    assert visits(page).wide == []


@pytest.mark.parametrize("words", ["mask", "encoder", "special_mask"])
def test_what_a_search_finds_does_not_stick_out_on_a_phone(browser, serve, words):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{serve(HTML)}search.html?q={words}")
    # the excerpts come one by one, from the pages that were found
    page.wait_for_function("document.querySelector('#search-results li .context')")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


@pytest.mark.parametrize("page", READ)
def test_every_picture_says_what_it_shows(visits, page):
    assert visits(page).unnamed == []


@pytest.mark.parametrize("page", READ)
def test_formulas_maps_and_references_are_resolved(visits, page):
    assert visits(page).unresolved == []


@pytest.mark.parametrize("page", READ)
def test_no_drawing_is_blown_up(visits, page):
    assert visits(page).enlarged == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", READ)
def test_text_is_legible(visits, page, theme):
    assert visits(page).contrast[theme] == []


@pytest.mark.parametrize("page", READ)
def test_axe_finds_nothing_that_the_empty_page_has_not(visits, empty_page, page):
    known = {(theme, rule) for theme, rule, _ in empty_page.axe}
    new = sorted(found for found in visits(page).axe if found[:2] not in known)
    assert new == []


def parsed(page: Path) -> BeautifulSoup:
    """The page's tree."""
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def ids(page: Path) -> list[str]:
    """All ids of a page, in order."""
    return [tag["id"] for tag in parsed(page).find_all(id=True)]


@pytest.fixture(scope="module")
def anchors() -> dict[Path, set[str]]:
    return {HTML / page: set(ids(HTML / page)) for page in PAGES}


def broken_links(page: Path, anchors: dict[Path, set[str]]) -> list[str]:
    """Links of ``page`` to a file that is not there or to a place that is not in it."""
    broken = []
    for tag in parsed(page).find_all("a", href=True):
        target, place = urldefrag(tag["href"])
        if target.startswith(("http:", "https:", "mailto:", "javascript:", "data:")):
            continue
        path = (page.parent / unquote(target)).resolve() if target else page
        if not path.exists():
            broken.append(f"{tag['href']}: no such page")
        elif place and path.suffix == ".html" and unquote(place) not in anchors.get(path, set()):
            broken.append(f"{tag['href']}: no such place")
    return broken


@pytest.mark.parametrize("page", PAGES)
def test_internal_links_resolve(page, anchors):
    assert broken_links(HTML / page, anchors) == []


@pytest.mark.parametrize("page", READ)
def test_ids_are_unique(page):
    twice = [name for name, count in Counter(ids(HTML / page)).items() if count > 1]
    assert [name for name in twice if not name.startswith("pst-")] == []


def test_solutions_are_not_in_the_book_that_students_read():
    leaked = [
        path for path in HTML.rglob("*") if "solution" in path.name or "solutions" in path.parts
    ]
    assert leaked == []


def test_the_root_leads_to_the_landing_page(browser, serve):
    page = browser.new_page()
    page.goto(serve(HTML))
    page.wait_for_url("**/book/index.html")
    assert "Self-Supervised Learning" in page.title()
    page.close()


def test_a_page_opened_from_disk_draws_its_map_and_formulas(browser):
    page = browser.new_page()
    page.goto((HTML / "book" / "index.html").as_uri())
    page.wait_for_selector("pre.mermaid svg", timeout=15000)
    page.goto((HTML / "book" / "notation.html").as_uri())
    page.wait_for_selector("mjx-container", timeout=15000)
    page.close()
