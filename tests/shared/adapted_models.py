"""Small models and configurations that the tests of adapters share."""

import torch
from transformers import BertConfig, BertModel

from course_lib.encoder import Encoder, EncoderConfig, TransformersEncoder
from course_lib.finetuning import SequenceClassifier
from course_lib.peft import (
    AdaLoRAConfig,
    BitFitConfig,
    BottleneckConfig,
    DoRAConfig,
    LoRAConfig,
    PrefixConfig,
    PromptConfig,
)

METHODS = {
    "lora": LoRAConfig(rank=4),
    "adalora": AdaLoRAConfig(total_steps=20, rank=4, target_rank=2),
    "dora": DoRAConfig(rank=4),
    "houlsby": BottleneckConfig.houlsby(reduction=4),
    "pfeiffer": BottleneckConfig.pfeiffer(reduction=4),
    "prefix": PrefixConfig(n_tokens=3),
    "prefix-mlp": PrefixConfig(n_tokens=3, hidden=8),
    "prompt": PromptConfig(n_tokens=3),
    "bitfit": BitFitConfig(),
}
MERGEABLE = ("lora", "adalora", "dora", "bitfit")
IDS = torch.tensor([[2, 17, 8, 40, 3], [2, 9, 9, 3, 0], [2, 30, 3, 0, 0], [2, 5, 6, 7, 3]])
REAL = (IDS != 0).long()
LABELS = torch.tensor([0, 1, 1, 0])


SHAPE = dict(n_layers=2, d_model=16, n_heads=2, d_ff=32, max_len=32, dropout=0.0, init_std=0.3)


def ours(seed: int = 0, **options) -> Encoder:
    torch.manual_seed(seed)
    return Encoder(EncoderConfig.bert(vocab_size=50, **(SHAPE | options))).double()


def bert(seed: int = 0) -> BertModel:
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.3,
    )
    return BertModel(config).double().eval()


def classifier(kind: str = "ours", seed: int = 0) -> SequenceClassifier:
    encoder = ours(seed) if kind == "ours" else TransformersEncoder(bert(seed))
    generator = torch.Generator().manual_seed(seed)
    return SequenceClassifier(encoder, 2, dropout=0.0, generator=generator).double()


def logits(model) -> torch.Tensor:
    return model(IDS, segment_ids=REAL)


def loss(model) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(logits(model), LABELS)


def shake(handle, size: float = 0.1, seed: int = 3) -> None:
    """Move the adapter's weights away from where they started, so that it does something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in handle.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise.to(parameter), alpha=size)


def bits(model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same_bits(one: dict, other: dict) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)
