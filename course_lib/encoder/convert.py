"""Weights to and from ``transformers``: the same numbers under other names.

``EncoderConfig.bert()`` has the shape of ``BertForMaskedLM`` and ``EncoderConfig.modern()`` that of
``ModernBertForMaskedLM`` with full attention in every layer, so what this course trains can be used
wherever ``transformers`` is, and public checkpoints can be studied with the course's own code.

The tables below are the whole conversion. One thing differs: ModernBERT keeps Q, K and V in one
matrix. This file knows names and shapes, not our classes: it hands over a configuration and a
dictionary of tensors, from which ``Encoder`` and ``MaskedLanguageModel`` build themselves.

Cost: one copy of the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .config import EncoderConfig

State = dict[str, Tensor]
# ours -> theirs, throughout
_FIELDS = {
    "vocab_size": "vocab_size",
    "n_layers": "num_hidden_layers",
    "d_model": "hidden_size",
    "n_heads": "num_attention_heads",
    "d_ff": "intermediate_size",
    "max_len": "max_position_embeddings",
    "init_std": "initializer_range",
    "pad_id": "pad_token_id",
}
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


def _kind(config: EncoderConfig) -> str:
    """Which of the two shapes a configuration has. Raises ValueError when it is neither."""
    shape = (config.norm, config.positions, config.gated)
    if shape == ("post", "learned", False) and config.bias and config.n_token_types:
        return "bert"
    if shape == ("pre", "rotary", True) and not config.n_token_types:
        return "modernbert"
    raise ValueError(
        "transformers has no model of this shape: to_transformers needs EncoderConfig.bert() "
        "(norm='post', positions='learned', token types) or EncoderConfig.modern() (norm='pre', "
        f"positions='rotary', gated, no token types); got norm={config.norm!r}, "
        f"positions={config.positions!r}, gated={config.gated}, bias={config.bias}, "
        f"n_token_types={config.n_token_types}"
    )


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
    names = _HEADS[kind]
    ours = _rename(theirs, ((b, a) for a, b in names.items() if a != "bias"))
    return ours | {"bias": theirs[names["bias"]]}


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


def config_from_transformers(config) -> EncoderConfig:
    """Our configuration for a ``transformers`` one.

    Raises ValueError for what we can't represent.
    """
    if config.model_type == "bert":
        if config.hidden_act != "gelu":
            raise ValueError(f"only hidden_act='gelu' is supported, got {config.hidden_act!r}")
        own = dict(n_token_types=config.type_vocab_size, norm_eps=config.layer_norm_eps)
        return EncoderConfig.bert(**_fields(config), **own, dropout=config.hidden_dropout_prob)
    if config.model_type == "modernbert":
        if set(config.layer_types) != {"full_attention"}:
            raise ValueError(
                "only ModernBERT with layer_types all 'full_attention' is supported: ours has no "
                "window"
            )
        biases = (config.attention_bias, config.mlp_bias, config.norm_bias, config.classifier_bias)
        if len(set(biases)) > 1:
            raise ValueError("only ModernBERT with all biases or none is supported")
        own = dict(bias=config.attention_bias, dropout=config.mlp_dropout, norm_eps=config.norm_eps)
        theta = config.rope_parameters["full_attention"]["rope_theta"]
        return EncoderConfig.modern(**_fields(config), **own, rotary_base=theta)
    raise ValueError(
        f"can convert models of type 'bert' and 'modernbert', got {config.model_type!r}"
    )


def _fields(config) -> dict[str, float]:
    """What both kinds call alike, under our names."""
    found = {ours: getattr(config, theirs) for ours, theirs in _FIELDS.items()}
    return found | {"pad_id": config.pad_token_id or 0}


def _config_to_transformers(config: EncoderConfig):
    from transformers import BertConfig, ModernBertConfig

    shared = {theirs: getattr(config, ours) for ours, theirs in _FIELDS.items()}
    if _kind(config) == "bert":
        own = dict(type_vocab_size=config.n_token_types, layer_norm_eps=config.norm_eps)
        rates = ("hidden_dropout_prob", "attention_probs_dropout_prob")
        return BertConfig(**shared, **own, **dict.fromkeys(rates, config.dropout))
    theta = {"rope_type": "default", "rope_theta": config.rotary_base}
    biases = ("attention_bias", "mlp_bias", "norm_bias", "classifier_bias")
    rates = ("embedding_dropout", "mlp_dropout", "attention_dropout")
    tokens = ("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")
    return ModernBertConfig(
        **shared,
        **dict.fromkeys(biases, config.bias),
        **dict.fromkeys(rates, config.dropout),
        **dict.fromkeys(tokens),
        norm_eps=config.norm_eps,
        layer_types=["full_attention"] * config.n_layers,
        rope_parameters={"full_attention": theta, "sliding_attention": theta},
    )


def _load(model: nn.Module | str, auto: str) -> nn.Module:
    """The model itself, or what a folder or hub name holds."""
    if not isinstance(model, str):
        return model
    import transformers

    try:
        return getattr(transformers, auto).from_pretrained(model)
    except OSError as error:
        raise ValueError(
            f"no model at {model!r}: give a folder saved by save_pretrained, or a hub name with a "
            f"network connection ({str(error).splitlines()[0]})"
        ) from error


def read_encoder(model: nn.Module | str) -> Weights:
    """The encoder in a BERT or ModernBERT of ``transformers``; a model with a head gives its own.

    model: the model, a folder, or a name on the hub. Its tensors are not copied. Raises ValueError
    for what isn't there and for what we can't represent.
    """
    model = _load(model, "AutoModel")
    kind = model.config.model_type
    body = getattr(model, _BODY.get(kind, ""), model)
    config = config_from_transformers(model.config)
    state = _encoder_state_from(body.state_dict(), kind, config.n_layers)
    return Weights(config, state, model.training)


def write_encoder(config: EncoderConfig, state: State) -> nn.Module:
    """A ``BertModel`` or ``ModernBertModel`` with a copy of the encoder's ``state``.

    Raises ValueError if ``transformers`` has no model of this shape.
    """
    from transformers import BertModel, ModernBertModel

    kind, theirs = _kind(config), _config_to_transformers(config)
    if kind == "bert":
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
    model = _load(model, "AutoModelForMaskedLM")
    kind, theirs = model.config.model_type, model.state_dict()
    if kind not in _HEADS or _HEADS[kind]["bias"] not in theirs:
        raise ValueError(
            f"{type(model).__name__} has no masked-language-model head: load it with "
            "AutoModelForMaskedLM, or use Encoder.from_transformers for the encoder alone"
        )
    config, encoder, training = read_encoder(model)
    head = _head_state_from(theirs, kind)
    return Weights(config, _under("encoder", encoder) | _under("head", head), training)


def write_mlm(config: EncoderConfig, state: State) -> nn.Module:
    """A ``BertForMaskedLM`` or ``ModernBertForMaskedLM`` with a copy of the model's ``state``.

    Raises ValueError if ``transformers`` has no model of this shape.
    """
    from transformers import BertForMaskedLM, ModernBertForMaskedLM

    kind = _kind(config)
    build = BertForMaskedLM if kind == "bert" else ModernBertForMaskedLM
    model = build(_config_to_transformers(config))
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
