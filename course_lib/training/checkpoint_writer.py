"""Checkpoints written beside the training, not in its way.

    training   step 200 | copy | step 201, 202, 203 ...      | step 400 | wait for 200, copy | ...
    writing                    | write, hash, sync, rename: step-00000200 |

Only the copy holds the training up: one pass over the weights and moments in memory. Writing,
hashing and waiting for the disk go on in a thread. A checkpoint is still all or nothing, and still
exact, because what is written is the copy; if the process is killed before the thread is done, the
one before it counts. There is never more than one being written: the next one waits for it.

Cost: 12 bytes a parameter of memory while it writes.

>>> import tempfile
>>> from course_lib.training import latest_checkpoint
>>> from course_lib.training.checkpoint import load_checkpoint
>>> weights = torch.ones(2)
>>> with tempfile.TemporaryDirectory() as run:
...     writer = CheckpointWriter()
...     _ = writer.save(run, 3, {"w": weights}, {})
...     _ = weights.zero_()                     # training goes on
...     writer.wait()
...     load_checkpoint(latest_checkpoint(run))[0]["w"].tolist()
[1.0, 1.0]
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import torch
from torch import Tensor

from course_lib.settings import as_plain

from . import checkpoint


class CheckpointWriter:
    """Writes checkpoints in a thread, one at a time.

    What goes wrong there is raised by the next ``save`` or ``wait``.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def save(
        self,
        run: str | os.PathLike,
        step: int,
        tensors: dict[str, Tensor],
        info: dict,
        *,
        keep: int = 2,
    ) -> Path:
        """Copy everything and begin to write ``run/step-XXXXXXXX``; returns where it will be.

        Waits for the one before. Raises CheckpointError if that failed.
        """
        self.wait()
        with torch.no_grad():
            copies = {name: value.detach().to("cpu", copy=True) for name, value in tensors.items()}
        info = json.loads(json.dumps(info, default=as_plain))
        self._thread = threading.Thread(target=self._write, args=(run, step, copies, info, keep))
        self._thread.start()
        return Path(run) / f"step-{step:08d}"

    def _write(
        self, run: str | os.PathLike, step: int, tensors: dict[str, Tensor], info: dict, keep: int
    ) -> None:
        try:
            checkpoint.save_checkpoint(run, step, tensors, info, keep=keep)
        except BaseException as error:  # noqa: BLE001  (raised again where somebody listens)
            self._error = error

    def wait(self) -> None:
        """Until all is on the disk. Raises CheckpointError if it could not be written."""
        if self._thread:
            self._thread.join()
            self._thread = None
        if self._error:
            error, self._error = self._error, None
            raise error
