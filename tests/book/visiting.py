"""A visit to one page of the built book: what is seen there in both themes and at both widths."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "_vendor" / "test" / "axe.min.js"
CHECKS = Path(__file__).with_name("page_checks.js")

# Console messages that the theme or a library writes on every page, with their cause; anything else
# is an error.
EXPECTED = {
    "THEBE_JS_URL": "sphinx-thebe declares its constant twice",
    "reading 'classList'": "the theme looks for a button that the page has not",
    "invalid theme mode": "the theme's own default, which it then corrects",
    "strict mode: use allowUnionTypes": "the widget manager's JSON schema validator, a warning",
}


@dataclass
class Visit:
    """What was seen on one page."""

    off_host: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    enlarged: list[str] = field(default_factory=list)
    wide: list[str] = field(default_factory=list)
    contrast: dict[str, list[str]] = field(default_factory=dict)
    axe: set[tuple[str, str, str]] = field(default_factory=set)  # theme, rule, element


def watch(page, base: str, visit: Visit) -> None:
    """Note requests off the host, failed ones, and what the console says."""

    def request(route) -> None:
        if route.request.url.startswith((base, "data:", "blob:")):
            route.continue_()
        else:
            visit.off_host.append(route.request.url)
            route.abort()

    def console(message) -> None:
        if message.type in ("error", "warning"):
            error(message.text)

    def error(said: object) -> None:
        if not any(known in str(said) for known in EXPECTED):
            visit.console.append(str(said))

    def response(given) -> None:
        if given.status >= 400:
            visit.failed.append(f"{given.status} {given.url}")

    page.route("**/*", request)
    page.on("console", console)
    page.on("pageerror", error)
    page.on("response", response)


def settle(page) -> None:
    """Wait until formulas, map and widgets are drawn, and until nothing moves."""
    page.wait_for_load_state("networkidle")
    page.evaluate("() => window.MathJax?.startup?.promise")
    drawn = """() => {
        const count = selector => document.querySelectorAll(selector).length;
        return [...document.querySelectorAll('pre.mermaid')].every(e => e.querySelector('svg'))
            && count('.widget-subarea > *:not(script)')
               >= count("script[type='application/vnd.jupyter.widget-view+json']");
    }"""
    # what is missing after this time is reported by the checks
    with contextlib.suppress(Exception):
        page.wait_for_function(drawn, timeout=8000)
    page.wait_for_timeout(150)


def set_theme(page, theme: str) -> None:
    """Switch to ``light`` or ``dark`` as the theme's own button does."""
    page.evaluate(
        "t => { const d = document.documentElement.dataset; d.mode = t; d.theme = t; }", theme
    )
    page.wait_for_timeout(700 if page.query_selector("pre.mermaid") else 100)


def axe_violations(page, theme: str) -> list[tuple[str, str]]:
    """Axe's violations as (rule, element).

    Only colours depend on the theme, so in the dark only they are looked at.

    The glyphs of formulas are left out: they are hidden from screen readers, which read MathJax's
    MathML instead.
    """
    options = {"resultTypes": ["violations"]}
    if theme == "dark":
        options["runOnly"] = ["color-contrast"]
    ask = "o => axe.run({exclude: ['mjx-math']}, o).then(r => r.violations)"
    found = [(rule["id"], node) for rule in page.evaluate(ask, options) for node in rule["nodes"]]
    return [(name, node["html"].split(">")[0][:160]) for name, node in found]


def look(browser, base: str, path: str) -> Visit:
    """Open ``path`` and check it at both widths and in both themes."""
    visit = Visit()
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    page = context.new_page()
    watch(page, base, visit)
    page.goto(base + path)
    settle(page)
    # colours as they end
    page.add_style_tag(content="* {transition: none !important; animation: none !important}")
    page.add_script_tag(path=str(CHECKS))
    page.add_script_tag(path=str(AXE))
    visit.unnamed = page.evaluate("courseChecks.unnamed()")
    visit.unresolved = page.evaluate("courseChecks.unresolved()")
    visit.enlarged = page.evaluate("courseChecks.enlarged()")
    for theme in ("light", "dark"):
        set_theme(page, theme)
        visit.contrast[theme] = page.evaluate("courseChecks.contrast()")
        visit.axe |= {(theme, *found) for found in axe_violations(page, theme)}
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(250)
    visit.wide = page.evaluate("courseChecks.wide()")
    context.close()
    return visit
