"""Fine-tuning: an encoder, a new head, labelled examples, and the one training loop.

    examples -> rows of tokens -> batches of like length -> train(encoder + head) -> predictions ->
    scores with intervals

What is trained is one word, ``tune``:

    "full"   everything: the best scores where labels are many; all weights are stored once a task
    k        the head and the k blocks at the top; nothing is computed backward below them
    "head"   the head alone, on features that the encoder gave once (``frozen_features``): ten
             times faster

Other ways to train few weights (adapters, LoRA ...) come in by ``adapt``: a function that is called
with the new model and changes what is trainable.

Why small rates: the encoder stands in a valley that pre-training found; a rate of pre-training
throws it out of there in the first steps, and what it knew is lost (forgotten, not "overfitted").
``layer_decay`` gives lower layers smaller rates still, ``head_scale`` the new head larger ones.

Cost: 6 N operations a token for "full", 2 N for what is frozen (once, for "head").

Sources: Devlin et al. 2019 (arXiv:1810.04805), Howard and Ruder 2018 (arXiv:1801.06146), Mosbach et
al. 2021 (arXiv:2006.04884: why small rates, warm-up and several seeds).

>>> from course_lib.data import Example
>>> [e.text for e in draw([Example(t, 0, t) for t in "abcdef"], 3, seed=1)][:2] == [
...     e.text for e in draw([Example(t, 0, t) for t in "abcdef"], 2, seed=1)]
True
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from course_lib import hardware
from course_lib.batch import IGNORE
from course_lib.batches import seed_of, shuffled
from course_lib.data import SpanTask, Task, TokenTask
from course_lib.evaluation import Interval
from course_lib.objectives import Objective
from course_lib.optimisation.layer_rates import layer_of, n_layers
from course_lib.tokenization import Tokenizer
from course_lib.training import TrainResult, train
from course_lib.training.beforehand import check_writable

from .beforehand import check_rows, check_split
from .config import DEFAULT, FineTuneConfig
from .frozen_features import FeatureStore
from .heads import TaskModel
from .kinds import KINDS, guesses, judge
from .objectives import balanced_weights
from .prediction import row_logits
from .rows import AnyExample, Row, encode_examples, kind_of
from .stream import TaskStream, sorted_batches

AnyTask = Task | TokenTask | SpanTask
PARTS = ("training", "validation", "scored")


@dataclass(frozen=True)
class FineTuned:
    """A tuned model and how good it is.

    model: ``None`` where it was not kept.  kind: "text", "pair", "words" or "span".
    labels: names of the classes or tags.
    scores: on the split that was asked for, the quoted one first.  guesses: the predictions behind
        them, in order.
    n_trainable, n_parameters: weights.  seconds: of encoding and training together.
    run: what the loop returned.
    """

    model: TaskModel | None = field(repr=False)
    kind: str
    labels: tuple[str, ...] = field(repr=False)
    config: FineTuneConfig
    scores: dict[str, Interval]
    guesses: list = field(repr=False)
    n_trainable: int
    n_parameters: int
    seconds: float
    run: TrainResult = field(repr=False)

    @property
    def score(self) -> Interval:
        """The quoted score."""
        return self.scores[KINDS[self.kind].quoted]


def labels_of(task: AnyTask) -> tuple[str, ...]:
    """The names of the classes or tags that are learnt; of a span, its two ends."""
    return ("first", "last") if isinstance(task, SpanTask) else task.labels


def build_model(
    encoder: nn.Module, kind: str, n_labels: int, config: FineTuneConfig = DEFAULT
) -> TaskModel:
    """A new head for this kind of task on ``encoder``, which is not copied.

    Its weights depend on ``config.seed``.
    """
    generator = torch.Generator().manual_seed(config.seed)
    shared = dict(dropout=config.dropout, transform=config.transform, generator=generator)
    return KINDS[kind].model(encoder, n_labels, config.pooling, **shared)


def choose_trainable(model: TaskModel, tune: str | int) -> None:
    """Set ``requires_grad`` of every parameter.

    tune: "full", "head", or how many blocks at the top are trained with the head. What stands above
        the blocks in the encoder (a last norm) is trained with them.

    Raises ValueError for more blocks than there are.
    """
    if type(tune) is int and tune > (there := n_layers(model.encoder)):
        raise ValueError(
            f"tune={tune}, but the encoder has {there} blocks: take at most {there}, or 'full'"
        )
    lowest = -1 if tune == "full" else math.inf
    if type(tune) is int:
        lowest = n_layers(model.encoder) - tune + 1
    for name, parameter in model.encoder.named_parameters():
        layer = layer_of(name)
        above = math.inf if layer is None else layer
        parameter.requires_grad_(tune != "head" and above >= lowest)
    model.head.requires_grad_(True)


def objective_for(
    kind: str, rows: Sequence[Row], n_labels: int, class_weights: str | None = None
) -> Objective:
    """The loss of this kind of task; "balanced" weights are counted in ``rows``.

    Raises ValueError for weighted spans.
    """
    weights = None
    if class_weights:
        weights = balanced_weights([x for row in rows for x in row.labels if x != IGNORE], n_labels)
    return KINDS[kind].objective(weights)


def draw(examples: Sequence[AnyExample], n: int | None, seed: int) -> list[AnyExample]:
    """``n`` of the examples by chance, without repetition.

    With one seed, fewer are the first of more. Raises ValueError if there are not so many.
    """
    if n is None:
        return list(examples)
    if n > len(examples):
        raise ValueError(
            f"n_labels is {n}, but there are {len(examples)} training examples: take at most so "
            "many"
        )
    return [examples[i] for i in shuffled(np.arange(n), len(examples), seed_of("labels", seed))]


def finetune(
    task: AnyTask,
    encoder: nn.Module,
    tokenizer: Tokenizer,
    config: FineTuneConfig = DEFAULT,
    *,
    split: str = "test",
    adapt: Callable[[TaskModel], object] | None = None,
    features: FeatureStore | None = None,
    out: str | os.PathLike | None = None,
    resume: bool = False,
    device: torch.device | str | None = None,
    progress: bool = True,
) -> FineTuned:
    """Tune a copy of ``encoder`` on ``task.train`` and score it on ``split``.

    adapt: called with the new model (all of its encoder frozen, its head not) before training, to
        change what is trainable; ``config.tune`` then has no effect.
    features: a store that outlives this call, so that other runs with the same frozen encoder need
        not encode again.
    out, resume, device, progress: as for ``train``; a resumed run ends as if it had not been
        stopped.

    Raises ValueError or TypeError for settings that can't be and for rows that can't be read or
    scored, before the training, and what ``train`` raises.
    """
    device = torch.device(device or hardware.device())
    if adapt is not None and not callable(adapt):
        raise TypeError(f"adapt must be a function of the new model, got {adapt!r}")
    check_split(task.train, task.examples(split), split)
    check_writable(out)
    data = _Data.of(task, tokenizer, config, split)
    attempt = _Attempt.of(data, encoder, tokenizer, config, adapt, features, device)
    run = attempt.learn(out=out, resume=resume, device=device, progress=progress)
    return attempt.judged(task.examples(split), run)


class _Data(NamedTuple):
    """What a run learns from and is judged on.

    rows: of train, of validation where it is watched, and of the split.
    """

    kind: str
    labels: tuple[str, ...]
    rows: list[list[Row]]

    @classmethod
    def of(cls, task: AnyTask, tokenizer: Tokenizer, config: FineTuneConfig, split: str) -> _Data:
        watched = task.validation if config.patience or config.evaluate_every else ()
        parts = [draw(task.train, config.n_labels, config.seed), watched, task.examples(split)]
        rows = [
            encode_examples(part, tokenizer, max_len=config.max_len) if part else []
            for part in parts
        ]
        return cls(kind_of(parts[0]), labels_of(task), rows)

    def stream(self, rows: list[Row], config: FineTuneConfig, pad_id: int) -> TaskStream:
        """Batches of ``rows``, the training rows or what stands for them in a table of features."""
        about = TaskStream(tuple(self.rows[0])).fingerprint
        seed, size = config.seed, config.batch_size
        return TaskStream(tuple(rows), size, seed=seed, pad_id=pad_id, about=about)


@dataclass(frozen=True)
class _Attempt:
    """A model that is ready to learn.

    trained, rows, pad: what is given to the loop: the model and its rows of tokens, or, where the
        encoder is frozen, the model on a table of features and rows of line numbers.
    encoding: seconds that went into the table.
    """

    model: TaskModel
    data: _Data
    config: FineTuneConfig
    trained: TaskModel
    rows: list[list[Row]]
    pad: int
    n_trainable: int
    encoding: float

    @classmethod
    def of(
        cls,
        data: _Data,
        encoder: nn.Module,
        tokenizer: Tokenizer,
        config: FineTuneConfig,
        adapt: Callable[[TaskModel], object] | None,
        features: FeatureStore | None,
        device: torch.device,
    ) -> _Attempt:
        model = build_model(copy.deepcopy(encoder), data.kind, len(data.labels), config).to(device)
        choose_trainable(model, "head" if adapt else config.tune)
        if adapt:
            adapt(model)
        n_trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        started, trained, rows, pad = time.perf_counter(), model, data.rows, tokenizer.pad_id
        if config.tune == "head" and not adapt:
            store = features or feature_store(model, tokenizer, config)
            table, rows = store.looked_up(*data.rows)
            trained, pad = model.on(table.to(device)), 0
        else:
            parts: dict[str, list[Row]] = dict(zip(PARTS, rows, strict=True))
            check_rows(model, parts, pad_id=pad, precision=config.precision)
        encoding = time.perf_counter() - started
        return cls(model, data, config, trained, rows, pad, n_trainable, encoding)

    def learn(self, **options: Any) -> TrainResult:
        """Train by the configuration. options: of ``train``."""
        data, config = self.data, self.config
        stream = data.stream(self.rows[0], config, self.pad)
        return train(
            self.trained,
            objective_for(data.kind, data.rows[0], len(data.labels), config.class_weights),
            stream,
            config.training(stream.steps_per_epoch),
            validation=sorted_batches(self.rows[1], pad_id=self.pad)[0] or None,
            **options,
        )

    def judged(self, examples: Sequence[AnyExample], run: TrainResult) -> FineTuned:
        """What the model says of the ``examples``, whose rows came last, and how good it is."""
        model, data, config = self.model, self.data, self.config
        logits = row_logits(self.trained, self.rows[2], pad_id=self.pad, precision=config.precision)
        guessed = guesses(data.kind, logits, data.rows[2])
        # of the bootstrap: the same for every run
        generator = torch.Generator().manual_seed(0)
        return FineTuned(
            model=model.eval(),
            kind=data.kind,
            labels=data.labels,
            config=config,
            scores=judge(data.kind, examples, guessed, data.labels, generator=generator),
            guesses=guessed,
            n_trainable=self.n_trainable,
            n_parameters=sum(p.numel() for p in model.parameters()),
            seconds=self.encoding + run.seconds,
            run=run,
        )


def feature_store(model: TaskModel, tokenizer: Tokenizer, config: FineTuneConfig) -> FeatureStore:
    """A store for ``finetune(..., features=...)`` on this model's encoder.

    It has the configuration's pooling and precision.
    """
    device = next(model.encoder.parameters()).device
    precision = hardware.precision(device) if config.precision == "auto" else config.precision
    return FeatureStore(model, pad_id=tokenizer.pad_id, precision=precision)
