"""Every widget of the book moves what it should, by mouse and by keyboard, without a kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"
VIEW = "application/vnd.jupyter.widget-view+json"
CONTROLS = (
    ".widget-slider, .widget-dropdown, .widget-play, .widget-toggle-buttons, "
    ".widget-checkbox, .widget-text"
)


def pages() -> list[str]:
    """The pages with widgets."""
    found = [
        p
        for p in sorted(HTML.rglob("*.html"))
        if "_static" not in p.parts and VIEW in p.read_text("utf-8")
    ]
    return [str(p.relative_to(HTML)) for p in found] or ["(none)"]


@pytest.fixture(scope="module")
def open_page(browser, serve):
    """A function: path -> the page in Chromium with its widgets drawn, at this width."""
    base = serve(HTML)

    def opened(path: str, width: int = 1280):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto(base + path)
        page.wait_for_selector(CONTROLS, timeout=20000)
        page.wait_for_timeout(500)
        return page

    return opened


def shown(control) -> str:
    """What the reader sees in the output that ``control`` stands in, without its own readout."""
    return control.evaluate(
        """c => {
            const area =
                c.closest('.widget-subarea') ?? c.closest('.cell_output') ?? c.parentElement;
            const seen = [...area.querySelectorAll('.widget-html-content, .widget-output, img')]
                .filter(e => e.getBoundingClientRect().height > 0);
            return seen.map(e => e.innerHTML + (e.src ?? '')).join('|');
        }"""
    )


def by_keyboard(page, control) -> None:
    """Move ``control`` one step with the keyboard."""
    kind = control.get_attribute("class")
    if "slider" in kind:
        handle = control.query_selector(".noUi-handle")
        handle.focus()
        at_end = handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemax")
        page.keyboard.press("ArrowLeft" if at_end else "ArrowRight")
    elif "dropdown" in kind:
        menu = control.query_selector("select")
        menu.focus()
        last = menu.evaluate("m => m.selectedIndex === m.options.length - 1")
        page.keyboard.press("ArrowUp" if last else "ArrowDown")
    else:
        pytest.fail(f"no test knows how to move {kind}: add it here")
    page.wait_for_timeout(250)


def by_mouse(page, control) -> None:
    """Move ``control`` with the mouse: a slider to its other end, a menu to another entry."""
    kind = control.get_attribute("class")
    control.scroll_into_view_if_needed()
    if "slider" in kind:
        track = control.query_selector(".noUi-base").bounding_box()
        box = control.query_selector(".noUi-handle").bounding_box()
        middle = box["x"] + box["width"] / 2
        right = middle < track["x"] + track["width"] / 2
        page.mouse.move(middle, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(
            track["x"] + (track["width"] - 2 if right else 2), box["y"] + box["height"] / 2, steps=6
        )
        page.mouse.up()
    else:
        menu = control.query_selector("select")
        menu.select_option(index=menu.evaluate("m => (m.selectedIndex + 1) % m.options.length"))
    page.wait_for_timeout(250)


def move_all(page) -> list[str]:
    """Move every control of ``page`` both ways; the ones that moved nothing."""
    stuck = []
    for number, control in enumerate(page.query_selector_all(CONTROLS), start=1):
        for way in (by_keyboard, by_mouse):
            before = shown(control)
            way(page, control)
            if not before or shown(control) == before:
                stuck.append(f"control {number} moves nothing {way.__name__.replace('_', ' ')}")
    return stuck


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", pages())
def test_widgets_move(open_page, path, width):
    page = open_page(path, width)
    assert move_all(page) == []
    page.close()


@pytest.mark.parametrize("path", pages())
def test_every_stored_widget_is_drawn(open_page, path):
    page = open_page(path)
    views = page.locator(f"script[type='{VIEW}']").count()
    assert page.locator(".widget-subarea").count() == views > 0
    empty = page.evaluate(
        "[...document.querySelectorAll('.widget-subarea')].filter(e => e.offsetHeight < 20).length"
    )
    assert empty == 0
    page.close()


@pytest.mark.parametrize("path", pages())
def test_controls_have_names_and_say_what_they_read(open_page, path):
    page = open_page(path)
    for slider in page.query_selector_all(".widget-slider"):
        handle = slider.query_selector(".noUi-handle")
        label = slider.query_selector(".widget-label").inner_text().strip()
        assert handle.get_attribute("aria-label") == label != ""
        by_keyboard(page, slider)
        readout = slider.query_selector(".widget-readout").inner_text().strip()
        assert handle.get_attribute("aria-valuetext") == readout
    for menu in page.query_selector_all(".widget-dropdown"):
        label = menu.query_selector("label")
        identity = menu.query_selector("select").get_attribute("id")
        assert label.inner_text().strip() and label.get_attribute("for") == identity
    page.close()
