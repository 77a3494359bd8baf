"""Adapters as the library ``peft`` writes them, so that either side can read the other's.

    folder/adapter_config.json            the method's name and settings
    folder/adapter_model.safetensors      its tensors, each under the name of its place

    here                    peft                        tensors
    LoRA, DoRA              LORA (use_dora)             lora_A, lora_B, lora_magnitude_vector
    AdaLoRA                 ADALORA                     lora_A = Q, lora_B = P, lora_E = l
    prefix (shift=True)     PREFIX_TUNING, folded       prompt_embeddings
    prompt                  PROMPT_TUNING               prompt_embeddings
    the head                modules_to_save             under its own name

Bottlenecks and BitFit have no counterpart there. The file does not say which weights it was trained
on: on another base it loads, and is noise. Where the two sides would compute different things, this
one refuses: a prefix that leaves the text's positions where they are, a prompt below a classifier
(``peft`` pools over the prompt too) or in an encoder-decoder, different ranks in different places.

Cost: one read or write of the adapter's parameters.

Source: ``peft`` 0.21 (github.com/huggingface/peft), whose logits are compared in
tests/reference/test_peft_files.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from course_lib.whole_files import written_whole

from .adalora import AdaLoRAConfig
from .dora import DoRAConfig
from .lora import LoRAConfig
from .method import Config
from .prefix import PrefixConfig, PrefixLayer
from .prompt import PromptConfig, PromptLayer
from .site import Layer, Swap
from .storage import AdapterError

PARTS = {
    "lora": {"A": "lora_A.weight", "B": "lora_B.weight"},
    "dora": {"A": "lora_A.weight", "B": "lora_B.weight", "magnitude": "lora_magnitude_vector"},
    "adalora": {"Q": "lora_A", "P": "lora_B", "values": "lora_E"},
}
TASKS = {
    "ForCausalLM": "CAUSAL_LM",
    "LMHeadModel": "CAUSAL_LM",
    "ForSequenceClassification": "SEQ_CLS",
    "ForTokenClassification": "TOKEN_CLS",
    "ForQuestionAnswering": "QUESTION_ANS",
    "ForConditionalGeneration": "SEQ_2_SEQ_LM",
}
WITH_HEAD = ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS")
_EPSILON = 1e-5  # peft divides AdaLoRA's alpha by r + 1e-5


def write_peft(
    folder: Path, model: nn.Module, config: Config, layers: Mapping[str, Layer], heads: list[Swap]
) -> None:
    """Write an adapter's folder. Raises AdapterError for what ``peft`` would compute otherwise."""
    values = _settings(model, config, layers, bool(heads))
    values |= {
        "base_model_name_or_path": getattr(model, "name_or_path", "") or None,
        "inference_mode": True,
        "modules_to_save": [swap.name for swap in heads] or None,
    }
    tensors = {key: p.detach() for key, p in places(config, layers, heads)}
    for key in tensors:
        if key.endswith("lora_E"):
            tensors[key] = tensors[key][:, None]
    content = save({key: t.cpu().contiguous() for key, t in tensors.items()}, {"format": "pt"})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with written_whole(folder / "adapter_model.safetensors") as work:
            work.write_bytes(content)
        with written_whole(folder / "adapter_config.json") as work:
            work.write_text(json.dumps(values, indent=2, sort_keys=True), "utf-8")
    except OSError as error:
        raise AdapterError(
            f"could not write {folder}: {error}. Free some space or choose another folder"
        ) from error


def read_peft(folder: Path, model: nn.Module) -> tuple[Config, tuple[str, ...], dict[str, Tensor]]:
    """The configuration, the names of the head's modules in ``model``, and the tensors.

    Raises AdapterError for a missing or damaged file and for what this package does not have.
    """
    try:
        values = json.loads((folder / "adapter_config.json").read_text("utf-8"))
        tensors = load_file(folder / "adapter_model.safetensors")
    except FileNotFoundError as error:
        raise AdapterError(
            f"{folder} is no adapter of peft: it has no {Path(error.filename or '').name}"
        ) from error
    except (OSError, ValueError, SafetensorError) as error:
        raise AdapterError(f"{folder} is damaged: {error}. Copy or make it again") from error
    if pattern := {k: v for k in ("rank_pattern", "alpha_pattern") if (v := values.get(k))}:
        raise AdapterError(
            f"{folder} has ranks or scales that differ by place, {pattern}: not here"
        )
    config = _configuration(folder, values, tensors)
    named = {name.split(".")[-1] for name in values.get("modules_to_save") or ()}
    prefix = _prefix(config)
    heads = tuple(
        name
        for name, _ in model.named_modules()
        if name.split(".")[-1] in named
        and any(key.startswith(f"{prefix}{name}.") for key in tensors)
    )
    return config, heads, tensors


