"""Tokenizers as other libraries make them, trained or written down here in no time."""

from __future__ import annotations

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def _framed(backend: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    backend.add_special_tokens(list(SPECIALS))
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        special_tokens=[(t, backend.token_to_id(t)) for t in ("<s>", "</s>")],
    )
    return backend


def byte_level(texts: list[str], size: int = 400) -> tokenizers.Tokenizer:
    """As RoBERTa's: BPE on bytes, no space put before the text."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    return _framed(backend)


def sentencepiece(pieces: list[str]) -> tokenizers.Tokenizer:
    """As XLM-R's: Unigram with a marker for spaces, and the specials among the pieces."""
    scored = [(token, 0.0) for token in SPECIALS] + [(p, -len(p) - 1.0) for p in pieces]
    backend = tokenizers.Tokenizer(models.Unigram(scored, unk_id=SPECIALS.index("<unk>")))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    return _framed(backend)


def whole_words(words: list[str]) -> tokenizers.Tokenizer:
    """A number for each word between spaces, and the specials among the words."""
    vocabulary = {word: i for i, word in enumerate([*SPECIALS, *words])}
    backend = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return _framed(backend)
