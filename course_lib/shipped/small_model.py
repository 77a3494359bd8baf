"""The small masked language model that comes with the course, and how it is made again.

    python -m course_lib.shipped small-model runs/small

trains it, resumes if it was interrupted, and writes ``runs/small/shipped``.

Pre-trained from scratch on the embedded English text (Wikipedia, cloud documentation, films).
Chapters that need a masked language model of one's own making start from it, so that nobody waits
for it. Its card, ``CARD.md`` beside the weights, tells what it is, how good it is and what it must
not be used for.

Cost: loading 5 MB. Making it: about forty minutes of one CPU core.

>>> model, tokenizer = load_small_model()
>>> sum(p.numel() for p in model.parameters()) < 2_000_000
True
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from course_lib.encoder import MaskedLanguageModel
from course_lib.pretraining import PretrainConfig, pretrain
from course_lib.tokenization import Tokenizer
from course_lib.training import load_model, save_model

FOLDER = Path(__file__).parent / "english-small"
RECIPE = PretrainConfig(
    corpus="english",
    seconds=None,
    steps=6000,
    n_layers=4,
    seq_len=128,
    batch_size=16,
    precision="bf16",
    evaluate_every=250,
    checkpoint_seconds=60.0,
)
"""How the shipped model was trained."""


def load_small_model() -> tuple[MaskedLanguageModel, Tokenizer]:
    """The shipped model, in evaluation mode, and its tokenizer."""
    return load_model(FOLDER)


def curve(run: Path) -> list[dict]:
    """The held-out losses of a run, as they were logged."""
    records = map(json.loads, (run / "metrics.jsonl").read_text("utf-8").splitlines())
    return [
        {"step": r["step"], "nll": round(r["validation_nll"], 4)}
        for r in records
        if "validation_nll" in r
    ]


def export(run: Path, folder: Path) -> None:
    """Write what is shipped of a finished run.

    That is weights, tokenizer, and ``result.json`` with the curve.
    """
    shutil.rmtree(folder, ignore_errors=True)
    save_model(folder, *load_model(run))
    result = json.loads((run / "result.json").read_text("utf-8"))
    (folder / "result.json").write_text(
        json.dumps(result | {"curve": curve(run)}, indent=1) + "\n", "utf-8"
    )


def main(arguments: list[str] | None = None) -> None:
    """Train the recipe in a folder, or go on with what is there, and export it."""
    summary = str(__doc__).partition("\n")[0]
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.shipped small-model", description=summary
    )
    parser.add_argument("out", type=Path, help="folder of the run; the export is in OUT/shipped")
    out = parser.parse_args(arguments).out
    result = pretrain(RECIPE, out, resume=True)
    export(out, out / "shipped")
    print(
        f"held out {result['validation_nll']:.3f} nats (unigram {result['unigram_nll']:.3f}): "
        f"{out / 'shipped'}"
    )


if __name__ == "__main__":
    main()
