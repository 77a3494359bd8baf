"""Fine-tuning once a seed: how much of a score is chance.

A seed draws the head's first weights, dropout, the order, and which labels are used. Cost: one run
a seed; a frozen encoder encodes each text once for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from course_lib.evaluation import Interval, seed_interval
from course_lib.tokenization import Tokenizer

from .config import DEFAULT, FineTuneConfig
from .kinds import KINDS
from .rows import kind_of
from .tuning import AnyTask, FineTuned, build_model, feature_store, finetune, labels_of


@dataclass(frozen=True)
class SeedRuns:
    """Several runs that differ in their seed alone."""

    runs: tuple[FineTuned, ...]

    @property
    def scores(self) -> list[float]:
        """The quoted score of each run."""
        return [run.score.estimate for run in self.runs]

    @property
    def interval(self) -> Interval:
        """Mean over the seeds, with Student's interval for it."""
        return seed_interval(self.scores)

    def __str__(self) -> str:
        name = KINDS[self.runs[0].kind].quoted
        return f"{name} {self.interval} over {len(self.runs)} seeds"


def finetune_seeds(
    task: AnyTask,
    encoder: nn.Module,
    tokenizer: Tokenizer,
    config: FineTuneConfig = DEFAULT,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    keep_models: bool = False,
    **options: Any,
) -> SeedRuns:
    """``finetune`` once a seed; a frozen encoder encodes each text once for all of them.

    keep_models: the runs hold their models.  options: as for ``finetune``, without ``out`` and
    ``resume``. Raises ValueError for fewer than two seeds.
    """
    if len(seeds) < 2:
        raise ValueError(
            f"several seeds are needed to see how much chance does, got {list(seeds)}; else use "
            "finetune"
        )
    features = options.pop("features", None)
    runs = []
    for seed in seeds:
        own = replace(config, seed=seed)
        if config.tune == "head" and not options.get("adapt") and features is None:
            model = build_model(encoder, kind_of(task.train), len(labels_of(task)), own)
            features = feature_store(model, tokenizer, own)
        run = finetune(task, encoder, tokenizer, own, features=features, **options)
        runs.append(run if keep_models else replace(run, model=None))
    return SeedRuns(tuple(runs))
