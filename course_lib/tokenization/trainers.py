"""The three trainers of ``tokenizers`` over the same words, made repeatable.

``tokenization.train_tokenizer`` calls them.

Text -> normalizer (Unicode form, case, accents) -> words (white space, punctuation, Chinese
characters) -> model.

``tokenizers`` keeps words and characters in tables whose order changes from process to process, and
so its WordPiece and Unigram trainers do not give the same vocabulary twice. Here the alphabet is
chosen and numbered beforehand, and Unigram's scores are rounded and sorted afterwards: the same
texts give the same tokenizer, on any number of cores.

Cost: one pass in Python that counts characters (about 20 MB/s), then the library's own training on
all cores.

>>> how = dict(lowercase=True, unicode_form="NFC", coverage=1.0)
>>> backend = learn(["low lower lowest"], 40, "wordpiece", **how)
>>> backend.encode("lower").tokens
['[CLS]', 'lower', '[SEP]']
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import cast

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from .normalizers import MARKS, UnicodeForm, make_normalizer, marks_in

KINDS = ("wordpiece", "bpe", "unigram")
# characters up to which WordPiece cuts a word, and from texts that have longer ones; beyond: [UNK]
LONG_WORD, LONGEST_WORD = 100, 1_000
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # their ids are 0 .. 4


def learn(
    texts: list[str],
    vocab_size: int,
    kind: str,
    *,
    lowercase: bool,
    unicode_form: str,
    coverage: float,
    progress: bool = False,
) -> tokenizers.Tokenizer:
    """A trained ``tokenizers.Tokenizer``; arguments and errors as in ``train_tokenizer``."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage must be in (0, 1], got {coverage}")
    backend = _assemble(kind, make_normalizer(lowercase, unicode_form))
    if not any(text.strip() for text in texts):
        raise ValueError(
            "texts hold no character to learn from; give at least one text that is not empty"
        )
    if kind == "bpe":
        backend.normalizer = make_normalizer(lowercase, unicode_form, marks_in(texts))
        return _finish(_train_bpe(backend, texts, vocab_size, progress))
    # make_normalizer has refused any other form
    form = cast(UnicodeForm, unicode_form)
    texts, alphabet = _limit_alphabet(texts, backend.normalizer, form, coverage)
    backend.normalizer = make_normalizer(lowercase, unicode_form, alphabet.marks)
    train = _train_wordpiece if kind == "wordpiece" else _train_unigram
    return _finish(train(backend, texts, vocab_size, alphabet, progress))


def _assemble(kind: str, normalizer: normalizers.Normalizer) -> tokenizers.Tokenizer:
    """An untrained tokenizer: the same words for all kinds, then marker, model and decoder."""
    unk = SPECIAL_TOKENS[1]
    words = pre_tokenizers.BertPreTokenizer()
    if kind == "wordpiece":
        model, marker = models.WordPiece(unk_token=unk), []
        decoder = decoders.WordPiece(cleanup=True)
    elif kind == "bpe":
        model = models.BPE()
        marker = [pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)]
        decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    else:
        model = models.Unigram()
        marker = [pre_tokenizers.Metaspace(prepend_scheme="always", split=False)]
        decoder = decoders.Metaspace(prepend_scheme="always", split=False)
    backend = tokenizers.Tokenizer(model)
    backend.normalizer, backend.decoder = normalizer, decoder
    backend.pre_tokenizer = pre_tokenizers.Sequence([words, *marker])
    return backend


def _post_processor() -> processors.PostProcessor:
    cls, sep = (SPECIAL_TOKENS.index(token) for token in ("[CLS]", "[SEP]"))
    return processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", cls), ("[SEP]", sep)],
    )


@dataclass(frozen=True)
class _Alphabet:
    """The characters that are kept, after normalisation, with their counts.

    alone: those that are always words by themselves: punctuation and Chinese characters.
    inner: the others.
    source: what each character of the texts as given becomes.
    """

    counts: dict[str, int]
    alone: frozenset[str]
    source: dict[str, str]

    @property
    def marks(self) -> str:
        return "".join(c for c in MARKS if c in self.counts)

    @property
    def inner(self) -> list[str]:
        return sorted(set(self.counts) - self.alone)

    def blank(self, texts: list[str], chars: frozenset[str] = frozenset()) -> list[str]:
        """The texts with spaces where a character is not kept, or is among ``chars``."""
        keep = set(self.counts) - chars
        unkept = (c for c, normal in self.source.items() if not set(normal) <= keep)
        unwanted = "".join(map(re.escape, unkept))
        return [re.sub(f"[{unwanted}]", " ", text) for text in texts] if unwanted else texts


