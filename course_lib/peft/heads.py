"""The head: what is new for the task, trained whole, and travels with the adapter.

    frozen base + adapter  ->  h  ->  head(h) = W h + b           W, b: a copy, or another module

Which children are the head? Where the model's class says that it was made for a task
(``...ForSequenceClassification``), everything beside its base: RoBERTa's ``classifier``,
DistilBERT's ``pre_classifier`` too, DeBERTa's ``pooler``, T5's ``classification_head``. In other
models, children with one of the names in ``HEADS``. A language model's output layer is no head: it
was pre-trained.

On a base in bf16 or fp16 the copy is float32, like the adapter: it casts what comes in.

Cost: the head's parameters twice (the base's waits beside it).

>>> from course_lib.encoder import Encoder, EncoderConfig
>>> encoder = Encoder(EncoderConfig.bert(vocab_size=50, n_layers=1, d_model=8, n_heads=2))
>>> head_names(nn.ModuleDict({"encoder": encoder, "score": nn.Linear(8, 2)}), "auto")
('score',)
"""

from __future__ import annotations

import copy
import re

import torch
from torch import Tensor, nn

from .method import trained_dtype
from .site import ASIDE, SLOT, Swap

HEADS = (
    "head",
    "classifier",
    "score",
    "qa_outputs",
    "classification_head",
    "logits_proj",
    "pre_classifier",
    "fc",
)
_TASK = re.compile(
    r"For(Sequence|Token|Image|Audio|Video)\w*Classification|ForQuestionAnswering|ForMultipleChoice"
)


def head_names(model: nn.Module, head: nn.Module | str | tuple[str, ...] | None) -> tuple[str, ...]:
    """Names of the modules that are trained whole; ``head`` is as for ``attach``.

    Raises ValueError for a name that is not there, or a new head where there is none to replace.
    """
    if head is None or isinstance(head, tuple):
        return head or ()
    if isinstance(head, str) and head != "auto":
        if not any(name == head for name, _ in model.named_modules() if name):
            raise ValueError(
                f"head: the model has no child {head!r}; it has "
                f"{[n for n, _ in model.named_children()]}"
            )
        return (head,)
    found = _beside_the_base(model) or tuple(
        name for name, child in model.named_children() if name in HEADS and _has_weights(child)
    )
    if not found and head != "auto":
        raise ValueError(
            f"head: the model has no head to replace (a child named {', '.join(HEADS)}); it has "
            f"{[n for n, _ in model.named_children()]}: put the new module into the model before"
        )
    return found


def head_swaps(
    model: nn.Module, names: tuple[str, ...], head: nn.Module | str | tuple[str, ...] | None
) -> list[Swap]:
    """Copies of these modules for the adapter; a module given as ``head`` stands for the last."""
    like = next(model.parameters())
    swaps = []
    for name in names:
        parent, _, child = name.rpartition(".")
        owner = model.get_submodule(parent)
        given = head if isinstance(head, nn.Module) and name == names[-1] else None
        own = copy.deepcopy(owner.get_submodule(child)) if given is None else given
        for parameter in own.parameters():
            parameter.data = parameter.data.to(like.device, trained_dtype(parameter))
        own.to(like.device)
        if trained_dtype(like) != like.dtype:
            own.register_forward_pre_hook(_to_float32, with_kwargs=True)
        swaps.append(Swap(owner, child, name, own))
    return swaps


def as_the_base(swap: Swap) -> None:
    """Cast a head that stays for good to the type of the one that it replaces."""
    own, before = swap.own, swap.waiting()
    assert isinstance(own, nn.Module) and isinstance(before, nn.Module), "a head is a module"
    if (like := next(before.parameters(), None)) is not None:
        own.to(like.dtype)
    for key, hook in list(own._forward_pre_hooks.items()):
        if hook is _to_float32:
            del own._forward_pre_hooks[key]
            own._forward_pre_hooks_with_kwargs.pop(key, None)


def _beside_the_base(model: nn.Module) -> tuple[str, ...]:
    """The children with weights of a ``transformers`` model for a task, without its base."""
    prefix = getattr(model, "base_model_prefix", "")
    if not _TASK.search(type(model).__name__) or not prefix or prefix not in model._modules:
        return ()
    others = {prefix, SLOT, ASIDE}
    return tuple(n for n, c in model.named_children() if n not in others and _has_weights(c))


def _has_weights(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _to_float32(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    def cast(value: object) -> object:
        if isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16):
            return value.to(next(module.parameters()).dtype)
        return value

    return tuple(map(cast, args)), {name: cast(value) for name, value in kwargs.items()}
