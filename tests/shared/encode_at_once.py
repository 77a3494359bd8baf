"""One of two processes that encode into the same folders at the same moments.

python encode_at_once.py TOKENIZER FOLDER MEETING ME OTHER, where ME and OTHER are names; what goes
wrong ends the process with an error.
"""

import sys
import time
from pathlib import Path

from course_lib.batches import encode_corpus
from course_lib.tokenization import Tokenizer

ROUNDS = 15


def meet(meeting: Path, number: int, me: str, other: str) -> None:
    """Wait until the other process has come as far."""
    (meeting / f"{number}-{me}").touch()
    until = time.monotonic() + 120
    while not (meeting / f"{number}-{other}").exists():
        if time.monotonic() > until:
            raise TimeoutError(f"{other} did not come to round {number}")


def main(tokenizer: str, folder: str, meeting: str, me: str, other: str) -> None:
    ours = Tokenizer.load(tokenizer)
    for k in range(ROUNDS):
        meet(Path(meeting), k, me, other)
        for fingerprint in ("", "one", "two"):
            path = Path(folder) / str(k)
            array = encode_corpus(
                ["ban dol"] * 5, ours, path, fingerprint=fingerprint, progress=False
            )
            assert array.n_documents == 5


if __name__ == "__main__":
    main(*sys.argv[1:])
