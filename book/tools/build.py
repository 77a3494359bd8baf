"""Build the book into ``_build/html``: warnings are errors, and what stands in ``_vendor`` is used.

    python book/tools/build.py [--instructor]

A notebook that carries outputs is shown as it is; one without is executed (and cached).
``--instructor`` adds the solutions, which a student's book does not hold, and writes to
``_build/instructor``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from repository import provider
from vendor import ROOT, VENDOR, vendor

LOCAL = {  # settings of the book that makes no request off its host
    "html_static_path": ["book/assets", "_vendor/site"],
    "mathjax_path": "vendor/mathjax/tex-mml-chtml.js",
    "mermaid_use_local": "vendor/mermaid/mermaid.esm.min.mjs",
    "nb_ipywidgets_js": {"vendor/html-manager/embed.js": {}},
}


def has_outputs(notebook: Path) -> bool:
    """Whether any cell of ``notebook`` was run."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return any(cell.get("execution_count") or cell.get("outputs") for cell in cells)


def settings(*, instructor: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """This build's configuration and table of contents, from ``_config.yml`` and ``_toc.yml``."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    done = [path for path in sorted(ROOT.glob("notebooks/*.ipynb")) if has_outputs(path)]
    config["execute"]["exclude_patterns"] = [path.name for path in done]
    config["sphinx"]["local_extensions"] = {"course_sphinx": str(ROOT / "book" / "tools")}
    if not provider(config["repository"]["url"]):
        # the theme stops at a host that it does not know
        config["repository"]["url"] = ""
    if vendor():
        config["sphinx"]["config"] |= LOCAL
    if instructor:
        config["title"] += " (instructors' edition)"
        config["exclude_patterns"].remove("book/solutions/*")
        solutions = sorted(ROOT.glob("book/solutions/*.md"))
        pages = [{"file": str(path.relative_to(ROOT).with_suffix(""))} for path in solutions]
        toc["parts"].insert(-1, {"caption": "Solutions", "chapters": pages})
    return config, toc


def build(*, instructor: bool) -> int:
    """Run Jupyter Book; its exit status."""
    place = ROOT / "_build" / ("instructor" if instructor else "")
    place.mkdir(parents=True, exist_ok=True)
    config, toc = settings(instructor=instructor)
    for name, content in (("_config.yml", config), ("_toc.yml", toc)):
        (place / name).write_text(
            yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8"
        )
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        str(ROOT),
        "-W",
        "-n",
        "--keep-going",
    ]
    command += ["--config", str(place / "_config.yml"), "--toc", str(place / "_toc.yml")]
    if instructor:
        command += ["--path-output", str(place)]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def where(*, instructor: bool) -> None:
    """Say where the built book is."""
    place = ROOT / "_build" / ("instructor/_build" if instructor else "")
    print(f"The book is built. Open {(place / 'html' / 'index.html').as_uri()}")
    print("or run `make serve` and open http://localhost:8000/")
    if not VENDOR.is_dir():
        print(
            "Formulas, the map and the widgets are loaded from CDNs, "
            "so reading it needs the network."
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--instructor", action="store_true", help="add the solutions")
    parser.add_argument("--where", action="store_true", help="build nothing, say where the book is")
    options = parser.parse_args()
    status = 0 if options.where else build(instructor=options.instructor)
    if status == 0:
        where(instructor=options.instructor)
    sys.exit(status)
