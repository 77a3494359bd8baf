"""Configurations to and from ``transformers``: what is alike, and what there is no place for.

A field that is not looked at is a model that is silently another one: an activation, a window, a
causal mask. So every field of theirs that changes the function is either taken over or refused by
its name; the rest (labels, how weights are drawn, caching) does not matter here.

====================  ==================================  =========================================
                      ``EncoderConfig.bert()``            ``EncoderConfig.modern()``
====================  ==================================  =========================================
theirs                ``BertConfig``                      ``ModernBertConfig``, full attention
one activation        ``hidden_act="gelu"``               ``hidden_activation``, and of the head
one rate of dropout   hidden states and attention         embedding, attention and feed-forward
biases                all                                 all or none
positions             absolute                            rotary, not rescaled
attention             both ways, no cross-attention       the same, no window
====================  ==================================  =========================================

With dropout on, ours of ModernBERT drops the output of the feed-forward part, theirs its inside.
"""

from __future__ import annotations

from typing import Any

from .config import EncoderConfig

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
_BERT_RATES = ("hidden_dropout_prob", "attention_probs_dropout_prob")
_MODERN_RATES = ("mlp_dropout", "embedding_dropout", "attention_dropout")
_BODY_BIASES = ("attention_bias", "mlp_bias", "norm_bias")
_FULL, _WINDOW = "full_attention", "sliding_attention"
_AS_IT_IS = "use that model as it is, with TransformersEncoder"
# (field, the only value that ours has)
_SHARED_ONLY = (
    ("is_decoder", False),
    ("add_cross_attention", False),
    ("is_encoder_decoder", False),
    ("pruned_heads", {}),
)
_ONLY = {
    "bert": (*_SHARED_ONLY, ("hidden_act", "gelu"), ("position_embedding_type", "absolute")),
    "modernbert": (*_SHARED_ONLY, ("hidden_activation", "gelu")),
}


def _refuse(field: str, value: Any, allowed: str, remedy: str = _AS_IT_IS) -> None:
    raise ValueError(f"only {field}={allowed} is supported, got {value!r}: {remedy}")


def kind_of_config(config: EncoderConfig) -> str:
    """ "bert" or "modernbert". Raises ValueError for a shape that is neither."""
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


def config_from_transformers(config) -> EncoderConfig:
    """Our configuration for a ``transformers`` one.

    Raises ValueError naming the field that we can't represent.
    """
    if config.model_type not in _ONLY:
        raise ValueError(
            f"can convert models of type 'bert' and 'modernbert', got {config.model_type!r}: "
            f"{_AS_IT_IS}"
        )
    for field, only in _ONLY[config.model_type]:
        if (value := getattr(config, field, None) or only) != only:
            _refuse(field, value, repr(only))
    if config.model_type == "bert":
        own = dict(n_token_types=config.type_vocab_size, norm_eps=config.layer_norm_eps)
        return EncoderConfig.bert(**_fields(config), **own, dropout=_one_of(config, _BERT_RATES))
    own = dict(bias=_one_of(config, _BODY_BIASES), dropout=_one_of(config, _MODERN_RATES))
    theta = _rotary_base(config)
    return EncoderConfig.modern(
        **_fields(config), **own, norm_eps=config.norm_eps, rotary_base=theta
    )


def check_head(config) -> None:
    """Raise ValueError unless a masked language model's head can be ours.

    config: theirs, which ``config_from_transformers`` has taken. BERT's has nothing of its own.
    """
    if config.model_type != "modernbert":
        return
    if config.classifier_activation != "gelu":
        remedy = "take the encoder alone, with Encoder.from_transformers"
        _refuse("classifier_activation", config.classifier_activation, "'gelu'", remedy)
    _one_of(config, (*_BODY_BIASES, "classifier_bias"))


def _fields(config) -> dict[str, Any]:
    """What both kinds call alike, under our names."""
    found = {ours: getattr(config, theirs) for ours, theirs in _FIELDS.items()}
    return found | {"pad_id": config.pad_token_id or 0}


def _one_of(config, fields: tuple[str, ...]) -> Any:
    """The value that these fields share: ours has one for all of them."""
    values = {field: getattr(config, field) for field in fields}
    first = values[fields[0]]
    if any(value != first for value in values.values()):
        said = ", ".join(f"{field}={value!r}" for field, value in values.items())
        rates = "dropout" in fields[-1]
        remedy = "set them to one rate on the model's config" if rates else _AS_IT_IS
        raise ValueError(f"only one value for all of these is supported, got {said}: {remedy}")
    return first


def _rotary_base(config) -> float:
    layers = sorted(set(config.layer_types))
    if layers != [_FULL]:
        _refuse("layer_types", layers, f"all {_FULL!r}", f"ours has no window; {_AS_IT_IS}")
    rope = config.rope_parameters[_FULL]
    if rope.get("rope_type", "default") != "default":
        _refuse("rope_type", rope["rope_type"], "'default'", f"ours is not rescaled; {_AS_IT_IS}")
    own = config.hidden_size // config.num_attention_heads
    if (getattr(config, "head_dim", None) or own) != own:
        _refuse("head_dim", config.head_dim, str(own))
    return rope["rope_theta"]


def config_to_transformers(config: EncoderConfig):
    """The ``BertConfig`` or ``ModernBertConfig`` of ours. Raises ValueError for another shape."""
    from transformers import BertConfig, ModernBertConfig

    shared = {theirs: getattr(config, ours) for ours, theirs in _FIELDS.items()}
    if kind_of_config(config) == "bert":
        own = dict(type_vocab_size=config.n_token_types, layer_norm_eps=config.norm_eps)
        return BertConfig(**shared, **own, **dict.fromkeys(_BERT_RATES, config.dropout))
    theta = {"rope_type": "default", "rope_theta": config.rotary_base}
    tokens = ("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")
    return ModernBertConfig(
        **shared,
        **dict.fromkeys((*_BODY_BIASES, "classifier_bias"), config.bias),
        **dict.fromkeys(_MODERN_RATES, config.dropout),
        **dict.fromkeys(tokens),
        norm_eps=config.norm_eps,
        layer_types=[_FULL] * config.n_layers,
        rope_parameters={_FULL: theta, _WINDOW: theta},
    )
