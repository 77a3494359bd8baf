"""A trained model and its tokenizer in one folder, bound to each other by a fingerprint.

    path/
      model/      state.safetensors  state.json (the configuration, and the fingerprint)
      tokenizer/

A tokenizer with another vocabulary would give the model other words under the same numbers; loading
refuses it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from course_lib.encoder import EncoderConfig, MaskedLanguageModel
from course_lib.tokenization import Tokenizer

from .checkpoint import CheckpointError, read_folder, write_folder


def save_model(path: str | os.PathLike, model: MaskedLanguageModel, tokenizer: Tokenizer) -> None:
    """Write a trained model and its tokenizer into ``path/model`` and ``path/tokenizer``."""
    info = {"config": json.loads(model.config.to_json()), "tokenizer": tokenizer.fingerprint}
    write_folder(Path(path) / "model", model.state_dict(), info)
    tokenizer.save(Path(path) / "tokenizer")


def load_model(path: str | os.PathLike) -> tuple[MaskedLanguageModel, Tokenizer]:
    """What ``save_model`` wrote, in evaluation mode.

    Raises CheckpointError when it is damaged, or when the tokenizer is not the one the model was
    trained with.
    """
    tensors, info = read_folder(Path(path) / "model")
    tokenizer = Tokenizer.load(Path(path) / "tokenizer")
    if tokenizer.fingerprint != info["tokenizer"]:
        raise CheckpointError(
            f"{path}/tokenizer is not the tokenizer that {path}/model was trained with"
        )
    model = MaskedLanguageModel(EncoderConfig.from_json(json.dumps(info["config"])))
    model.load_state_dict(tensors)
    return model.eval(), tokenizer
