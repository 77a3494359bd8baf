"""Adapters' folders, written here and read by ``peft`` and the other way round: logits are equal.

The numbers are rounded to float32, the type of the files, and the models compute in float64.
"""

import json
import warnings

import pytest
import torch
import transformers as t

from course_lib.peft import (
    AdaLoRAConfig,
    AdapterError,
    BitFitConfig,
    BottleneckConfig,
    DoRAConfig,
    LoRAConfig,
    PrefixConfig,
    PromptConfig,
    attach,
    handles,
    load_peft,
)
from course_lib.peft.targets import EVERY_LINEAR

peft = pytest.importorskip("peft")

IDS = torch.randint(5, 60, (3, 7), generator=torch.Generator().manual_seed(1))
MASK = torch.tensor([[1] * 7, [1] * 5 + [0] * 2, [1] * 6 + [0]])
TOKENS = dict(vocab_size=60, pad_token_id=0, bos_token_id=1, eos_token_id=2)
SHAPE = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
LLAMA = t.LlamaConfig(**SHAPE, **TOKENS, num_key_value_heads=2)
MODELS = {
    "bert": lambda: t.BertForSequenceClassification(t.BertConfig(**SHAPE, vocab_size=60)),
    "roberta": lambda: t.RobertaForSequenceClassification(t.RobertaConfig(**SHAPE, vocab_size=60)),
    "gpt2": lambda: t.GPT2LMHeadModel(t.GPT2Config(n_layer=2, n_head=2, n_embd=32, **TOKENS)),
    "llama": lambda: t.LlamaForCausalLM(LLAMA),
}
OURS = {
    "lora": LoRAConfig(rank=4, alpha=6),
    "rslora": LoRAConfig(rank=4, alpha=6, rank_stabilised=True, targets=EVERY_LINEAR),
    "dora": DoRAConfig(rank=4, alpha=6, targets=EVERY_LINEAR),
    "adalora": AdaLoRAConfig(total_steps=9, rank=4, target_rank=2, alpha=6),
    "prefix": PrefixConfig(n_tokens=3, shift=True),
    "prefix-mlp": PrefixConfig(n_tokens=3, hidden=8, shift=True),
    "prompt": PromptConfig(n_tokens=3),
}
CASES = [(m, c) for m in MODELS for c in OURS if c != "prompt" or m in ("gpt2", "llama")]


def model_of(kind: str):
    torch.manual_seed(0)
    model = MODELS[kind]().double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(std=0.3) if p.dim() > 1 else p.add_(torch.randn_like(p) * 0.1)
    return model


def shake(parameters) -> None:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in parameters:
            p.copy_((p + torch.randn(p.shape, generator=generator) * 0.2).float())


def logits(model, **options) -> torch.Tensor:
    return model(input_ids=IDS, attention_mask=MASK, **options).logits


