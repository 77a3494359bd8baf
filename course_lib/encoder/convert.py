"""Weights to and from ``transformers``: the same numbers under other names.

``EncoderConfig.bert()`` has the shape of ``BertForMaskedLM`` and ``EncoderConfig.modern()`` that of
``ModernBertForMaskedLM`` with full attention in every layer, so what this course trains can be used
wherever ``transformers`` is, and public checkpoints can be studied with the course's own code.

The tables below are the whole conversion of the weights; that of the configurations, and what is
refused, stands in ``convert_config``. One thing differs: ModernBERT keeps Q, K and V in one matrix.
This file knows names and shapes, not our classes: it hands over a configuration and a dictionary of
tensors, from which ``Encoder`` and ``MaskedLanguageModel`` build themselves. Weights that have no
place on the other side are an error, so that a model does not become another one.

Cost: one copy of the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from .config import EncoderConfig
from .convert_config import (
    check_head,
    config_from_transformers,
    config_to_transformers,
    kind_of_config,
)

State = dict[str, Tensor]
# ours -> theirs, throughout
_BERT = {
    "embedding.tokens": "embeddings.word_embeddings",
    "embedding.positions": "embeddings.position_embeddings",
    "embedding.types": "embeddings.token_type_embeddings",
    "embedding.norm": "embeddings.LayerNorm",
}
_BERT_BLOCK = {
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "feed_forward.inner": "intermediate.dense",
    "feed_forward.output": "output.dense",
    "feed_forward_norm": "output.LayerNorm",
}
_MODERN = {
    "embedding.tokens": "embeddings.tok_embeddings",
    "embedding.norm": "embeddings.norm",
    "final_norm": "final_norm",
}
_MODERN_BLOCK = {
    "attention.output": "attn.Wo",
    "attention_norm": "attn_norm",
    "feed_forward.inner": "mlp.Wi",
    "feed_forward.output": "mlp.Wo",
    "feed_forward_norm": "mlp_norm",
}
# the head in a whole masked language model; "bias" is a tensor, the others are layers
_HEADS = {
    "bert": {
        "dense": "cls.predictions.transform.dense",
        "norm": "cls.predictions.transform.LayerNorm",
        "bias": "cls.predictions.bias",
    },
    "modernbert": {"dense": "head.dense", "norm": "head.norm", "bias": "decoder.bias"},
}
# what multiplies the head's vector: ours is the table of embeddings itself
_DECODERS = {
    "bert": ("cls.predictions.decoder", "bert.embeddings.word_embeddings"),
    "modernbert": ("decoder", "model.embeddings.tok_embeddings"),
}
# the encoder's name inside a transformers masked language model
_BODY = {"bert": "bert", "modernbert": "model"}


class Weights(NamedTuple):
    """What was read from a model of ``transformers``, ready for one of ours.

    config: our configuration.  state: tensors under our names.  training: the mode it was in.
    """

    config: EncoderConfig
    state: State
    training: bool


def _pairs(kind: str, n_layers: int) -> Iterator[tuple[str, str]]:
    """(our module, their module) for every pair that is a plain renaming."""
    whole, block, stem = _MODERN, _MODERN_BLOCK, "layers"
    if kind == "bert":
        whole, block, stem = _BERT, _BERT_BLOCK, "encoder.layer"
    yield from whole.items()
    for i in range(n_layers):
        for ours, theirs in block.items():
            yield f"blocks.{i}.{ours}", f"{stem}.{i}.{theirs}"


def _parameters(state: State, module: str) -> State:
    """``weight`` and ``bias`` of one module, as far as they exist."""
    return {p: state[f"{module}.{p}"] for p in ("weight", "bias") if f"{module}.{p}" in state}


def _rename(state: State, pairs: Iterator[tuple[str, str]]) -> State:
    """The parameters of the modules that ``pairs`` names (old, new), under the new names."""
    return {
        f"{new}.{p}": value for old, new in pairs for p, value in _parameters(state, old).items()
    }


def _encoder_state_from(theirs: State, kind: str, n_layers: int) -> State:
    ours = _rename(theirs, ((b, a) for a, b in _pairs(kind, n_layers)))
    if kind == "modernbert":
        for i in range(n_layers):
            for p, fused in _parameters(theirs, f"layers.{i}.attn.Wqkv").items():
                for name, part in zip(("query", "key", "value"), fused.chunk(3), strict=True):
                    ours[f"blocks.{i}.attention.{name}.{p}"] = part
    return ours


def _encoder_state_to(ours: State, kind: str, n_layers: int) -> State:
    theirs = _rename(ours, _pairs(kind, n_layers))
    if kind == "modernbert":
        for i in range(n_layers):
            names = (f"blocks.{i}.attention.{name}" for name in ("query", "key", "value"))
            parts = [_parameters(ours, name) for name in names]
            for p in parts[0]:
                theirs[f"layers.{i}.attn.Wqkv.{p}"] = torch.cat([part[p] for part in parts])
    return theirs


def _head_state_from(theirs: State, kind: str) -> State:
    """The head's tensors. Raises ValueError where its output is not tied to the embeddings."""
    decoder, table = (theirs[f"{name}.weight"] for name in _DECODERS[kind])
    if decoder.data_ptr() != table.data_ptr() and not torch.equal(decoder, table):
        raise ValueError(
            f"{_DECODERS[kind][0]}.weight is not the table of embeddings (tie_word_embeddings="
            "False?): our head is tied to it. Take the encoder alone, with "
            "Encoder.from_transformers, or call model.tie_weights() if it should have been tied"
        )
    ours = _rename(theirs, ((b, a) for a, b in _HEADS[kind].items() if a != "bias"))
    # untied, BERT has two biases and adds this one; without any (decoder_bias=False) it is 0
    bias = theirs.get(f"{_DECODERS[kind][0]}.bias", decoder.new_zeros(len(decoder)))
    return ours | {"bias": bias}


