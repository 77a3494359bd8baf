"""Weights to and from ``transformers``: the same numbers under other names.

``EncoderConfig.bert()`` has the shape of ``BertForMaskedLM`` and ``EncoderConfig.modern()`` that of
``ModernBertForMaskedLM`` with full attention in every layer, so what this course trains can be used wherever
``transformers`` is, and public checkpoints can be studied with the course's own code.

The tables below are the whole conversion. One thing differs: ModernBERT keeps Q, K and V in one matrix.

Cost: one copy of the weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .config import EncoderConfig
from .heads import MaskedLanguageModel
from .model import Encoder

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
_HEADS = {  # ours -> theirs, in a whole masked language model
    "bert": {
        "dense": "cls.predictions.transform.dense",
        "norm": "cls.predictions.transform.LayerNorm",
        "bias": "cls.predictions.bias",
    },
    "modernbert": {"dense": "head.dense", "norm": "head.norm", "bias": "decoder.bias"},
}
_BODY = {
    "bert": "bert",
    "modernbert": "model",
}  # the encoder's name inside a transformers masked language model


def _pairs(kind: str, n_layers: int) -> Iterator[tuple[str, str]]:
    """(our module, their module) for every pair that is a plain renaming."""
    whole, block, stem = (
        (_BERT, _BERT_BLOCK, "encoder.layer") if kind == "bert" else (_MODERN, _MODERN_BLOCK, "layers")
    )
    yield from whole.items()
    for i in range(n_layers):
        yield from ((f"blocks.{i}.{ours}", f"{stem}.{i}.{theirs}") for ours, theirs in block.items())


def _kind(config: EncoderConfig) -> str:
    """Which of the two shapes a configuration has. Raises ValueError when it is neither."""
    bert = config.norm == "post" and config.positions == "learned" and not config.gated and config.bias
    modern = (
        config.norm == "pre" and config.positions == "rotary" and config.gated and not config.n_token_types
    )
    if bert and config.n_token_types:
        return "bert"
    if modern:
        return "modernbert"
    raise ValueError(
        "transformers has no model of this shape: to_transformers needs EncoderConfig.bert() (norm='post', "
        "positions='learned', token types) or EncoderConfig.modern() (norm='pre', positions='rotary', gated, no "
        f"token types); got norm={config.norm!r}, positions={config.positions!r}, gated={config.gated}, "
        f"bias={config.bias}, n_token_types={config.n_token_types}"
    )


def _parameters(state: dict[str, Tensor], module: str) -> dict[str, Tensor]:
    """``weight`` and ``bias`` of one module, as far as they exist."""
    return {p: state[f"{module}.{p}"] for p in ("weight", "bias") if f"{module}.{p}" in state}


def _rename(state: dict[str, Tensor], pairs: Iterator[tuple[str, str]]) -> dict[str, Tensor]:
    return {f"{new}.{p}": value for old, new in pairs for p, value in _parameters(state, old).items()}


def _encoder_state_from(theirs: dict[str, Tensor], kind: str, n_layers: int) -> dict[str, Tensor]:
    ours = _rename(theirs, ((b, a) for a, b in _pairs(kind, n_layers)))
    if kind == "modernbert":
        for i in range(n_layers):
            for p, fused in _parameters(theirs, f"layers.{i}.attn.Wqkv").items():
                for name, part in zip(("query", "key", "value"), fused.chunk(3), strict=True):
                    ours[f"blocks.{i}.attention.{name}.{p}"] = part
    return ours


def _encoder_state_to(ours: dict[str, Tensor], kind: str, n_layers: int) -> dict[str, Tensor]:
    theirs = _rename(ours, _pairs(kind, n_layers))
    if kind == "modernbert":
        for i in range(n_layers):
            parts = [_parameters(ours, f"blocks.{i}.attention.{n}") for n in ("query", "key", "value")]
            for p in parts[0]:
                theirs[f"layers.{i}.attn.Wqkv.{p}"] = torch.cat([part[p] for part in parts])
    return theirs


def config_from_transformers(config) -> EncoderConfig:
    """Our configuration for a ``transformers`` one. Raises ValueError for what we can't represent."""
    if config.model_type == "bert":
        if config.hidden_act != "gelu":
            raise ValueError(f"only hidden_act='gelu' is supported, got {config.hidden_act!r}")
        return EncoderConfig.bert(
            vocab_size=config.vocab_size, n_layers=config.num_hidden_layers, d_model=config.hidden_size,
            n_heads=config.num_attention_heads, d_ff=config.intermediate_size, max_len=config.max_position_embeddings,
            n_token_types=config.type_vocab_size, dropout=config.hidden_dropout_prob, norm_eps=config.layer_norm_eps,
            init_std=config.initializer_range, pad_id=config.pad_token_id or 0,
        )  # fmt: skip
    if config.model_type == "modernbert":
        if set(config.layer_types) != {"full_attention"}:
            raise ValueError(
                "only ModernBERT with layer_types all 'full_attention' is supported: ours has no window"
            )
        if len({config.attention_bias, config.mlp_bias, config.norm_bias, config.classifier_bias}) > 1:
            raise ValueError("only ModernBERT with all biases or none is supported")
        return EncoderConfig.modern(
            vocab_size=config.vocab_size, n_layers=config.num_hidden_layers, d_model=config.hidden_size,
            n_heads=config.num_attention_heads, d_ff=config.intermediate_size, max_len=config.max_position_embeddings,
            bias=config.attention_bias, dropout=config.mlp_dropout, norm_eps=config.norm_eps,
            rotary_base=config.rope_parameters["full_attention"]["rope_theta"], init_std=config.initializer_range,
            pad_id=config.pad_token_id or 0,
        )  # fmt: skip
    raise ValueError(f"can convert models of type 'bert' and 'modernbert', got {config.model_type!r}")