def theirs_from(kind: str, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return peft.PeftModel.from_pretrained(model_of(kind), folder).double().eval()


def on_the_text(kind: str, name: str, found: torch.Tensor) -> torch.Tensor:
    """Where ``peft`` gives logits for the prompt's places too, those of the text."""
    return found[:, 3:] if name == "prompt" else found


@pytest.mark.parametrize("kind, name", CASES)
def test_what_is_written_here_is_read_there(kind, name, tmp_path):
    model = model_of(kind)
    plain = logits(model)
    handle = attach(model, OURS[name])
    shake(handle.parameters())
    said = logits(model).detach()
    assert (said - plain).abs().max() > 1e-3
    handle.save_peft(tmp_path / "a")
    theirs = theirs_from(kind, tmp_path / "a")
    found = on_the_text(kind, name, logits(theirs))
    # the reparameterised prefix is rounded to float32 when it is folded
    near = 1e-9 if name != "prefix-mlp" else 1e-5
    real = MASK.bool() if said.dim() == 3 else slice(None)
    assert (found - said)[real].abs().max() < near
    again = model_of(kind)
    load_peft(again, tmp_path / "a")
    assert (logits(again) - said)[real].abs().max() < near


def theirs_config(kind: str, name: str):
    task = "CAUSAL_LM" if kind in ("gpt2", "llama") else "SEQ_CLS"
    matrix = dict(r=4, lora_alpha=6, task_type=task)
    made = {
        "lora": lambda: peft.LoraConfig(**matrix),
        "rslora": lambda: peft.LoraConfig(**matrix, use_rslora=True, target_modules="all-linear"),
        "dora": lambda: peft.LoraConfig(**matrix, use_dora=True),
        "adalora": lambda: peft.AdaLoraConfig(
            init_r=4, target_r=2, total_step=9, lora_alpha=6, task_type=task
        ),
        "prefix": lambda: peft.PrefixTuningConfig(task_type=task, num_virtual_tokens=3),
        "prefix-mlp": lambda: peft.PrefixTuningConfig(
            task_type=task, num_virtual_tokens=3, prefix_projection=True, encoder_hidden_size=8
        ),
        "prompt": lambda: peft.PromptTuningConfig(task_type=task, num_virtual_tokens=3),
    }
    return made[name]()


@pytest.mark.parametrize("kind, name", CASES)
def test_what_is_written_there_is_read_here(kind, name, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = peft.get_peft_model(model_of(kind), theirs_config(kind, name)).double().eval()
        shake(p for n, p in theirs.named_parameters() if p.requires_grad and "ranknum" not in n)
        theirs.save_pretrained(tmp_path)
    said = on_the_text(kind, name, logits(theirs)).detach()
    model = model_of(kind)
    plain = logits(model)
    handle = load_peft(model, tmp_path)
    real = MASK.bool() if said.dim() == 3 else slice(None)
    near = 1e-9 if name != "prefix-mlp" else 1e-5
    assert (said - plain)[real].abs().max() > 1e-3
    assert (logits(model) - said)[real].abs().max() < near
    handle.detach()
    assert torch.equal(logits(model), plain)


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
@pytest.mark.parametrize("rows", [3, 60])
def test_dora_in_float64_with_all_gradients(kind, rows, tmp_path):
    model, config = model_of(kind), DoRAConfig(rank=4, alpha=6, targets=EVERY_LINEAR)
    handle = attach(model, config, head=None)
    started = logits(model)
    handle.deactivate()
    assert (logits(model) - started).abs().max() < 1e-10
    handle.activate()
    shake(handle.parameters())
    handle.save_peft(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = peft.PeftModel.from_pretrained(model_of(kind), tmp_path, is_trainable=True)
        theirs = theirs.double().eval()
    ids = torch.randint(5, 60, (rows, 7), generator=torch.Generator().manual_seed(2))
    out, other = model(input_ids=ids).logits, theirs(input_ids=ids).logits
    assert (out - other).abs().max() < 1e-9
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(4)).double()
    (out * weights).sum().backward(), (other * weights).sum().backward()
    for path, layer in handle.layers.items():
        there = theirs.base_model.model.get_submodule(path)
        pairs = ((layer.A, there.lora_A), (layer.B, there.lora_B))
        pairs += ((layer.magnitude, there.lora_magnitude_vector),)
        for mine, their in pairs:
            expected = their["default"].weight.grad
            assert (mine.grad - expected).abs().max() < 1e-8 * (1 + expected.abs().max())
    handle.merge()
    assert (model(input_ids=ids).logits - out).abs().max() < 1e-9
    handle.unmerge()


def test_what_peft_has_not_or_computes_otherwise_is_refused(tmp_path):
    for kind, config, message in (
        ("bert", BitFitConfig(), "no method like 'bitfit'"),
        ("bert", BottleneckConfig.houlsby(), "no method like 'bottleneck'"),
        ("bert", PromptConfig(n_tokens=2), "pools over the prompt too"),
        ("llama", PrefixConfig(n_tokens=2), r"PrefixConfig\(shift=True\)"),
    ):
        with pytest.raises(AdapterError, match=message):
            attach(model_of(kind), config).save_peft(tmp_path)


def test_folders_that_do_not_fit_are_refused_and_nothing_is_attached(tmp_path):
    attach(model_of("bert"), LoRAConfig(rank=2)).save_peft(tmp_path)
    model = model_of("llama")
    with pytest.raises(ValueError, match="matches no module"):
        load_peft(model, tmp_path)
    assert handles(model) == {}
    file = tmp_path / "adapter_config.json"
    values = json.loads(file.read_text())
    for change, message in (
        ({"r": 3}, "has the shape"),
        ({"rank_pattern": {"query": 1}}, "differ by place"),
        ({"peft_type": "IA3"}, "peft_type is 'IA3'"),
        ({"use_dora": True}, "lora_magnitude_vector' is not in the file"),
        ({"modules_to_save": None}, "is only in the file"),
    ):
        file.write_text(json.dumps(values | change))
        model = model_of("bert")
        with pytest.raises(AdapterError, match=message):
            load_peft(model, tmp_path)
        assert handles(model) == {}
    file.write_text("{")
    with pytest.raises(AdapterError, match="is damaged"):
        load_peft(model, tmp_path)
    with pytest.raises(AdapterError, match="no adapter_config.json"):
        load_peft(model, tmp_path / "nowhere")
