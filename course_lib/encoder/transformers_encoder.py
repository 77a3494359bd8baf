"""Any encoder of ``transformers``, called as this course's own is.

    segment_ids (0 on padding, 1 on the text)  ->  attention_mask
    last_hidden_state                          ->  the hidden states (b, t, d)

So one head, one stream and one loop serve both. What is lost on the way: rows that hold several
documents (segment numbers above 1), since an attention mask can't keep them apart; and token types,
where the model has none (RoBERTa tells the two texts of a pair apart by its separators alone).

Cost: that of the model.

>>> import torch
>>> from transformers import BertConfig, BertModel
>>> shape = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
>>> encoder = TransformersEncoder(BertModel(BertConfig(vocab_size=50, **shape)))
>>> encoder(torch.tensor([[2, 7, 3]]), segment_ids=torch.tensor([[1, 1, 1]])).shape
torch.Size([1, 3, 8])
"""

from __future__ import annotations

import inspect

from jaxtyping import Float, Int
from torch import Tensor, nn

from .convert import load_transformers


class TransformersEncoder(nn.Module):
    """A ``transformers`` encoder (bare, without a head) that gives hidden states for a ``Batch``.

    model: the model, a folder, or a name on the hub, which ``AutoModel`` then loads.

    Raises ValueError for a name that can't be loaded, and for an encoder-decoder.
    """

    def __init__(self, model: nn.Module | str) -> None:
        super().__init__()
        self.model = load_transformers(model, "AutoModel")
        self.config = self.model.config
        if getattr(self.config, "is_encoder_decoder", False):
            raise ValueError(
                f"{type(self.model).__name__} is an encoder with a decoder: give its encoder, "
                "model.get_encoder()"
            )
        known = inspect.signature(self.model.forward).parameters
        types = getattr(self.config, "type_vocab_size", 2) or 0
        self.takes_types = "token_type_ids" in known and types > 1
        self.takes_positions = "position_ids" in known

    def forward(
        self,
        input_ids: Int[Tensor, "b t"],
        *,
        segment_ids: Int[Tensor, "b t"] | None = None,
        position_ids: Int[Tensor, "b t"] | None = None,
        token_type_ids: Int[Tensor, "b t"] | None = None,
    ) -> Float[Tensor, "b t d"]:
        """Hidden states after the last layer.

        Raises ValueError for rows of several documents, or for position_ids where the model takes
        none.
        """
        options = {}
        if segment_ids is not None:
            if segment_ids.is_cpu and segment_ids.max() > 1:  # free here, a stall on a GPU
                raise ValueError(
                    "segment_ids above 1: an encoder of transformers can't keep several documents "
                    "of a row apart; give one text a row"
                )
            options["attention_mask"] = (segment_ids != 0).long()
        if position_ids is not None:
            if not self.takes_positions:
                raise ValueError(
                    f"{type(self.model).__name__} takes no position_ids: leave them out"
                )
            options["position_ids"] = position_ids
        if token_type_ids is not None and self.takes_types:
            options["token_type_ids"] = token_type_ids
        return self.model(input_ids=input_ids, **options).last_hidden_state
