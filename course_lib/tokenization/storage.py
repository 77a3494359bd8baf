"""Tokenizers on the disk and in ``transformers``: there and back without a loss.

    tokenizer.json           all that decides how text is encoded, as ``tokenizers`` writes it
    tokenizer_config.json    which special token plays which role, as ``transformers`` reads it

A folder with both is what ``AutoTokenizer.from_pretrained`` loads. With the first file alone the
usual names of the special tokens are looked for. What is read is a pair: the Rust tokenizer, and
those of its special tokens that the source names, by role.

Cost: reading or writing the files once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tokenizers

from course_lib.whole_files import read_json_object, write_text_whole

from .special_tokens import ROLES, named_roles

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_FILE = "tokenizer.json"
_CONFIG = "tokenizer_config.json"


def write_tokenizer(
    path: str | os.PathLike, state: Mapping[str, Any], roles: Mapping[str, str]
) -> None:
    """Write a directory with both files; or, if ``path`` ends in .json, ``state`` alone.

    state: the tokenizer as JSON.
    """
    path = Path(path)
    text = json.dumps(state, ensure_ascii=False, indent=1)
    if path.suffix == ".json":
        return write_text_whole(path, text)
    path.mkdir(parents=True, exist_ok=True)
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    config |= {f"{role}_token": token for role, token in roles.items()}
    write_text_whole(path / _FILE, text)
    write_text_whole(path / _CONFIG, json.dumps(config, ensure_ascii=False, indent=1))


def read_tokenizer(path: str | os.PathLike) -> tuple[tokenizers.Tokenizer, dict[str, str]]:
    """Read what ``write_tokenizer`` wrote, or any directory or file with a ``tokenizer.json``.

    Raises ValueError if it is missing or damaged.
    """
    path = Path(path)
    file = path / _FILE if path.is_dir() else path
    if not file.is_file():
        raise ValueError(
            f"no tokenizer at {path}: expected a {_FILE} written by Tokenizer.save; a model's "
            "directory without one is read by Tokenizer.from_transformers"
        )
    try:
        backend = tokenizers.Tokenizer.from_str(file.read_text(encoding="utf-8"))
        config = file.with_name(_CONFIG)
        named = read_json_object(config) if config.is_file() else {}
    except Exception as error:  # the Rust library raises a bare Exception
        raise ValueError(
            f"{file} is damaged ({error}); save the tokenizer again or train a new one"
        ) from error
    return backend, named_roles(named)


def from_transformers(source: Any) -> tuple[tokenizers.Tokenizer, dict[str, str]]:
    """What is inside a ``transformers`` tokenizer: the object, a directory, or a name on the hub.

    Raises ValueError if the name is not to be had (no network, no such model) or the tokenizer is
    not a fast one.
    """
    if isinstance(source, (str, os.PathLike)):
        source = _from_hub(source)
    backend = getattr(source, "backend_tokenizer", None)
    if backend is None:
        raise ValueError(f"{type(source).__name__} has no fast version; load it with use_fast=True")
    names = [f"{role}_token" for role in ROLES]
    return backend, named_roles({name: getattr(source, name, None) for name in names})


def to_transformers(
    backend: tokenizers.Tokenizer, roles: Mapping[str, str]
) -> PreTrainedTokenizerFast:
    """The same tokenizer as ``transformers`` has it. Needs the package ``transformers``."""
    from transformers import PreTrainedTokenizerFast

    named = {f"{role}_token": token for role, token in roles.items()}
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, clean_up_tokenization_spaces=False, **named
    )


def _from_hub(name: str | os.PathLike) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no tokenizer called {str(name)!r} here: it is neither a directory with a {_FILE} nor "
            "to be had from the hub (no network, or no such name); check the spelling, go online "
            "once, or train one with train_tokenizer"
        ) from error