def _head_state_to(ours: State, kind: str) -> State:
    names = _HEADS[kind]
    theirs = _rename(ours, ((a, b) for a, b in names.items() if a != "bias"))
    return theirs | {names["bias"]: ours["bias"]}


def _below(state: State, name: str) -> State:
    """What stands below the module ``name``, without that name."""
    stem = name + "."
    return {key.removeprefix(stem): value for key, value in state.items() if key.startswith(stem)}


def _under(name: str, state: State) -> State:
    return {f"{name}.{key}": value for key, value in state.items()}


def load_transformers(model: nn.Module | str, auto: str) -> nn.Module:
    """The model itself, or what a folder or hub name holds."""
    if not isinstance(model, str):
        return model
    import transformers

    try:
        found, about = getattr(transformers, auto).from_pretrained(model, output_loading_info=True)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no model at {model!r}: give a folder saved by save_pretrained, or a hub name with a "
            f"network connection ({str(error).splitlines()[0]})"
        ) from error
    parameters = dict(found.named_parameters())
    # transformers draws what is missing by chance, and only warns; nobody asks the pooler
    drawn = sorted(k for k in about["missing_keys"] if k in parameters and "pooler" not in k)
    if drawn:
        raise ValueError(
            f"{model!r} holds no weights for {drawn[0]} and {len(drawn) - 1} others of a "
            f"{type(found).__name__}: give a folder or name that has them all (of a model without "
            "an MLM head, Encoder.from_transformers reads the encoder)"
        )
    return found


def _config_of(model: nn.Module) -> Any:
    """The configuration of theirs, which a class that wraps their model passes on."""
    # by the stubs, an attribute of a module is a tensor or a module
    return cast(Any, model).config


def check_plain(model: nn.Module) -> None:
    """Raise ValueError if an adapter is in use: its weights would be left behind.

    It redirects a module's ``forward``, or stands in the place of a parameter that ``state_dict``
    has with the base's values.
    """
    state = model.state_dict()
    redirected = [
        name
        for name, module in model.named_modules()
        if "forward" in vars(module) and "adapters" in dict(module.named_children())
    ]
    replaced = [
        name
        for name, parameter in model.named_parameters()
        if name in state and state[name].data_ptr() != parameter.data_ptr()
    ]
    for name in redirected + replaced:
        raise ValueError(
            f"an adapter is active in {name or type(model).__name__!r}, and a conversion takes "
            "the base's weights only: merge() it, or convert within handle.off()"
        )


