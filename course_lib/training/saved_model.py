"""A trained model and its tokenizer in one folder, bound to each other by a fingerprint.

    path/
      model/      state.safetensors  state.json (the configuration, and the fingerprint)
      tokenizer/

A tokenizer with another vocabulary would give the model other words under the same numbers; loading
refuses it.
"""

from __future__ import annotations

import os
from pathlib import Path

from course_lib.encoder import EncoderConfig, MaskedLanguageModel
from course_lib.tokenization import Tokenizer
from course_lib.whole_files import check_object

from .checkpoint import CheckpointError, read_folder, write_folder


def save_model(path: str | os.PathLike, model: MaskedLanguageModel, tokenizer: Tokenizer) -> None:
    """Write a trained model and its tokenizer into ``path/model`` and ``path/tokenizer``."""
    info = {"config": model.config.values(), "tokenizer": tokenizer.fingerprint}
    write_folder(Path(path) / "model", model.state_dict(), info)
    tokenizer.save(Path(path) / "tokenizer")


def load_model(path: str | os.PathLike) -> tuple[MaskedLanguageModel, Tokenizer]:
    """What ``save_model`` wrote, in evaluation mode.

    Raises CheckpointError when it is damaged, or when the tokenizer is not the one the model was
    trained with.
    """
    tensors, info = read_folder(Path(path) / "model")
    try:
        check_object(info, f"{path}/model/state.json", tokenizer=str, config=dict)
        config = EncoderConfig.from_values(info["config"])
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}/model can't be loaded: {error}") from error
    tokenizer = Tokenizer.load(Path(path) / "tokenizer")
    if tokenizer.fingerprint != info["tokenizer"]:
        raise CheckpointError(
            f"{path}/tokenizer is not the tokenizer that {path}/model was trained with"
        )
    model = MaskedLanguageModel(config)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}/model can't be loaded: its weights are not those of its config ({error})"
        ) from error
    return model.eval(), tokenizer
