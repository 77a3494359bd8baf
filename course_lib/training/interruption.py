"""Ctrl-C and SIGTERM, turned into a wish: finish the step, save, then stop.

A machine that is taken away sends SIGTERM some seconds before it is gone. Python would raise
wherever it stands, in the middle of an update too; here the signal only sets a flag, and the loop
looks at it between two steps.

>>> with finish_the_step_on_signals() as stop:
...     signal.raise_signal(signal.SIGTERM)
...     stop.wait(5)
True
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM came; the state was saved if the run has a folder."""


@contextlib.contextmanager
def finish_the_step_on_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets; a second Ctrl-C interrupts at once."""
    stop = threading.Event()
    # only the main thread may set handlers
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def on_signal(number: int, frame) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
