"""What does a fine-tuning rate, from 3e-5 to 3e-3, cost in things that the encoder forgets?

MiniLM is tuned on the sentiment of film reviews. Before and after, it is asked for something that
it could do already and that the new task never mentions: given the first half of a Wikipedia
paragraph, find the second half among all the others (nearest mean vector by cosine). The share it
finds is what it remembers. Beside it stand the encoder as it came, an encoder of the same shape
that was never trained, bags of words (TF-IDF), and chance. The task's own accuracy stands beside
the majority class, and beside a head on the frozen encoder, which forgets nothing by construction
and gets as many steps. Everything runs twice: with one epoch (40 steps), in which no example is
seen a second time, so that nothing can be overfitted, and with four. (The record also holds heads
with fifteen epochs, of an earlier run, and so far one seed of the runs of four.)

    python benchmarks/forgetting.py   # writes benchmarks/results/forgetting.json, fifteen minutes

Claim (Sun et al. 2019, arXiv:1905.05583, section 5.3.3, for BERT): a low rate such as 2e-5 is
needed to keep what pre-training taught; at 4e-4 the training does not converge.
Prediction, written before the first run (one epoch, more steps and longer rows): retrieval stays
within 5 points of the untouched encoder up to 1e-4, is below half of it at 1e-3, and near the
untrained encoder at 3e-3. Accuracy is best between 3e-5 and 3e-4, so it peaks where forgetting has
begun already; at 3e-3 it is the majority's.

No clock is used. The record is written after each run, and a run that stands in it is not made
again.
"""

from __future__ import annotations

import argparse
import copy
import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.feature_extraction.text import TfidfVectorizer

from course_lib import hardware
from course_lib.data import Example, load_corpus, load_task
from course_lib.encoder import Encoder
from course_lib.finetuning import FineTuneConfig, encode_examples, finetune
from course_lib.finetuning.heads import pool
from course_lib.finetuning.stream import sorted_batches
from course_lib.hardware import autocast
from course_lib.shipped import load_pretrained

RATES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3)
EPOCHS = (1, 4)
CONFIG = FineTuneConfig(epochs=1, batch_size=16, max_len=32, n_labels=640)
N_PARAGRAPHS, WORDS = 400, (40, 90)


def halves() -> tuple[list[str], list[str]]:
    """First and second halves of Wikipedia paragraphs, at most four an article, always the same."""
    first, second = [], []
    for document in load_corpus("wikipedia", progress=False).documents("train"):
        lines = [line.split() for line in document.text.splitlines()]
        for words in [line for line in lines if WORDS[0] <= len(line) <= WORDS[1]][:5]:
            first.append(" ".join(words[: len(words) // 2]))
            second.append(" ".join(words[len(words) // 2 :]))
    return first[:N_PARAGRAPHS], second[:N_PARAGRAPHS]


@torch.no_grad()
def vectors(encoder, tokenizer, texts: list[str]) -> torch.Tensor:
    """The mean vector of each text, of length 1, (n, d)."""
    rows = encode_examples([Example(text, 0, "") for text in texts], tokenizer, max_len=64)
    batches, place = sorted_batches(rows, pad_id=tokenizer.pad_id)
    found = []
    for batch in batches:
        with autocast(torch.device("cpu"), hardware.precision(torch.device("cpu"))):
            hidden = encoder(
                batch.input_ids, segment_ids=batch.segment_ids, position_ids=batch.position_ids
            )
        found.append(pool(hidden.float(), batch.segment_ids, "mean"))
    out = torch.empty(len(texts), found[0].shape[-1])
    out[place] = torch.cat(found).float()
    return F.normalize(out, dim=-1)


def found_share(a: torch.Tensor, b: torch.Tensor) -> float:
    """How many first halves have their own second half as nearest."""
    return float(((a @ b.T).argmax(-1) == torch.arange(len(a))).double().mean())


def memory(encoder, tokenizer, texts) -> dict:
    """Retrieval, and the pairwise cosines of the first halves (to compare with those before)."""
    encoder = encoder.eval()
    a, b = (vectors(encoder, tokenizer, side) for side in texts)
    upper = torch.triu_indices(len(a), len(a), 1)
    return {"retrieval": found_share(a, b), "cosines": (a @ a.T)[upper[0], upper[1]]}


def agreement(x: torch.Tensor, y: torch.Tensor) -> float:
    """Pearson's correlation of two lists of cosines."""
    return float(torch.corrcoef(torch.stack([x, y]).double())[0, 1])


def baselines(encoder, tokenizer, texts, task) -> dict:
    """What needs no fine-tuning: encoder as it came, untrained, bags of words, chance, majority."""
    torch.manual_seed(0)
    words = TfidfVectorizer().fit([*texts[0], *texts[1]])
    bags = [torch.from_numpy(words.transform(side).toarray()) for side in texts]
    labels = [example.label for example in task.test]
    return {
        "as it came": memory(encoder, tokenizer, texts)["retrieval"],
        "untrained": memory(Encoder(encoder.config), tokenizer, texts)["retrieval"],
        "bag of words": found_share(*bags),
        "chance": 1 / len(texts[0]),
        "majority": max(map(labels.count, set(labels))) / len(labels),
    }


def one_run(
    rate: float | str, epochs: int, seed: int, encoder, tokenizer, texts, task, before: torch.Tensor
) -> dict:
    """Tune a copy at this rate ("head": the frozen encoder's head alone), then ask again.

    before: the pairwise cosines of the encoder as it came.
    """
    # the head's rate is the one that finetune takes where only it is tuned
    options = dict(tune="head") if rate == "head" else dict(lr=rate)
    config = FineTuneConfig(**{**CONFIG.__dict__, **options, "epochs": epochs, "seed": seed})
    tuned = finetune(task, copy.deepcopy(encoder), tokenizer, config, progress=False)
    after = memory(tuned.model.encoder.cpu(), tokenizer, texts)
    losses = [record["loss"] for record in tuned.run.history if "loss" in record]
    return {
        "rate": rate,
        "epochs": epochs,
        "steps": tuned.run.steps,
        "seed": seed,
        "accuracy": tuned.scores["accuracy"].estimate,
        "retrieval": after["retrieval"],
        "agreement": agreement(before, after["cosines"]),
        "last_training_loss": losses[-1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "forgetting.json"
    )
    args = parser.parse_args()
    encoder, tokenizer = load_pretrained("minilm", progress=False)
    texts, task = halves(), load_task("film-reviews", progress=False)
    task = replace(task, test=task.test[::3])
    before = memory(encoder, tokenizer, texts)["cosines"]
    report = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {"runs": []}
    report |= {"paragraphs": len(texts[0]), "labels": CONFIG.n_labels, "test": len(task.test)}
    report |= {
        "baselines": baselines(encoder, tokenizer, texts, task),
        "hardware": hardware.describe(),
    }
    print(report["baselines"], flush=True)
    done = {(run["rate"], run["epochs"], run["seed"]) for run in report["runs"]}
    for seed, epochs, rate in product(range(args.seeds), EPOCHS, (*RATES, "head")):
        if (rate, epochs, seed) not in done:
            found = one_run(rate, epochs, seed, encoder, tokenizer, texts, task, before)
            print(found, flush=True)
            report["runs"].append(found)
            args.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
