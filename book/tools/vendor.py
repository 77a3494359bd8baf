"""Put what the built book needs from npm into ``_vendor/``, so that it asks nothing off its host.

The archives are pinned by version and by SHA-512 (``npm pack`` prints it). ``_vendor/site`` is
copied into the book; ``_vendor/test`` holds axe-core, which only the tests use. Without npm nothing
is done, and the book uses the usual CDNs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "_vendor"
UNUSED = (".map", "-amd.js", ".eot", ".ttf", ".svg")  # inside the folders that are kept


@dataclass(frozen=True)
class Asset:
    """An npm package at a version, its SHA-512, and the members to keep.

    members: path prefix in the archive -> folder here.
    """

    package: str
    version: str
    sha512: str  # base64, as in a package-lock.json
    members: dict[str, str]


ASSETS = (
    Asset(
        "mathjax",
        "3.2.2",
        "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
        {
            "es5/tex-mml-chtml.js": "site/vendor/mathjax/tex-mml-chtml.js",
            "es5/output/chtml/fonts/woff-v2/": "site/vendor/mathjax/output/chtml/fonts/woff-v2/",
            "es5/input/tex/extensions/": "site/vendor/mathjax/input/tex/extensions/",
            "es5/a11y/": "site/vendor/mathjax/a11y/",
            "es5/sre/": "site/vendor/mathjax/sre/",
        },
    ),
    Asset(
        "mermaid",
        "11.17.2",
        "V6K3C8EBdEsPFZXSKMJe6ppQOENxuHARr9GvHX4hh47lAbhMRD9qf4oEK7LoaRQxULMa80/qt5gHO73aCleBBg==",
        {
            # for pages opened from file://
            "dist/mermaid.min.js": "site/vendor/mermaid/mermaid.min.js",
            "dist/mermaid.esm.min.mjs": "site/vendor/mermaid/mermaid.esm.min.mjs",
            "dist/chunks/mermaid.esm.min/": "site/vendor/mermaid/chunks/mermaid.esm.min/",
        },
    ),
    Asset(
        "@jupyter-widgets/html-manager",
        "1.0.15",
        "5thBIV6ymNgmPVOHvzx+gGy8ZSKmSazhtGw4/c4xJDVzRhG9PTeQsRjF3FUTopvFi//SABeNz1yp47bCrJ3CQA==",
        {
            "dist/embed.js": "site/vendor/html-manager/embed.js",
            "dist/": "site/vendor/html-manager/",
        },
    ),
    Asset(
        "axe-core",
        "4.14.1",
        "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        {"axe.min.js": "test/axe.min.js"},
    ),
)


def vendor() -> bool:
    """Fetch what is missing; True if ``_vendor`` is complete, False without npm or a network."""
    stamp = VENDOR / "complete.json"
    wanted = {asset.package: asset.version for asset in ASSETS}
    if stamp.exists() and json.loads(stamp.read_text()) == wanted:
        return True
    npm = shutil.which("npm")
    if npm is None:
        print(
            "npm is not here: the book will load MathJax, mermaid and the widgets from their CDNs."
        )
        return False
    try:
        fetch_all(npm, stamp, wanted)
    except subprocess.CalledProcessError as error:
        print(
            f"npm failed, so the book will use the CDNs: {error.stderr.strip().splitlines()[-1:]}"
        )
        return False
    return True


def fetch_all(npm: str, stamp: Path, wanted: dict[str, str]) -> None:
    """Fetch and check every archive, unpack it beside ``_vendor``, then put the whole in place."""
    with tempfile.TemporaryDirectory(dir=ROOT, prefix="_vendor.") as folder:
        for asset in ASSETS:
            unpack(fetch(npm, asset, Path(folder)), asset, Path(folder) / "ready")
        (Path(folder) / "ready" / stamp.name).write_text(json.dumps(wanted))
        shutil.rmtree(VENDOR, ignore_errors=True)
        (Path(folder) / "ready").rename(VENDOR)


def fetch(npm: str, asset: Asset, folder: Path) -> Path:
    """The archive of ``asset``; raises ValueError if it is not the pinned one."""
    command = [
        npm,
        "pack",
        "--silent",
        "--json",
        "--pack-destination",
        str(folder),
        f"{asset.package}@{asset.version}",
    ]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder).stdout
    entry = json.loads(said)
    entry = entry[0] if isinstance(entry, list) else next(iter(entry.values()))
    archive = folder / entry["filename"].replace("@", "").replace("/", "-")
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != asset.sha512:
        raise ValueError(
            f"{asset.package}@{asset.version}: SHA-512 {found} is not the pinned {asset.sha512}"
        )
    return archive


def unpack(archive: Path, asset: Asset, into: Path) -> None:
    """Copy the wanted members of ``archive`` below ``into``."""
    with tarfile.open(archive) as tar:
        for member in tar:
            name = member.name.partition("/")[2]  # the first folder is "package"
            targets = (
                new + name[len(old) :] for old, new in asset.members.items() if name.startswith(old)
            )
            target = next(targets, None)
            if target is None or not member.isfile() or name.endswith(UNUSED):
                continue
            path = into / target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tar.extractfile(member).read())


if __name__ == "__main__":
    sys.exit(0 if vendor() else 1)
