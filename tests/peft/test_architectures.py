"""Each family of ``transformers``, on a tiny model: every method, from attaching to loading."""

import copy

import pytest
import torch
import transformers as t
from torch import nn

from course_lib.peft import (
    AdaLoRAConfig,
    BitFitConfig,
    BottleneckConfig,
    DoRAConfig,
    LoRAConfig,
    PrefixConfig,
    PromptConfig,
    attach,
    load,
)
from course_lib.peft.prompt import find_encoder
from course_lib.peft.targets import EVERY_LINEAR, OUTPUT

IDS = torch.randint(5, 60, (3, 7), generator=torch.Generator().manual_seed(1))
LABELS = torch.tensor([0, 2, 1])
TOKENS = dict(vocab_size=60, pad_token_id=0, bos_token_id=1, eos_token_id=2)
SHAPE = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
BERT = SHAPE | dict(vocab_size=60, num_labels=3, max_position_embeddings=40)
LLAMA = SHAPE | TOKENS | dict(num_key_value_heads=2)
GPT_2 = dict(n_layer=2, n_head=2, n_embd=32, n_positions=64) | TOKENS
T5 = dict(d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, vocab_size=60, pad_token_id=0)
VIT = SHAPE | dict(image_size=16, patch_size=8, num_labels=3)
MODERN = SHAPE | TOKENS | dict(num_labels=3, cls_token_id=1, sep_token_id=2)
FAMILIES = {
    "bert": lambda: t.BertForSequenceClassification(t.BertConfig(**BERT)),
    "roberta": lambda: t.RobertaForSequenceClassification(t.RobertaConfig(**BERT)),
    "deberta": lambda: t.DebertaForSequenceClassification(t.DebertaConfig(**BERT)),
    "deberta-v2": lambda: t.DebertaV2ForSequenceClassification(t.DebertaV2Config(**BERT)),
    "modernbert": lambda: t.ModernBertForSequenceClassification(t.ModernBertConfig(**MODERN)),
    "gpt2": lambda: t.GPT2LMHeadModel(t.GPT2Config(**GPT_2)),
    "gpt_neox": lambda: t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**SHAPE, **TOKENS)),
    "llama": lambda: t.LlamaForCausalLM(t.LlamaConfig(**LLAMA)),
    "t5": lambda: t.T5ForConditionalGeneration(
        t.T5Config(**T5, decoder_start_token_id=0, eos_token_id=1)
    ),
    "vit": lambda: t.ViTForImageClassification(t.ViTConfig(**VIT)),
}
METHODS = {
    "lora": LoRAConfig(rank=4),
    "every linear": LoRAConfig(rank=4, targets=EVERY_LINEAR),
    "dora": DoRAConfig(rank=4, targets=EVERY_LINEAR),
    "adalora": AdaLoRAConfig(total_steps=9, rank=4, target_rank=2),
    "houlsby": BottleneckConfig.houlsby(reduction=8),
    "pfeiffer": BottleneckConfig.pfeiffer(reduction=8),
    "parallel": BottleneckConfig(reduction=8, targets=(OUTPUT,)),
    "bitfit": BitFitConfig(),
    "prefix": PrefixConfig(n_tokens=3),
    "prompt": PromptConfig(n_tokens=3),
}
REFUSED = {
    **{(f, "pfeiffer"): "no feed_forward_norm" for f in FAMILIES if "bert" not in f},
    ("modernbert", "pfeiffer"): "no feed_forward_norm",
    ("modernbert", "bitfit"): "the model has none",
    ("llama", "bitfit"): "the model has none",
    ("t5", "bitfit"): "the model has none",
    ("deberta", "prefix"): "no attention",
    ("deberta-v2", "prefix"): "no attention",
    ("vit", "prompt"): "nn.Embedding",
}
SAME_AT_START = ("lora", "every linear", "dora", "adalora", "bitfit")
MERGEABLE = SAME_AT_START


def model_of(family: str) -> nn.Module:
    torch.manual_seed(0)
    model = FAMILIES[family]().eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            # so that every part has something to say
            p.normal_(std=0.2) if p.dim() > 1 else p.add_(torch.randn_like(p) * 0.1)
    return model