def _check_used(body: nn.Module, config: EncoderConfig, kind: str, ours: State) -> None:
    """Raise ValueError for parameters of their encoder that have no place in ours."""
    used = _encoder_state_to(ours, kind, config.n_layers)
    # an adapter that is merged or rests has its own parameters beside the weights
    ignored = {"pooler", "adapters", "adapters_aside"}
    names = [name for name, _ in body.named_parameters() if not ignored & set(name.split("."))]
    left = [name for name in names if name not in used]
    if left:
        raise ValueError(
            f"{type(body).__name__} has {len(left)} parameters that ours has no place for, such as "
            f"{left[0]}: use that model as it is, with TransformersEncoder"
        )


def read_encoder(model: nn.Module | str) -> Weights:
    """The encoder in a BERT or ModernBERT of ``transformers``; a model with a head gives its own.

    model: the model, a folder, or a name on the hub. Its tensors are not copied. Raises ValueError
    for what isn't there and for what we can't represent.
    """
    model = load_transformers(model, "AutoModel")
    theirs = _config_of(model)
    kind = theirs.model_type
    body = getattr(model, _BODY.get(kind, ""), model)
    config = config_from_transformers(theirs)
    check_plain(model)
    state = _encoder_state_from(body.state_dict(), kind, config.n_layers)
    _check_used(body, config, kind, state)
    return Weights(config, state, model.training)


def write_encoder(config: EncoderConfig, state: State) -> nn.Module:
    """A ``BertModel`` or ``ModernBertModel`` with a copy of the encoder's ``state``.

    Raises ValueError if ``transformers`` has no model of this shape.
    """
    from transformers import BertConfig, BertModel, ModernBertModel

    kind, theirs = kind_of_config(config), config_to_transformers(config)
    if isinstance(theirs, BertConfig):
        model = BertModel(theirs, add_pooling_layer=False)
    else:
        model = ModernBertModel(theirs)
    model.load_state_dict(_encoder_state_to(state, kind, config.n_layers))
    return model


def read_mlm(model: nn.Module | str) -> Weights:
    """All of a ``BertForMaskedLM`` or ``ModernBertForMaskedLM``, below "encoder" and "head".

    model: the model, a folder, or a name on the hub. Its tensors are not copied. Raises ValueError
    for a model without an MLM head, and as ``read_encoder`` does.
    """
    model = load_transformers(model, "AutoModelForMaskedLM")
    kind, theirs = _config_of(model).model_type, model.state_dict()
    if kind not in _HEADS or f"{_HEADS[kind]['dense']}.weight" not in theirs:
        raise ValueError(
            f"{type(model).__name__} has no masked-language-model head: load it with "
            "AutoModelForMaskedLM, or use Encoder.from_transformers for the encoder alone"
        )
    config, encoder, training = read_encoder(model)
    check_head(_config_of(model))
    head = _head_state_from(theirs, kind)
    return Weights(config, _under("encoder", encoder) | _under("head", head), training)


def write_mlm(config: EncoderConfig, state: State) -> nn.Module:
    """A ``BertForMaskedLM`` or ``ModernBertForMaskedLM`` with a copy of the model's ``state``.

    Raises ValueError if ``transformers`` has no model of this shape.
    """
    from transformers import BertConfig, BertForMaskedLM, ModernBertForMaskedLM

    kind, shape = kind_of_config(config), config_to_transformers(config)
    if isinstance(shape, BertConfig):
        model = BertForMaskedLM(shape)
    else:
        model = ModernBertForMaskedLM(shape)
    body = _encoder_state_to(_below(state, "encoder"), kind, config.n_layers)
    theirs = _under(_BODY[kind], body) | _head_state_to(_below(state, "head"), kind)
    missing, unexpected = model.load_state_dict(theirs, strict=False)
    tied = {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias", "decoder.weight"}
    if set(missing) - tied or unexpected:
        raise RuntimeError(
            f"conversion out of step with transformers: missing {missing}, unexpected {unexpected}"
        )
    model.tie_weights()
    return model
