"""Where a run's numbers go: a list in memory, a file of JSON lines, and TensorBoard if asked.

Each record is a flat dictionary with ``step`` and ``seconds``. What is not finite, such as the
gradient's norm at a step that fp16 skipped, is ``None``: JSON has no word for it. To send records
elsewhere (W&B, Trackio), give ``train`` a function of one record: ``on_record=wandb.log``.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

from course_lib.whole_files import check_object, write_text_whole


class Tracker:
    """Keeps the records of a run, in memory and, with ``out``, in ``out/metrics.jsonl``.

    last_step: when a run is resumed, records after this step are dropped; the resumed run writes
        them again.
    write: False for all but the first of several workers: they keep the records in memory, and
        read those of old.

    Raises ImportError with the remedy if ``tensorboard`` is asked for and not installed.
    """

    def __init__(
        self,
        out: Path | None,
        *,
        last_step: int | None = None,
        tensorboard: bool = False,
        write: bool = True,
    ) -> None:
        self.path = out / "metrics.jsonl" if out else None
        self.records: list[dict] = (
            _recall(self.path, last_step) if self.path and last_step is not None else []
        )
        if not write:
            self.path, out = None, None
        self._board = (
            _summary_writer(out / "tensorboard", last_step) if out and tensorboard else None
        )
        if self.path:
            lines = "".join(json.dumps(record) + "\n" for record in self.records)
            write_text_whole(self.path, lines)

    def add(self, record: dict) -> None:
        """Keep one record."""
        record = {name: _finite(value) for name, value in record.items()}
        self.records.append(record)
        if self.path:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        if self._board:
            for name, value in record.items():
                if isinstance(value, (int, float)) and name != "step":
                    self._board.add_scalar(name, value, record["step"])

    def close(self) -> None:
        """Write what is still in buffers."""
        if self._board:
            self._board.close()


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _recall(path: Path, last_step: int) -> list[dict]:
    records = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            record = json.loads(line)
            check_object(record, "a record", step=int)
        # the line that was being written when the process died, or what a full disk left
        except (ValueError, RecursionError):
            continue
        if record["step"] <= last_step:
            records.append(record)
    return records


def _summary_writer(path: Path, last_step: int | None):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError("tensorboard=True needs the package: pip install tensorboard") from error
    return SummaryWriter(str(path), purge_step=None if last_step is None else last_step + 1)