def given(family: str) -> dict:
    if family == "vit":
        pixels = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(2))
        return dict(pixel_values=pixels, labels=LABELS)
    if "bert" in family:
        return dict(input_ids=IDS, attention_mask=torch.ones_like(IDS), labels=LABELS)
    return dict(input_ids=IDS, attention_mask=torch.ones_like(IDS), labels=IDS)


def shake(handle) -> None:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in handle.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_with_every_method(family, method, tmp_path):
    model, inputs, config = model_of(family), given(family), METHODS[method]
    if reason := REFUSED.get((family, method)):
        with pytest.raises(ValueError, match=reason):
            attach(model, config)
        return
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plain = model(**inputs).logits
    fresh = copy.deepcopy(model)

    handle = attach(model, config)
    started = model(**inputs)
    assert started.logits.shape == plain.shape
    if method in SAME_AT_START:
        assert (started.logits - plain).abs().max() < 1e-5
    state = model.state_dict()
    assert all(torch.equal(state[name], before[name]) for name in before)

    shake(handle)
    optimizer = torch.optim.AdamW(handle.parameters(), lr=1e-3)
    model(**inputs).loss.backward()
    mine = {id(p) for p in handle.parameters()}
    assert {id(p) for p in model.parameters() if p.requires_grad} == mine
    assert all(p.grad is None for p in model.parameters() if id(p) not in mine)
    # nobody asks for a key's bias, nor for what a pooler nobody reads gives
    silent = [n for n, p in handle.named_parameters() if p.grad is None or not p.grad.any()]
    assert not [n for n in silent if not n.endswith("bias") and "pooler" not in n], silent
    optimizer.step()

    said = model(**inputs).logits.detach()
    assert (said - plain).abs().max() > 1e-3
    if method in MERGEABLE:
        handle.merge()
        assert (model(**inputs).logits - said).abs().max() < 1e-4
        handle.unmerge()
        assert torch.equal(model(**inputs).logits, said)
    path = handle.save(tmp_path / "adapter.safetensors")
    loaded = load(fresh, path)
    assert loaded.head == handle.head and torch.equal(fresh(**inputs).logits, said)

    handle.detach()
    after = model.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[n], before[n]) for n in before)
    assert torch.equal(model(**inputs).logits, plain)


@pytest.mark.parametrize("method", ["lora", "prefix", "prompt"])
@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "llama", "t5"])
def test_generation_with_a_cache_writes_what_it_writes_without(family, method):
    model = model_of(family)
    shake(attach(model, METHODS[method]))
    ids = IDS.clone()
    mask = torch.ones_like(ids)
    mask[1, :3] = 0
    options = dict(max_new_tokens=8, min_new_tokens=8, do_sample=False, attention_mask=mask)
    texts = [model.generate(input_ids=ids, use_cache=cache, **options) for cache in (True, False)]
    assert torch.equal(*texts)


def test_a_model_of_ones_own_by_named_targets_and_the_error_lists_what_it_has():
    model = nn.ModuleDict({"to_q": nn.Linear(4, 4), "mix": nn.Linear(4, 4), "act": nn.ReLU()})
    assert list(attach(model, LoRAConfig(rank=2, targets=("to_q",))).layers) == ["to_q"]
    with pytest.raises(ValueError, match="matches no module of the model. Near: 'mix', 'to_q'"):
        attach(model, LoRAConfig(rank=2), name="two")


def test_what_the_conv1d_of_gpt_2_becomes_is_the_transposed_update():
    model = model_of("gpt2")
    handle = attach(model, LoRAConfig(rank=2))
    shake(handle)
    layer, module = next(iter(handle.layers.values())), model.transformer.h[0].attn.c_attn
    before = module.weight.detach().clone()
    handle.merge()
    update = layer.scale * (layer.B @ layer.A).T
    assert before.shape == (32, 96) and (module.weight - before - update).abs().max() < 1e-6


def test_the_token_table_is_found_beside_a_larger_table_of_positions():
    assert find_encoder(model_of("gpt2")) == ("transformer", "wte")
    assert find_encoder(model_of("t5")) == ("encoder", "embed_tokens")
    assert find_encoder(model_of("bert")) == ("bert", "embeddings.word_embeddings")
