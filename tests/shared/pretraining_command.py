"""The command ``pretrain`` on a few kilobytes, for tests that run it in processes of their own."""

SMALL = dict(
    seconds=None,
    steps=12,
    n_layers=1,
    d_model=32,
    n_heads=2,
    vocab_size=90,
    seq_len=16,
    batch_size=16,
    evaluate_every=6,
    validation_tokens=2000,
    checkpoint_every=5,
    lr=1e-2,
)
FLAGS = [f"--{k.replace('_', '-')}={v}" for k, v in SMALL.items() if v is not None]

SCRIPT = """
import sys; sys.path.insert(0, sys.argv[1])
from small_language import small_language
from course_lib import data
from course_lib.__main__ import main
from course_lib.data import Corpus, Document
sizes = ((300, 1), (60, 2), (60, 3))
parts = [tuple(Document.of(t, "test") for t in small_language(n, s)) for n, s in sizes]
data.load_corpus = lambda name, **_: Corpus("small", "none", *parts)
sys.exit(main(sys.argv[2:]))
"""
