"""What stands on the encoder when there are labels: a class for the text or each word, or a span.

    a text, or a pair     z = W drop(pool(h)) + b                    k logits a row
    each token            z_i = W drop(h_i) + b                      k logits a token
    a span                (s_i, e_i) = W h_i + b                     is token i its first, its last?

``pool`` makes one vector out of those of the row's real tokens (padding never counts):

    first   h_1, at [CLS]: BERT's choice, with a trained tanh layer (``transform``) in the head
    mean    the average of all real tokens: what sentence encoders such as MiniLM were trained for
    max     the largest value of each coordinate

A pair is one row ``[CLS] first [SEP] second [SEP]`` with token types 0 and 1, so every token of the
one looks at every token of the other. Everything new is below ``head``; everything pre-trained
below ``encoder``, which may be this course's ``Encoder``, a ``TransformersEncoder`` around any
encoder of ``transformers``, or anything called as they are.

Cost: k d weights and 2 k d operations a row (a token), next to nothing beside the encoder;
``transform`` has d^2 more.

Sources: Devlin et al. 2019 (arXiv:1810.04805, section 4: the three heads), Reimers and Gurevych
2019 (arXiv:1908.10084, pooling compared).

>>> from course_lib.encoder import Encoder, EncoderConfig
>>> encoder = Encoder(EncoderConfig.bert(vocab_size=50, n_layers=1, d_model=8, n_heads=2))
>>> ids = torch.tensor([[2, 7, 9, 3], [2, 8, 3, 0]])
>>> real = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
>>> SequenceClassifier(encoder, 3)(ids, segment_ids=real).shape
torch.Size([2, 3])
>>> TokenClassifier(encoder, 5)(ids).shape
torch.Size([2, 4, 5])
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from typing_extensions import Unpack

from course_lib.batch import Inputs
from course_lib.encoder.dropout import Dropout

POOLINGS = ("first", "mean", "max")


def pool(
    hidden: Float[Tensor, "b t d"], segment_ids: Int[Tensor, "b t"] | None = None, how: str = "mean"
) -> Float[Tensor, "b d"]:
    """One vector a row, from the tokens whose ``segment_ids`` are not 0 (``None``: from all).

    Raises ValueError for a name that is not in ``POOLINGS``, or a row of nothing but padding.

    >>> pool(torch.tensor([[[1.0], [3.0], [99.0]]]), torch.tensor([[1, 1, 0]])).tolist()
    [[2.0]]
    """
    _check_pooling(how)
    if how == "first":
        return hidden[:, 0]
    real = _real(hidden, segment_ids)[..., None]  # (b, t, 1)
    if how == "max":
        return hidden.masked_fill(~real, -torch.inf).amax(1)
    return hidden.masked_fill(~real, 0).sum(1) / real.sum(1)


def _check_pooling(how: str) -> None:
    if how not in POOLINGS:
        raise ValueError(f"pooling must be one of {POOLINGS}, got {how!r}")


def _real(hidden: Tensor, segment_ids: Tensor | None) -> Bool[Tensor, "b t"]:
    if segment_ids is None:
        return torch.ones(hidden.shape[:2], dtype=torch.bool, device=hidden.device)
    real = segment_ids != 0
    if real.is_cpu and not real.any(1).all():  # free here, a stall on a GPU
        raise ValueError(
            "a row has no real token (all its segment_ids are 0): leave empty texts out"
        )
    return real


def width_of(encoder: nn.Module) -> int:
    """The length of an encoder's vectors.

    Raises ValueError if its ``config`` says neither d_model nor hidden_size.
    """
    config = getattr(encoder, "config", None)
    width = getattr(config, "d_model", None) or getattr(config, "hidden_size", None)
    if width is None:
        raise ValueError(
            f"{type(encoder).__name__} does not say how wide its vectors are: give it a config "
            "with d_model"
        )
    return width


def new_linear(
    d_in: int, d_out: int, generator: torch.Generator | None, std: float = 0.02
) -> nn.Linear:
    """A linear layer with BERT's first weights: normal, cut at two deviations ``std``; biases 0."""
    layer = nn.Linear(d_in, d_out)
    nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


