"""Make a shipped model again: ``python -m course_lib.shipped small-model | minilm-mlm``."""

from __future__ import annotations

import sys

from . import minilm_mlm, small_model

COMMANDS = {"small-model": small_model.main, "minilm-mlm": minilm_mlm.main}


def main(arguments: list[str] | None = None) -> int:
    """Run the command named first with the other arguments. Returns the exit code."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if name not in COMMANDS:
        wanted = " or ".join(COMMANDS)
        print(f"which model? Write {wanted} first, got {name!r}; --help after it", file=sys.stderr)
        return 2
    COMMANDS[name](rest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