def _limit_alphabet(
    texts: list[str], normalizer: normalizers.Normalizer, form: UnicodeForm, coverage: float
) -> tuple[list[str], _Alphabet]:
    """The texts without their rare characters, and the alphabet that is left."""
    texts = [unicodedata.normalize(form, text) for text in texts]
    raw: Counter[str] = Counter()
    for text in texts:
        raw.update(text)
    source = {c: normalizer.normalize_str(c).replace(" ", "") for c in raw}
    counts: Counter[str] = Counter()
    for c, n in raw.items():
        for normal in source[c]:
            counts[normal] += n
    kept, seen = {}, 0
    for c, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if seen >= coverage * counts.total():
            break
        kept[c] = n
        seen += n
    # marks of spelling stay if they are no rarer than the rarest character
    marks = {c: raw[c] for c in MARKS if raw[c] >= max(1, min(kept.values(), default=1))}
    kept |= marks
    source |= {c: c for c in marks}
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    alone = frozenset(c for c in kept if len(split(normalizer.normalize_str(f"a{c}a"))) > 1)
    alphabet = _Alphabet(kept, alone, source)
    return alphabet.blank(texts), alphabet


def _check_size(vocab_size: int, items: int) -> None:
    need = len(SPECIAL_TOKENS) + items
    if vocab_size < need:
        raise ValueError(
            f"vocab_size={vocab_size} cannot hold {len(SPECIAL_TOKENS)} special tokens and an "
            f"alphabet of {items}; use at least {need}, or (not for bpe) a smaller coverage"
        )


def _train_bpe(
    backend: tokenizers.Tokenizer, texts: list[str], vocab_size: int, progress: bool
) -> dict:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    _check_size(vocab_size, len(alphabet))
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=alphabet,
        show_progress=progress,
    )
    backend.train_from_iterator(texts, trainer, length=len(texts))
    return json.loads(backend.to_str())


def _train_wordpiece(
    backend: tokenizers.Tokenizer,
    texts: list[str],
    vocab_size: int,
    alphabet: _Alphabet,
    progress: bool,
) -> dict:
    """WordPiece, by the library.

    The characters are numbered beforehand, by the list of special tokens: the library's order is
    random.
    """
    characters = [*sorted(alphabet.counts), *("##" + c for c in alphabet.inner)]
    _check_size(vocab_size, len(characters))
    first = [*SPECIAL_TOKENS, *characters]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, special_tokens=first, show_progress=progress
    )
    backend.train_from_iterator(texts, trainer, length=len(texts))
    state = json.loads(backend.to_str())
    if _has_long_words(texts, backend):
        state["model"]["max_input_chars_per_word"] = LONGEST_WORD
    return state


def _has_long_words(texts: list[str], backend: tokenizers.Tokenizer) -> bool:
    # normalisation may write three characters for one
    runs = re.compile(rf"\S{{{LONG_WORD // 3 + 1},}}")
    normalise, split = backend.normalizer.normalize_str, backend.pre_tokenizer.pre_tokenize_str
    found = (normalise(run) for text in texts for run in runs.findall(text))
    return any(len(word) > LONG_WORD for run in found for word, _ in split(run))


def _train_unigram(
    backend: tokenizers.Tokenizer,
    texts: list[str],
    vocab_size: int,
    alphabet: _Alphabet,
    progress: bool,
) -> dict:
    """Unigram, by the library.

    Characters that are words by themselves get their item ready made, marker included, and are not
    trained on.
    """
    total = sum(alphabet.counts.values())
    alone = [["▁" + c, math.log(alphabet.counts[c] / total)] for c in alphabet.alone]
    # One for the marker; and the library overshoots unless one longer piece has room.
    _check_size(vocab_size, len(alphabet.counts) + 1 + bool(alphabet.inner))
    pieces = [["▁", 0.0]]
    if alphabet.inner:
        trainer = trainers.UnigramTrainer(
            vocab_size=vocab_size - len(alone),
            special_tokens=list(SPECIAL_TOKENS),
            unk_token="[UNK]",
            show_progress=progress,
        )
        texts = alphabet.blank(texts, alphabet.alone)
        backend.train_from_iterator(texts, trainer, length=len(texts))
        pieces = json.loads(backend.to_str())["model"]["vocab"][len(SPECIAL_TOKENS) :]
    state = json.loads(backend.to_str())
    specials = [[token, 0.0] for token in SPECIAL_TOKENS]
    state["model"]["vocab"] = specials + _canonical(pieces, len(alphabet.inner) + 1, alone)
    state["model"]["unk_id"] = SPECIAL_TOKENS.index("[UNK]")
    return state


def _canonical(pieces: list[list], n_characters: int, alone: list[list]) -> list[list]:
    """Unigram's pieces without the traces of the order in which the library visited the text.

    Scores are rounded to 1e-4 nats. The characters that no piece of the text needed are given
    scores by the library in steps of 1e-4 from the lowest upwards, in random order: here they all
    get the lowest.
    """
    lowest = min(score for _, score in pieces)
    ladder = lowest + 1e-4 * (n_characters + 1)
    level = [[p, lowest if len(p) == 1 and score < ladder else score] for p, score in pieces]
    rounded = [[piece, round(score, 4)] for piece, score in level + alone]
    return sorted(rounded, key=lambda item: (-item[1], item[0]))


def _finish(state: dict) -> tokenizers.Tokenizer:
    """The trained state with the five specials as specials.

    The alphabet, which WordPiece's trainer got as specials, is none.
    """
    trained = tokenizers.Tokenizer.from_str(json.dumps(state | {"added_tokens": []}))
    trained.add_special_tokens(list(SPECIAL_TOKENS))
    trained.post_processor = _post_processor()
    return trained