def _config_to_transformers(config: EncoderConfig):
    from transformers import BertConfig, ModernBertConfig

    shared = dict(
        vocab_size=config.vocab_size, num_hidden_layers=config.n_layers, hidden_size=config.d_model,
        num_attention_heads=config.n_heads, intermediate_size=config.d_ff, max_position_embeddings=config.max_len,
        initializer_range=config.init_std, pad_token_id=config.pad_id,
    )  # fmt: skip
    if _kind(config) == "bert":
        return BertConfig(
            **shared, type_vocab_size=config.n_token_types, layer_norm_eps=config.norm_eps,
            hidden_dropout_prob=config.dropout, attention_probs_dropout_prob=config.dropout,
        )  # fmt: skip
    theta = {"rope_type": "default", "rope_theta": config.rotary_base}
    return ModernBertConfig(
        **shared, layer_types=["full_attention"] * config.n_layers, norm_eps=config.norm_eps,
        rope_parameters={"full_attention": theta, "sliding_attention": theta},
        attention_bias=config.bias, mlp_bias=config.bias, norm_bias=config.bias, classifier_bias=config.bias,
        embedding_dropout=config.dropout, mlp_dropout=config.dropout, attention_dropout=config.dropout,
        bos_token_id=None, eos_token_id=None, cls_token_id=None, sep_token_id=None,
    )  # fmt: skip


def _load(model: nn.Module | str, auto: str) -> nn.Module:
    """The model itself, or what a folder or hub name holds."""
    if not isinstance(model, str):
        return model
    import transformers

    try:
        return getattr(transformers, auto).from_pretrained(model)
    except OSError as error:
        raise ValueError(
            f"no model at {model!r}: give a folder saved by save_pretrained, or a hub name with a network "
            f"connection ({str(error).splitlines()[0]})"
        ) from error


@torch.no_grad()
def encoder_from_transformers(model: nn.Module | str) -> Encoder:
    """See ``Encoder.from_transformers``; a model with a head gives its encoder."""
    model = _load(model, "AutoModel")
    body = getattr(model, _BODY.get(model.config.model_type, ""), model)
    encoder = Encoder(config_from_transformers(model.config))
    state = _encoder_state_from(body.state_dict(), model.config.model_type, model.config.num_hidden_layers)
    encoder.load_state_dict({k: v.clone() for k, v in state.items()})
    return encoder.train(model.training)


@torch.no_grad()
def encoder_to_transformers(encoder: Encoder) -> nn.Module:
    """See ``Encoder.to_transformers``."""
    from transformers import BertModel, ModernBertModel

    kind, config = _kind(encoder.config), _config_to_transformers(encoder.config)
    model = BertModel(config, add_pooling_layer=False) if kind == "bert" else ModernBertModel(config)
    model.load_state_dict(_encoder_state_to(encoder.state_dict(), kind, encoder.config.n_layers))
    return model.train(encoder.training)


@torch.no_grad()
def mlm_from_transformers(model: nn.Module | str) -> MaskedLanguageModel:
    """See ``MaskedLanguageModel.from_transformers``. Raises ValueError for a model without an MLM head."""
    model = _load(model, "AutoModelForMaskedLM")
    names, theirs = _HEADS.get(model.config.model_type), model.state_dict()
    if names is None or names["bias"] not in theirs:
        raise ValueError(
            f"{type(model).__name__} has no masked-language-model head: load it with AutoModelForMaskedLM, or use "
            "Encoder.from_transformers for the encoder alone"
        )
    ours = MaskedLanguageModel(
        config_from_transformers(model.config), encoder=encoder_from_transformers(model)
    )
    head = _rename(theirs, ((b, a) for a, b in names.items() if a != "bias"))
    ours.head.load_state_dict(
        {**{k: v.clone() for k, v in head.items()}, "bias": theirs[names["bias"]].clone()}
    )
    return ours.train(model.training)


@torch.no_grad()
def mlm_to_transformers(model: MaskedLanguageModel) -> nn.Module:
    """See ``MaskedLanguageModel.to_transformers``."""
    from transformers import BertForMaskedLM, ModernBertForMaskedLM

    kind, config = _kind(model.config), _config_to_transformers(model.config)
    theirs = (BertForMaskedLM if kind == "bert" else ModernBertForMaskedLM)(config)
    body = _encoder_state_to(model.encoder.state_dict(), kind, model.config.n_layers)
    names, head = _HEADS[kind], model.head.state_dict()
    state = {f"{_BODY[kind]}.{k}": v for k, v in body.items()}
    state |= _rename(head, ((a, b) for a, b in names.items() if a != "bias"))
    state[names["bias"]] = head["bias"]
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    tied = {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias", "decoder.weight"}
    if set(missing) - tied or unexpected:
        raise RuntimeError(
            f"conversion out of step with transformers: missing {missing}, unexpected {unexpected}"
        )
    theirs.tie_weights()
    return theirs.train(model.training)
