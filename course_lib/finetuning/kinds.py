"""What differs between kinds of labelled tasks, a record for each; everything else is shared.

======  ================================  ==========================================  ============
kind    head                              prediction of one example                   scores
======  ================================  ==========================================  ============
text    ``SequenceClassifier``            the class with the largest logit            accuracy,
                                                                                      macro_f1, mcc
pair    the same                          the same                                    the same
words   ``TokenClassifier``               a tag for each word, from its first piece   entity_f1,
                                                                                      tag_accuracy
span    ``SpanExtractor``                 the best pair of places, first <= last,     span_f1,
                                          as characters (start, stop)                 exact_match
======  ================================  ==========================================  ============

The first score of a kind is the one that is quoted. A word that has no piece (cut off by
``max_len``) is judged as ``O``; a span is looked for in the text alone, never in the question.

>>> sorted(KINDS), KINDS["words"].quoted
(['pair', 'span', 'text', 'words'], 'entity_f1')
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from course_lib.evaluation import Interval, classification_scores, entity_scores, span_scores
from course_lib.objectives import Objective

from .heads import SequenceClassifier, SpanExtractor, TaskModel, TokenClassifier
from .objectives import Classification, SpanExtraction, TokenClassification
from .prediction import best_span, word_tags
from .rows import AnyExample, Row

Scores = dict[str, Interval]
Weights = Sequence[float] | None


@dataclass(frozen=True)
class Kind:
    """One kind of task.

    quoted: the name of its first score.
    model: (encoder, n_labels, pooling, **options) -> encoder and head.
    objective: the loss, from the weights of the classes.
    guess: (logits of a row, the row) -> its prediction.
    judge: (examples, predictions, names of the labels, groups, generator) -> scores.
    """

    quoted: str
    model: Callable[..., TaskModel]
    objective: Callable[[Weights], Objective]
    guess: Callable[[Tensor, Row], Any]
    judge: Callable[..., Scores]


def _judge_classes(examples, guessed, labels, groups, generator) -> Scores:
    return classification_scores([e.label for e in examples], guessed, groups, generator=generator)


def _judge_tags(examples, guessed, labels, groups, generator) -> Scores:
    def named(side: Sequence[Sequence[int]]) -> list[list[str]]:
        return [[labels[tag] for tag in tags] for tags in side]

    true = named([e.tags for e in examples])
    return entity_scores(true, named(guessed), groups, generator=generator)


def _judge_spans(examples, guessed, labels, groups, generator) -> Scores:
    true = [(e.start, e.stop) for e in examples]
    return span_scores([e.text for e in examples], true, guessed, groups, generator=generator)


def _span_objective(weights: Weights) -> Objective:
    if weights:
        raise ValueError("class_weights have no meaning for spans: their classes are places")
    return SpanExtraction()


TEXT = Kind(
    quoted="accuracy",
    model=lambda encoder, n, pooling, **o: SequenceClassifier(encoder, n, pooling=pooling, **o),
    objective=Classification,
    guess=lambda logits, row: int(logits.argmax()),
    judge=_judge_classes,
)
WORDS = Kind(
    quoted="entity_f1",
    model=lambda encoder, n, pooling, **o: TokenClassifier(encoder, n, **o),
    objective=TokenClassification,
    guess=word_tags,
    judge=_judge_tags,
)
SPAN = Kind(
    quoted="span_f1",
    model=lambda encoder, n, pooling, **o: SpanExtractor(encoder, **o),
    objective=_span_objective,
    guess=best_span,
    judge=_judge_spans,
)
KINDS = {"text": TEXT, "pair": TEXT, "words": WORDS, "span": SPAN}


def guesses(kind: str, logits: Sequence[Tensor], rows: Sequence[Row]) -> list:
    """The prediction for each example, as in the table above."""
    return [KINDS[kind].guess(line, row) for line, row in zip(logits, rows, strict=True)]


def judge(
    kind: str,
    examples: Sequence[AnyExample],
    guessed: Sequence,
    labels: Sequence[str],
    *,
    generator: torch.Generator,
) -> Scores:
    """The scores of predictions, the quoted one first, with intervals over the examples' groups."""
    groups = [example.group for example in examples]
    return KINDS[kind].judge(examples, guessed, labels, groups, generator)