@torch.no_grad()
def fill(
    folder: Path,
    config: Config,
    layers: Mapping[str, Layer],
    heads: list[Swap],
    tensors: dict[str, Tensor],
) -> None:
    """Copy the tensors into an attached adapter.

    Raises AdapterError for one too many, one too few, or another shape.
    """
    wanted = dict(places(config, layers, heads))
    if wrong := sorted(set(wanted) ^ set(tensors)):
        where = "only in the file" if wrong[0] in tensors else "not in the file"
        raise AdapterError(
            f"{folder} does not fit this model: {wrong[0]!r} is {where} ({len(wrong)} such names). "
            "Load the model that it was trained on; if it has a bias or tokens of its own, load it "
            "with peft"
        )
    for key, parameter in wanted.items():
        if tensors[key].numel() != parameter.numel():
            raise AdapterError(
                f"{folder}: {key} has the shape {tuple(tensors[key].shape)}, here it is "
                f"{tuple(parameter.shape)}: load the model that it was trained on"
            )
        parameter.copy_(tensors[key].view_as(parameter))


def places(
    config: Config, layers: Mapping[str, Layer], heads: list[Swap]
) -> Iterator[tuple[str, Tensor]]:
    """Names in ``peft``'s file, and the tensors here."""
    prefix = _prefix(config)
    for path, layer in layers.items():
        for mine, theirs in PARTS.get(config.kind, {}).items():
            yield f"{prefix}{path}.{theirs}".replace("..", "."), getattr(layer, mine)
    first = next(iter(layers.values()))
    if isinstance(config, PromptConfig):
        assert isinstance(first, PromptLayer)
        yield "prompt_embeddings", first.vectors
    if isinstance(config, PrefixConfig):
        assert isinstance(first, PrefixLayer)
        source = first.shared[0]
        yield "prompt_embeddings", source.rows if source.mlp is None else source.mlp(source.rows)
    for swap in heads:
        assert isinstance(swap.own, nn.Module), "a head is a module"
        for name, tensor in swap.own.state_dict().items():
            yield f"{prefix}{swap.path}.{name}", tensor


def _prefix(config: Config) -> str:
    return "base_model.model." if config.kind in PARTS else "base_model."


def _settings(
    model: nn.Module, config: Config, layers: Mapping[str, Layer], has_head: bool
) -> dict:
    """adapter_config.json, as far as the method says it."""
    name = type(model).__name__
    task = next((task for end, task in TASKS.items() if name.endswith(end)), None)
    if task in WITH_HEAD and not has_head:
        # peft would ask for the head in the file
        task = None
    if isinstance(config, (PrefixConfig, PromptConfig)):
        return _settings_of_tokens(model, config, layers, task)
    if config.kind not in PARTS or not isinstance(config, (AdaLoRAConfig, LoRAConfig)):
        raise AdapterError(f"peft has no method like {config.kind!r}: use save(path)")
    transposed = any(type(model.get_submodule(p)).__name__ == "Conv1D" for p in layers)
    values = {"task_type": task, "target_modules": sorted(layers), "bias": "none"}
    values |= {"fan_in_fan_out": transposed, "lora_dropout": config.dropout}
    if isinstance(config, AdaLoRAConfig):
        r, c = config.rank, config
        values |= {"peft_type": "ADALORA", "init_r": r, "r": r, "target_r": c.target_rank}
        values |= {"tinit": c.begin, "tfinal": c.end, "deltaT": c.every, "beta1": c.beta1}
        values |= {"beta2": c.beta2, "orth_reg_weight": c.orthogonality}
        return values | {"total_step": c.total_steps, "lora_alpha": c.scale * (r + _EPSILON)}
    values |= {"peft_type": "LORA", "r": config.rank, "lora_alpha": config.alpha}
    stabilised, dora = config.rank_stabilised, isinstance(config, DoRAConfig)
    return values | {"use_rslora": stabilised, "use_dora": dora}


