"""Shared fixtures: a small language with structure, its tokenizer, and its text on disk."""

import os

# the suite runs two processes; threads of one would fight the other's
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
import torch
from small_language import small_language

from course_lib.batches import TokenArray, encode_corpus
from course_lib.encoder import EncoderConfig, MaskedLanguageModel
from course_lib.tokenization import Tokenizer, train_tokenizer


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return small_language(400, seed=1)


@pytest.fixture(scope="session")
def tokenizer(texts) -> Tokenizer:
    return train_tokenizer(texts, vocab_size=90)


@pytest.fixture(scope="session")
def tokens(texts, tokenizer, tmp_path_factory) -> TokenArray:
    path = tmp_path_factory.mktemp("encoded") / "train"
    return encode_corpus(texts, tokenizer, path, fingerprint="small", progress=False)


@pytest.fixture(scope="session")
def held_out(tokenizer, tmp_path_factory) -> TokenArray:
    path = tmp_path_factory.mktemp("encoded") / "validation"
    return encode_corpus(small_language(60, seed=2), tokenizer, path, progress=False)


@pytest.fixture
def small_model(tokenizer) -> MaskedLanguageModel:
    torch.manual_seed(0)
    config = EncoderConfig.modern(
        vocab_size=tokenizer.vocab_size, n_layers=1, d_model=32, n_heads=2, max_len=64
    )
    return MaskedLanguageModel(config)
