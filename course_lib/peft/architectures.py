r"""What the parts of a Transformer block are called in the families of ``transformers``.

    role                 BERT, RoBERTa    Llama        GPT-2          T5
    query                query            q_proj       attn.c_attn    SelfAttention.q, EncDec...q
    feed-forward output  output.dense     down_proj    mlp.c_proj     wo

A method names its targets by role (``targets.QUERY``); here the role becomes the names that the
model has, recognised by its ``config.model_type``. Where query, key and value are one matrix
(GPT-2, GPT-NeoX, ModernBERT, DeBERTa), each of the three roles is that matrix. An empty role is one
that the family does not have: Pfeiffer's adapter needs a norm after the feed-forward part, a prefix
an attention that calls ``scaled_dot_product_attention``.

Everything else, also a model of your own, is adapted by names: ``LoRAConfig(targets=("to_q",))``.

Cost: one pass over the modules' configurations.

>>> architecture(nn.Linear(2, 2)) is None
True
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Names:
    """Ends of the names of modules, as regular expressions, for each role; "" where there is none.

    fused: how many of query, key and value are in the matrix ``key``.
    """

    query: str
    key: str
    value: str
    attention_output: str
    inner: str
    output: str
    attention: str
    feed_forward_norm: str = ""
    fused: int = 1


_BERT = Names(
    query=r"attention\.self\.query",
    key=r"attention\.self\.key",
    value=r"attention\.self\.value",
    attention_output=r"attention\.output\.dense",
    inner=r"intermediate\.dense",
    output=r"layer\.\d+\.output\.dense",
    attention=r"attention\.self",
    feed_forward_norm=r"layer\.\d+\.output\.LayerNorm",
)
_DEBERTA = Names(
    query=r"attention\.self\.in_proj",
    key=r"attention\.self\.in_proj",
    value=r"attention\.self\.in_proj",
    attention_output=r"attention\.output\.dense",
    inner=r"intermediate\.dense",
    output=r"layer\.\d+\.output\.dense",
    attention="",
    feed_forward_norm=r"layer\.\d+\.output\.LayerNorm",
    fused=3,
)
_DEBERTA_2 = Names(
    query=r"attention\.self\.query_proj",
    key=r"attention\.self\.key_proj",
    value=r"attention\.self\.value_proj",
    attention_output=r"attention\.output\.dense",
    inner=r"intermediate\.dense",
    output=r"layer\.\d+\.output\.dense",
    attention="",
    feed_forward_norm=r"layer\.\d+\.output\.LayerNorm",
)
_DISTILBERT = Names(
    query=r"attention\.q_lin",
    key=r"attention\.k_lin",
    value=r"attention\.v_lin",
    attention_output=r"attention\.out_lin",
    inner=r"ffn\.lin1",
    output=r"ffn\.lin2",
    attention="attention",
    feed_forward_norm="output_layer_norm",
)
_MODERNBERT = Names(
    query=r"attn\.Wqkv",
    key=r"attn\.Wqkv",
    value=r"attn\.Wqkv",
    attention_output=r"attn\.Wo",
    inner=r"mlp\.Wi",
    output=r"mlp\.Wo",
    attention="attn",
    fused=3,
)
_GPT_2 = Names(
    query=r"attn\.c_attn",
    key=r"attn\.c_attn",
    value=r"attn\.c_attn",
    attention_output=r"attn\.c_proj",
    inner=r"mlp\.c_fc",
    output=r"mlp\.c_proj",
    attention="attn",
    fused=3,
)
_GPT_NEOX = Names(
    query=r"attention\.query_key_value",
    key=r"attention\.query_key_value",
    value=r"attention\.query_key_value",
    attention_output=r"attention\.dense",
    inner=r"mlp\.dense_h_to_4h",
    output=r"mlp\.dense_4h_to_h",
    attention="attention",
    fused=3,
)
_LLAMA = Names(
    query="q_proj",
    key="k_proj",
    value="v_proj",
    attention_output="o_proj",
    inner=r"mlp\.gate_proj|mlp\.up_proj",
    output=r"mlp\.down_proj",
    attention="self_attn",
)
_T5 = Names(
    query=r"(?:SelfAttention|EncDecAttention)\.q",
    key=r"(?:SelfAttention|EncDecAttention)\.k",
    value=r"(?:SelfAttention|EncDecAttention)\.v",
    attention_output=r"(?:SelfAttention|EncDecAttention)\.o",
    inner=r"DenseReluDense\.(?:wi|wi_0|wi_1)",
    output=r"DenseReluDense\.wo",
    attention="SelfAttention",
)
_VIT = Names(
    query=r"attention\.q_proj",
    key=r"attention\.k_proj",
    value=r"attention\.v_proj",
    attention_output=r"attention\.o_proj",
    inner=r"mlp\.fc1",
    output=r"mlp\.fc2",
    attention="attention",
)
ARCHITECTURES = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "electra": _BERT,
    "deberta": _DEBERTA,
    "deberta-v2": _DEBERTA_2,
    "distilbert": _DISTILBERT,
    "modernbert": _MODERNBERT,
    "gpt2": _GPT_2,
    "gpt_neox": _GPT_NEOX,
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "gemma": _LLAMA,
    "t5": _T5,
    "mt5": _T5,
    "vit": _VIT,
}
"""Names by ``config.model_type``; each family is tested on a tiny model of it."""


def architecture(model: nn.Module) -> tuple[str, Names] | None:
    """The family of a model, or of the one inside it, with its names; None if it is in no table."""
    for module in model.modules():
        kind = getattr(getattr(module, "config", None), "model_type", None)
        if isinstance(kind, str) and kind in ARCHITECTURES:
            return kind, ARCHITECTURES[kind]
    return None
