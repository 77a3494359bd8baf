"""The built book in headless Chromium: a server, a browser, and one shared visit to each page."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from visiting import AXE, ROOT, Visit, look

HTML = ROOT / "_build" / "html"
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def unavailable() -> str:
    """Why the pages cannot be tested here; empty if they can."""
    if not CHROMIUM.exists():
        return f"{CHROMIUM} is not installed (apt install chromium, or set CHROMIUM)"
    if not (HTML / "index.html").exists():
        return "the book is not built (make book)"
    if not AXE.exists():
        return "the vendored scripts are missing: the book was built without npm"
    return ""


@pytest.fixture(scope="session", autouse=True)
def _available() -> None:
    """Skip with the reason where the tests cannot run; on CI that is a failure."""
    if reason := unavailable():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that does not log."""

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture(scope="session")
def serve() -> Iterator:
    """A function: folder -> address at which it is served on this host."""
    servers = []

    def start(folder: Path) -> str:
        handler = functools.partial(Quiet, directory=str(folder))
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield start
    for server in servers:
        server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Debian's Chromium under Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def visits(browser, serve):
    """A function: page -> its :class:`Visit`; each page is opened once."""
    base = serve(HTML)
    return functools.cache(lambda path: look(browser, base, path))


@pytest.fixture(scope="session")
def empty_page(browser, serve) -> Visit:
    """A visit to the theme's own page: a book with nothing of ours, built once into ``_build``."""
    ours = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["config"]
    config = {
        "title": "Empty",
        "execute": {"execute_notebooks": "off"},
        "sphinx": {"recursive_update": True},
    }
    config["sphinx"]["config"] = {"html_theme_options": ours["html_theme_options"]}
    text = yaml.safe_dump(config)
    place = ROOT / "_build" / "empty" / hashlib.sha256(text.encode()).hexdigest()[:12]
    if not (place / "_build" / "html" / "index.html").exists():
        place.mkdir(parents=True, exist_ok=True)
        (place / "_config.yml").write_text(text)
        toc = {
            "format": "jb-book",
            "root": "index",
            "parts": [{"caption": "Part", "chapters": [{"file": "page"}]}],
        }
        (place / "_toc.yml").write_text(json.dumps(toc))
        (place / "index.md").write_text("# Empty\n\nA paragraph.\n\n## Section\n\nText.\n")
        (place / "page.md").write_text("# Page\n\nA paragraph.\n\n## Section\n\nText.\n")
        command = [
            sys.executable,
            "-c",
            "from jupyter_book.cli.main import main; main()",
            "build",
            str(place),
        ]
        subprocess.run(command, check=True, capture_output=True)
    return look(browser, serve(place / "_build" / "html"), "page.html")
