"""What can be known of a task before the training is checked before it.

A split that can't be scored, or a text that the encoder can't read, used to be noticed when all was
learnt; the tuned model was lost with the error.

Cost: a forward pass over at most two rows of each split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .heads import TaskModel
from .prediction import row_logits
from .rows import AnyExample, Row, kind_of


def check_split(train: Sequence[AnyExample], examples: Sequence[AnyExample], split: str) -> None:
    """Raise ValueError for a split that can't be scored, TypeError for one of other records than
    the training examples.
    """
    if not examples:
        raise ValueError(
            f"split {split!r} is empty: there is nothing to score; choose another split"
        )
    if (theirs := kind_of(examples)) != (ours := kind_of(train)):
        raise TypeError(f"split {split!r} holds examples of kind {theirs!r}, train {ours!r}")
    if len({example.group for example in examples}) < 2:
        raise ValueError(
            f"split {split!r} has {len(examples)} examples of one group, "
            f"{examples[0].group!r}: a score with its interval needs at least two independent "
            "groups; choose another split, or give each example the group that it is about"
        )


def check_rows(
    model: TaskModel, parts: Mapping[str, Sequence[Row]], *, pad_id: int, precision: str
) -> None:
    """Raise ValueError if the model can't read the longest row of each part, or that with the
    highest token id.
    """
    for name, rows in parts.items():
        if not rows:
            continue
        tried = [max(rows, key=len), max(rows, key=lambda row: max(row.ids))]
        try:
            row_logits(model, tried, pad_id=pad_id, precision=precision, batch_size=1)
        except (LookupError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"the encoder can't read the {name} rows, the longest of which has "
                f"{len(tried[0])} tokens ({error}): take a smaller max_len, and the tokenizer that "
                "the encoder was trained with"
            ) from error