class LinearHead(nn.Module):
    """Dropout and a linear layer.

    transform: a trained tanh layer before them, as in BERT's pooler.
    """

    def __init__(
        self,
        d_model: int,
        n_outputs: int,
        *,
        dropout: float = 0.1,
        transform: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if n_outputs < 1:
            raise ValueError(f"a head needs at least one output, got {n_outputs}")
        self.transform = new_linear(d_model, d_model, generator) if transform else None
        self.dropout = Dropout(dropout)
        self.output = new_linear(d_model, n_outputs, generator)

    def forward(self, hidden: Float[Tensor, "... d"]) -> Float[Tensor, "... k"]:
        """Logits for each vector."""
        if self.transform is not None:
            hidden = torch.tanh(self.transform(hidden))
        return self.output(self.dropout(hidden))


class TaskModel(nn.Module):
    """An encoder with a head; the parent of the three kinds, and what they share.

    encoder: called with ``input_ids`` and ``Inputs``; its config says ``d_model``. It is not
        copied.
    n_labels: classes, or 2 for a span.  dropout: before the last layer.
    generator: of the head's first weights.
    """

    def __init__(
        self,
        encoder: nn.Module,
        n_labels: int,
        *,
        dropout: float = 0.1,
        transform: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.n_labels = n_labels
        self.head = LinearHead(
            width_of(encoder), n_labels, dropout=dropout, transform=transform, generator=generator
        )

    def on(self, encoder: nn.Module) -> TaskModel:
        """The same model, its very head, on another encoder (say, one with its answers ready)."""
        twin = copy.copy(self)
        twin._modules = dict(self._modules)
        twin.encoder = encoder
        return twin


class SequenceClassifier(TaskModel):
    """A class for each row, a text or a pair of texts. pooling: see the top of the file.

    Raises ValueError for an unknown pooling.
    """

    def __init__(
        self,
        encoder: nn.Module,
        n_labels: int,
        *,
        pooling: str = "mean",
        transform: bool = False,
        **options: Any,
    ) -> None:
        _check_pooling(pooling)
        super().__init__(encoder, n_labels, transform=transform, **options)
        self.pooling = pooling

    def forward(
        self,
        input_ids: Int[Tensor, "b t"],
        **inputs: Unpack[Inputs],
    ) -> Float[Tensor, "b k"]:
        """Logits over the classes."""
        hidden = self.encoder(input_ids, **inputs)
        return self.head(pool(hidden, inputs.get("segment_ids"), self.pooling))


class TokenClassifier(TaskModel):
    """A class for each token."""

    def forward(
        self,
        input_ids: Int[Tensor, "b t"],
        *,
        positions: Int[Tensor, " n"] | None = None,
        **inputs: Unpack[Inputs],
    ) -> Float[Tensor, "*n k"]:
        """Logits over the classes: (n, k) at ``positions``, without them (b, t, k), everywhere.

        positions: flat indices row * t + column.
        """
        hidden = self.encoder(input_ids, **inputs)
        if positions is not None:
            hidden = hidden.flatten(0, 1).index_select(0, positions)  # (n, d)
        return self.head(hidden)


class SpanExtractor(TaskModel):
    """The first and the last token of the answer.

    Padding gets a logit of minus infinity, so it changes nothing.
    """

    def __init__(self, encoder: nn.Module, *, dropout: float = 0.0, **options: Any) -> None:
        super().__init__(encoder, 2, dropout=dropout, **options)

    def forward(
        self,
        input_ids: Int[Tensor, "b t"],
        **inputs: Unpack[Inputs],
    ) -> Float[Tensor, "b 2 t"]:
        """Logits over the tokens, [:, 0] for the first of the span and [:, 1] for the last."""
        hidden = self.encoder(input_ids, **inputs)
        logits = self.head(hidden).transpose(1, 2)  # (b, 2, t)
        return logits.masked_fill(~_real(hidden, inputs.get("segment_ids"))[:, None], -torch.inf)