def _settings_of_tokens(
    model: nn.Module,
    config: PrefixConfig | PromptConfig,
    layers: Mapping[str, Layer],
    task: str | None,
) -> dict:
    """The same for a prefix or a prompt.

    Raises AdapterError where ``peft`` puts it elsewhere.
    """
    name, shape = type(model).__name__, getattr(model, "config", None)
    if shape is None or not hasattr(shape, "num_attention_heads"):
        raise AdapterError(f"{name} is no model of transformers: use save(path)")
    if shape.is_encoder_decoder:
        raise AdapterError(f"{config.kind}: in {name}, peft's goes to other places: use save(path)")
    values = {"task_type": task or "FEATURE_EXTRACTION", "num_transformer_submodules": 1}
    values |= {"num_virtual_tokens": config.n_tokens, "num_layers": shape.num_hidden_layers}
    values |= {"num_attention_heads": shape.num_attention_heads, "token_dim": shape.hidden_size}
    if isinstance(config, PromptConfig):
        if type(model).__name__.partition("For")[2] and task != "CAUSAL_LM":
            raise AdapterError(
                f"prompt: below the head of {name}, peft pools over the prompt too and gives other "
                "logits: use save(path)"
            )
        return values | {"peft_type": "PROMPT_TUNING", "prompt_tuning_init": "RANDOM"}
    if not config.shift:
        raise AdapterError(
            "prefix: peft moves the text's positions by n_tokens: attach PrefixConfig(shift=True), "
            "or use save(path)"
        )
    first = next(iter(layers.values()))
    assert isinstance(first, PrefixLayer)
    width = first.shared[0].d
    heads = width * shape.num_attention_heads // shape.hidden_size
    values |= {"token_dim": width, "num_attention_heads": heads}
    values |= {"peft_type": "PREFIX_TUNING", "encoder_hidden_size": shape.hidden_size}
    return values | {"prefix_projection": False}


def _configuration(folder: Path, values: dict, tensors: dict[str, Tensor]) -> Config:
    """The method here that does what the file's does there."""
    kind = values.get("peft_type")
    tokens = {"n_tokens": values.get("num_virtual_tokens")}
    if kind == "PREFIX_TUNING":
        return PrefixConfig.from_values(tokens | {"shift": True})
    if kind == "PROMPT_TUNING":
        return PromptConfig.from_values(tokens)
    if kind not in ("LORA", "ADALORA"):
        raise AdapterError(
            f"{folder}: peft_type is {kind!r}; this package reads LORA, ADALORA, PREFIX_TUNING and "
            "PROMPT_TUNING"
        )
    inside = re.compile(r"base_model\.model\.(.+)\.lora_A(?:\.weight)?")
    paths = [found[1] for key in tensors if (found := inside.fullmatch(key))]
    common: dict[str, Any] = dict(
        dropout=values.get("lora_dropout", 0.0), targets=tuple(map(re.escape, sorted(paths)))
    )
    if kind == "LORA":
        method = DoRAConfig if values.get("use_dora") else LoRAConfig
        return method(
            rank=values["r"],
            alpha=values["lora_alpha"],
            rank_stabilised=bool(values.get("use_rslora")),
            **common,
        )
    return _adalora(values, common)


def _adalora(values: dict, common: dict) -> AdaLoRAConfig:
    r = values["init_r"]
    alpha = values["lora_alpha"] if values["lora_alpha"] > 0 else float(r)
    names = {"begin": "tinit", "end": "tfinal", "every": "deltaT", "beta1": "beta1"}
    names |= {"beta2": "beta2", "orthogonality": "orth_reg_weight"}
    given = {mine: values[theirs] for mine, theirs in names.items() if theirs in values}
    total = values.get("total_step") or given.get("begin", 0) + given.get("end", 0) + 1
    target = min(r, values.get("target_r", r))
    scale = alpha * r / (r + _EPSILON)
    return AdaLoRAConfig(total, rank=r, target_rank=target, alpha=scale, **given, **common)
