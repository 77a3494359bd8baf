"""Take README's picture of the built book: ``book/assets/page.png``, at most 200 kB.

    python book/tools/picture.py [PAGE] [SELECTOR]

The page is scrolled so that the element of SELECTOR stands near its top; then Chromium takes the
picture.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "book" / "assets" / "page.png"
FLAGS = ["--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]


def take(page: str, selector: str) -> None:
    """Write the picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        tab = browser.new_page(viewport={"width": 1240, "height": 780}, color_scheme="light")
        tab.goto((ROOT / "_build" / "html" / page).as_uri())
        tab.wait_for_timeout(3000)
        tab.evaluate(
            "s => window.scrollTo(0, document.querySelector(s).getBoundingClientRect().top - 160)",
            selector,
        )
        tab.wait_for_timeout(500)
        tab.screenshot(path=str(TARGET))
        browser.close()
    picture = Image.open(TARGET).convert("RGB").quantize(colors=128, dither=Image.Dither.NONE)
    picture.save(TARGET, optimize=True)
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size // 1000} kB")


if __name__ == "__main__":
    chosen = sys.argv[1:] + ["notebooks/04_masking.html", ".widget-slider"][len(sys.argv) - 1 :]
    take(*chosen[:2])
