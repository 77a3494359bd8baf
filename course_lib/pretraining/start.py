"""Where pre-training starts: from new weights, or from a model that was saved.

To go on from a model on other text is the second half of most recipes in practice (Gururangan et
al. 2020, arXiv:2004.10964, show what it is worth). Two kinds of folders are read:

    what ``pretrain`` wrote       model/  tokenizer/
    what ``transformers`` wrote   config.json  model.safetensors  tokenizer.json

The second is a ``BertForMaskedLM`` or a ``ModernBertForMaskedLM`` with full attention, with its
tokenizer. In both the tokens keep their numbers, so the tokenizer is the model's and none is
trained; and the shape is the model's.

Cost: reading the weights.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from course_lib.encoder import EncoderConfig, MaskedLanguageModel
from course_lib.tokenization import Tokenizer
from course_lib.training import load_model

from .config import SHAPE, PretrainConfig

VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model")
HEADS = ("ForMaskedLM", "ForPreTraining")


class Start(NamedTuple):
    """A model that has learnt, and its tokenizer."""

    model: MaskedLanguageModel
    tokenizer: Tokenizer


def load_start(folder: str | os.PathLike) -> Start:
    """The model and tokenizer in ``folder``, saved by this package or by ``transformers``.

    Raises ValueError (CheckpointError for damage) for a folder that holds neither, a model without
    an MLM head or of a kind that we do not have, and a tokenizer that is not the model's.
    """
    path = Path(folder).expanduser()
    if (path / "model" / "state.json").exists():
        return Start(*load_model(path))
    if not (path / "config.json").exists():
        raise ValueError(
            f"init={str(folder)!r} holds no model: give a folder with what `pretrain` wrote "
            "(model/ and tokenizer/) or what save_pretrained of transformers did (config.json)"
        )
    _check_saved(path)
    model = MaskedLanguageModel.from_transformers(str(path))
    tokenizer = Tokenizer.from_transformers(str(path))
    if tokenizer.vocab_size > model.config.vocab_size:
        raise ValueError(
            f"the tokenizer in {path} has {tokenizer.vocab_size} tokens, the model only "
            f"{model.config.vocab_size}: they do not belong together"
        )
    return Start(model, tokenizer)


def _check_saved(path: Path) -> None:
    """That a folder of ``transformers`` has an MLM head, else it would get a random one."""
    try:
        heads = json.loads((path / "config.json").read_text("utf-8")).get("architectures") or []
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"{path / 'config.json'} is damaged ({error}); save it again") from error
    if heads and not any(name.endswith(HEADS) for name in heads):
        raise ValueError(
            f"the model in {path} is a {heads[0]} and has no masked-language-model head: save a "
            "BertForMaskedLM or a ModernBertForMaskedLM"
        )
    if not any((path / name).exists() for name in VOCABULARIES):
        raise ValueError(
            f"{path} holds a model without its tokenizer: save it there, too "
            "(tokenizer.save_pretrained)"
        )


def settled(config: PretrainConfig, start: Start) -> PretrainConfig:
    """``config`` with the shape of the model that it starts from.

    >>> from course_lib.tokenization import train_tokenizer
    >>> tokenizer = train_tokenizer(["a b c"], 40)
    >>> shape = dict(vocab_size=tokenizer.vocab_size, n_layers=1, d_model=32, n_heads=2)
    >>> start = Start(MaskedLanguageModel(EncoderConfig.modern(**shape)), tokenizer)
    >>> settled(PretrainConfig(init="runs/first"), start).n_layers
    1
    >>> settled(PretrainConfig(init="runs/first", n_layers=4), start)
    Traceback (most recent call last):
    ValueError: n_layers=4, but the model in 'runs/first' has n_layers=1: leave it out, ...

    Raises ValueError for a field that says something else than the model, and for a ``seq_len``
    that is longer than its rows may be.
    """
    own = start.model.config
    shape = {name: getattr(own, name, None) for name in SHAPE}
    shape |= {"shape": _tradition(own), "kind": start.tokenizer.kind}
    for name, value in shape.items():
        if getattr(config, name) not in (None, value):
            raise ValueError(
                f"{name}={getattr(config, name)!r}, but the model in {config.init!r} has "
                f"{name}={value!r}: leave it out, or start from new weights without init"
            )
    if config.seq_len > own.max_len:
        raise ValueError(
            f"seq_len={config.seq_len}, but the model in {config.init!r} takes rows of at most "
            f"{own.max_len} tokens: take a smaller seq_len"
        )
    return replace(config, **shape)


def check_new_batches(config: PretrainConfig, text: str) -> None:
    """Raises ValueError if the model has seen this text in this very order.

    text: the fingerprint of the encoded text. The seed decides the order, so the first batches of
    the run before would come first again: a model learns those by heart and nothing else.
    """
    file = Path(config.init or "").expanduser() / "result.json"
    before = json.loads(file.read_text("utf-8")) if config.init and file.exists() else {}
    seed = before.get("config", {}).get("seed")
    if before.get("text") == text and seed == config.seed:
        raise ValueError(
            f"seed={config.seed}, with which the model in {config.init!r} was trained on the same "
            f"text: its first batches would come first again; take another, such as {seed + 1}"
        )


def _tradition(config: EncoderConfig) -> str | None:
    """``"modern"`` or ``"bert"``, or ``None`` for a shape that is neither."""
    kinds = {("pre", "rotary", True): "modern", ("post", "learned", False): "bert"}
    return kinds.get((config.norm, config.positions, config.gated))
