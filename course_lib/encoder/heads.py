"""What stands on the encoder: the head that guesses tokens, and the one that answers yes or no.

    logits = norm(gelu(h W + b)) E^T + c

E is the table of token embeddings itself (*tied*): the vector that stands for a word on the way in
scores it on the way out. That saves v * d weights, and a row of E learns from both sides. Only
masked positions have a target, so only they need logits: with 15 % masked, the widest product of a
small model is almost seven times cheaper.

The binary head has a single logit, z = act(h W + b) w + c: the answer is yes with probability
1 / (1 + e^-z).

Cost: 2 (d^2 + d v) floating-point operations for each *predicted* token; 2 (d^2 + d) for the binary
head.

Sources: Press & Wolf 2017 (arXiv:1608.05859, tying), Devlin et al. 2019 (arXiv:1810.04805), Clark
et al. 2020 (arXiv:2003.10555, the binary head on every token).

>>> from course_lib.encoder import EncoderConfig
>>> config = EncoderConfig.modern(vocab_size=100, n_layers=1, d_model=32, n_heads=4)
>>> model = MaskedLanguageModel(config)
>>> ids = torch.tensor([[2, 4, 50, 3], [2, 60, 4, 3]])
>>> model(ids).shape, model(ids, positions=torch.tensor([1, 6])).shape
(torch.Size([2, 4, 100]), torch.Size([2, 100]))
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from typing_extensions import Unpack

from course_lib.batch import Inputs

from .config import EncoderConfig
from .convert import check_plain, read_mlm, write_mlm
from .model import Encoder


class MLMHead(nn.Module):
    """Hidden states to vocabulary logits.

    The embedding table is given at call time, so it can't come untied.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.d_model, config.d_model, bias=config.bias)
        self.norm = nn.LayerNorm(config.d_model, eps=config.norm_eps, bias=config.bias)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        nn.init.trunc_normal_(self.dense.weight, std=config.d_model**-0.5)  # keeps the scale of h
        if config.bias:
            nn.init.zeros_(self.dense.bias)

    def forward(
        self, hidden: Float[Tensor, "... d"], table: Float[Tensor, "v d"]
    ) -> Float[Tensor, "... v"]:
        """Logits for each hidden state."""
        return F.linear(self.norm(F.gelu(self.dense(hidden))), table, self.bias)


class MaskedLanguageModel(nn.Module):
    """An encoder with a tied MLM head; see the top of the file for the formula and an example."""

    def __init__(self, config: EncoderConfig, *, encoder: Encoder | None = None) -> None:
        super().__init__()
        self.config, self.top_at_targets = config, False
        self.encoder = Encoder(config) if encoder is None else encoder
        self.head = MLMHead(config)

    def forward(
        self,
        input_ids: Int[Tensor, "b t"],
        *,
        positions: Int[Tensor, " n"] | None = None,
        causal: bool = False,
        **inputs: Unpack[Inputs],
    ) -> Float[Tensor, "*n v"]:
        """Logits at ``positions`` (flat indices row * t + column), (n, v); (b, t, v) if None.

        inputs: what the encoder is told about the rows, see ``Encoder.forward``.
        causal: each position sees only what stands before it: the same weights as a left-to-right
            language model.

        With ``model.top_at_targets = True`` the last block, too, is computed at ``positions`` only,
        but for its attention: the same logits and gradients, with about a sixth less work in an
        encoder of four blocks when 15 % are asked for.
        """
        within = positions if self.top_at_targets else None
        hidden = self.encoder(input_ids, causal=causal, positions=within, **inputs)
        if within is None and positions is not None:
            hidden = hidden.flatten(0, 1).index_select(0, positions)  # (n, d)
        return self.head(hidden, self.encoder.embedding.tokens.weight)

    @torch.no_grad()
    def start_from_frequencies(self, counts: Float[Tensor, " v"]) -> None:
        """Set the output bias to the log of the tokens' frequencies (one is added to each count).

        An untrained model then predicts the unigram distribution, and does not spend its first
        hundreds of steps on learning it. Raises ValueError if ``counts`` has another length than
        the vocabulary.
        """
        if counts.shape != self.head.bias.shape:
            want, got = tuple(self.head.bias.shape), tuple(counts.shape)
            raise ValueError(f"counts must have one entry per token, shape {want}, got {got}")
        smoothed = counts.double() + 1
        self.head.bias.copy_((smoothed / smoothed.sum()).log())

    @classmethod
    def from_transformers(cls, model: nn.Module | str) -> MaskedLanguageModel:
        """Ours with the weights of a ``BertForMaskedLM`` or ``ModernBertForMaskedLM``.

        model: the model, a folder, or a name on the hub.
        """
        config, state, training = read_mlm(model)
        ours = cls(config)
        ours.load_state_dict(state)
        return ours.train(training)

    def to_transformers(self) -> nn.Module:
        """A ``transformers`` model with a copy of these weights.

        ``AutoModelForMaskedLM`` loads what it saves.
        """
        check_plain(self)
        return write_mlm(self.config, self.state_dict()).train(self.training)


_ACTIVATIONS = {"gelu": F.gelu, "tanh": torch.tanh}


class BinaryHead(nn.Module):
    """Hidden states to one logit each.

    activation: "gelu" as in ELECTRA's discriminator, or "tanh" as in BERT's pooler (for a whole
    pair, at [CLS]). Raises ValueError for another name.
    """

    def __init__(self, config: EncoderConfig, activation: str = "gelu") -> None:
        super().__init__()
        if activation not in _ACTIVATIONS:
            raise ValueError(
                f"activation must be one of {sorted(_ACTIVATIONS)}, got {activation!r}"
            )
        self.activation = activation
        self.dense = nn.Linear(config.d_model, config.d_model)
        self.output = nn.Linear(config.d_model, 1)
        for layer in (self.dense, self.output):
            nn.init.trunc_normal_(layer.weight, std=config.d_model**-0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, hidden: Float[Tensor, "... d"]) -> Float[Tensor, ...]:
        """One logit for each hidden state."""
        return self.output(_ACTIVATIONS[self.activation](self.dense(hidden))).squeeze(-1)


class BinaryClassifier(nn.Module):
    """An encoder that answers yes or no.

    Per token (was it replaced?), or per pair, at its [CLS] (do they follow?).

    >>> config = EncoderConfig.modern(vocab_size=100, n_layers=1, d_model=32, n_heads=4)
    >>> model = BinaryClassifier(config)
    >>> ids = torch.tensor([[2, 4, 50, 3], [2, 60, 4, 3]])
    >>> model(ids).shape, model(ids, positions=torch.tensor([0, 4])).shape
    (torch.Size([2, 4]), torch.Size([2]))
    """

    def __init__(
        self, config: EncoderConfig, *, encoder: Encoder | None = None, activation: str = "gelu"
    ) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config) if encoder is None else encoder
        self.head = BinaryHead(config, activation)

    def forward(
        self,
        input_ids: Int[Tensor, "b t"],
        *,
        positions: Int[Tensor, " n"] | None = None,
        **inputs: Unpack[Inputs],
    ) -> Float[Tensor, "*n"]:
        """Logits at ``positions`` (flat indices row * t + column), (n,); (b, t) if None."""
        hidden = self.encoder(input_ids, **inputs)
        if positions is not None:
            hidden = hidden.flatten(0, 1).index_select(0, positions)  # (n, d)
        return self.head(hidden)
