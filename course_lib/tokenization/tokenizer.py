"""Tokenizers: text in, numbers out, and the way back to the characters.

Three models of subword tokenization over the Rust library ``tokenizers``, trained on the same
words:

``wordpiece``  Schuster & Nakajima 2012, as in BERT: greedy longest match; ``##`` marks what
               continues a word.
``bpe``        Sennrich et al. 2016 on bytes, as in GPT-2 and RoBERTa: merges in the order learnt;
               ``Ġ`` marks a word's start; no text is unknown.
``unigram``    Kudo 2018, as in ALBERT and T5: the most probable segmentation; ``▁`` marks a word's
               start.

A *word* is what BERT's pre-tokenizer calls one: a run between white space, each punctuation mark by
itself, each Chinese character by itself. The three kinds differ in their model only, so they can be
compared, and in all three one can see from a vocabulary item alone whether it starts a word
(whole-word masking needs that).

What it costs: training reads the texts twice (once to count characters, once to learn) and keeps
them in memory; encoding runs on all cores. What is lost: space around punctuation, what is not seen
(control characters, soft hyphens, zero-width spaces) and characters of private use, and case and
accents when ``lowercase`` is set; the joiners of Persian, Indic scripts and emoji stay where the
texts have them (``normalizers``). WordPiece takes time that grows with the cube of a word's length:
one of more than 100 characters is [UNK], or of more than 1 000 where the texts trained on have
longer words than 100. The offsets lead back to the text as it was given.

>>> tokenizer = train_tokenizer(["low lower lowest", "new newer newest"], vocab_size=40)
>>> encoding = tokenizer.encode("Newest low")
>>> encoding.tokens
['[CLS]', 'newest', 'low', '[SEP]']
>>> [("Newest low"[start:stop]) for start, stop in encoding.offsets]
['', 'Newest', 'low', '']
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tokenizers
import torch
from jaxtyping import Bool
from torch import Tensor

from . import storage
from .special_tokens import ROLES, find_roles
from .texts import check_text, checked_texts
from .trainers import learn
from .word_boundaries import boundaries

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class Encoding:
    """One text as tokens; the four lists have equal length.

    ids: vocabulary indices.
    tokens: the vocabulary items themselves, with their markers (``##ing``, ``Ġthe``, ``▁the``).
    offsets: ``text[start:stop]`` is what the token was made from; ``(0, 0)`` for specials that were
        added.
    word_starts: True where a word begins, as masking sees it; specials count as words of their own.
    """

    ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]
    word_starts: list[bool]

    def __len__(self) -> int:
        return len(self.ids)


class Tokenizer:
    """A trained tokenizer with its five special tokens known by role.

    It is thin over ``tokenizers.Tokenizer``.

    backend: the Rust tokenizer; it is copied, so that a change from outside cannot reach this one.
    roles: the text of the special tokens by role:
        ``{"pad": "[PAD]", "unk": ..., "cls": ..., "sep": ..., "mask": ...}``; left out, the usual
        names ([PAD] or <pad>, ...) are looked for.

    Attributes: ``vocab_size``; ``pad_id unk_id cls_id sep_id mask_id``; ``special_ids`` (sorted
    tuple); ``special_mask`` (v,) True for special ids; ``word_start_mask`` (v,) True where the item
    starts a word, specials included; ``word_end_mask`` (v,) True where it ends one whatever
    follows, specials included (``word_boundaries`` says which items do); ``kind``; ``fingerprint``
    (sha256 of all that decides how text is encoded).

    Raises ValueError if a role has no token (a GPT-2 tokenizer has no mask token, for instance).
    """

    def __init__(self, backend: tokenizers.Tokenizer, roles: dict[str, str] | None = None) -> None:
        self._backend = tokenizers.Tokenizer.from_str(backend.to_str())
        self._backend.no_truncation()
        self._backend.no_padding()
        self._roles = find_roles(self._backend, roles)
        vocabulary = self._backend.get_vocab(with_added_tokens=True)
        ids = [vocabulary[self._roles[role]] for role in ROLES]
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = ids
        added = self._backend.get_added_tokens_decoder().items()
        special = {i for i, token in added if token.special} | set(ids)
        self.special_ids: tuple[int, ...] = tuple(sorted(special))
        self._reserved = special - {self.unk_id}
        self._matches_typed = self._finds_typed_specials()
        self.vocab_size: int = max(vocabulary.values()) + 1
        self.special_mask: Bool[Tensor, " v"] = torch.zeros(self.vocab_size, dtype=torch.bool)
        self.special_mask[list(self.special_ids)] = True
        self._state = json.loads(self._backend.to_str())
        self.word_start_mask: Bool[Tensor, " v"] = self.special_mask.clone()
        self.word_end_mask: Bool[Tensor, " v"] = self.special_mask.clone()
        edges = boundaries(vocabulary, self._state)
        for i, (starts, ends) in zip(vocabulary.values(), edges, strict=True):
            self.word_start_mask[i] |= starts
            self.word_end_mask[i] |= ends

    @property
    def kind(self) -> str:
        """``wordpiece``, ``bpe``, ``unigram`` (or ``wordlevel`` for one from elsewhere)."""
        return self._state["model"]["type"].lower()

    @property
    def backend(self) -> tokenizers.Tokenizer:
        """A copy of the Rust tokenizer, for what this class does not offer."""
        return tokenizers.Tokenizer.from_str(self._backend.to_str())

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the serialised tokenizer: equal for equal ones, on any machine."""
        whole = json.dumps([self._state, self._roles], sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(whole.encode()).hexdigest()

    def encode(
        self, text: str, *, add_special: bool = True, parse_special: bool = True
    ) -> Encoding:
        """``text`` as tokens; with ``add_special`` as ``[CLS] text [SEP]``.

        parse_special: whether ``[MASK]`` written in the text means the special token (True, as
            libraries have it) or six characters (False: right for text that you did not write
            yourself; where a tokenizer from elsewhere has no other item for them, [UNK]).
        Raises TypeError if ``text`` is not a string, ValueError if it holds half a character (a
        lone surrogate).
        """
        if not isinstance(text, str):
            raise TypeError(
                f"text must be a str, got {type(text).__name__}; for several texts use encode_batch"
            )
        check_text(text, "text")
        self._backend.encode_special_tokens = not parse_special
        raw = self._backend.encode(text, add_special_tokens=add_special)
        ids = self._ids(raw, parse_special)
        starts = self._word_starts(ids)
        unknown = self._roles["unk"]  # Unigram's library would name the text that is unknown
        pairs = zip(ids, raw.tokens, strict=True)
        tokens = [unknown if i == self.unk_id else token for i, token in pairs]
        return Encoding(ids, tokens, raw.offsets, starts)

    def encode_batch(
        self, texts: Sequence[str], *, add_special: bool = True, parse_special: bool = True
    ) -> list[list[int]]:
        """The ids of many texts, on all cores. Parameters and errors as in ``encode``."""
        texts = list(checked_texts(texts))
        self._backend.encode_special_tokens = not parse_special
        encoded = self._backend.encode_batch_fast(texts, add_special_tokens=add_special)
        return [self._ids(raw, parse_special) for raw in encoded]

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        """The text of ``ids``, as near as the tokenizer can.

        What normalisation took away does not come back.
        """
        return self._backend.decode([int(i) for i in ids], skip_special_tokens=skip_special)

    def token(self, id: int) -> str:
        """The vocabulary item with this number. Raises ValueError outside the vocabulary."""
        token = self._backend.id_to_token(id) if 0 <= id < self.vocab_size else None
        if token is None:
            raise ValueError(
                f"id must be in 0 .. {self.vocab_size - 1}, got {id}; was it made by another "
                "tokenizer?"
            )
        return token

    def id(self, token: str) -> int:
        """The number of a vocabulary item. Raises ValueError if there is none."""
        check_text(token, "token")
        found = self._backend.token_to_id(token)
        if found is None:
            raise ValueError(
                f"{token!r} is not in the vocabulary; encode(text) splits it into items that are"
            )
        return found

    def save(self, path: str | os.PathLike) -> None:
        """Write a directory that ``AutoTokenizer.from_pretrained`` loads.

        If ``path`` ends in .json, write one file.
        """
        storage.write_tokenizer(path, self._state, self._roles)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Tokenizer:
        """Read what ``save`` wrote, or any directory or file with a ``tokenizer.json``.

        Raises ValueError if it is missing or damaged.
        """
        return cls(*storage.read_tokenizer(path))

    @classmethod
    def from_transformers(cls, source: Any) -> Tokenizer:
        """Wrap a ``transformers`` tokenizer: the object, a directory, or a name on the hub.

        Raises ValueError if the name is not to be had (no network, no such model) or the tokenizer
        is not a fast one.
        """
        return cls(*storage.from_transformers(source))

    def to_transformers(self) -> PreTrainedTokenizerFast:
        """The same tokenizer as ``transformers`` has it. Needs the package ``transformers``."""
        return storage.to_transformers(self.backend, self._roles)

    def _word_starts(self, ids: list[int]) -> list[bool]:
        if not ids:
            return []
        starts = self.word_start_mask[ids]
        starts[0] = True
        starts[1:] |= self.word_end_mask[ids[:-1]]
        return starts.tolist()

    def _finds_typed_specials(self) -> bool:
        """Whether the model itself takes a typed special for the item, where it is to be text.

        A model whose words may hold its own marks does, such as SentencePiece's: ``<s>`` is an item
        of its vocabulary as any other.
        """
        self._backend.encode_special_tokens = True
        names = (self._backend.id_to_token(i) for i in self.special_ids)
        found = (self._backend.encode(name, add_special_tokens=False).ids for name in names)
        return not self._reserved.isdisjoint(i for ids in found for i in ids)

    def _ids(self, raw: tokenizers.Encoding, parse_special: bool) -> list[int]:
        """The ids; [UNK] for a special token that was typed and not parsed."""
        if parse_special or not self._matches_typed:
            return raw.ids
        added = raw.special_tokens_mask
        typed = [i in self._reserved and not a for i, a in zip(raw.ids, added, strict=True)]
        return [self.unk_id if t else i for i, t in zip(raw.ids, typed, strict=True)]

    def __repr__(self) -> str:
        mark = self.fingerprint[:8]
        return f"Tokenizer(kind={self.kind!r}, vocab_size={self.vocab_size}, fingerprint={mark!r})"


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int,
    kind: str = "wordpiece",
    *,
    lowercase: bool = True,
    unicode_form: str = "NFC",
    coverage: float = 0.9999,
    progress: bool = False,
) -> Tokenizer:
    """Learn a vocabulary of ``vocab_size`` items; the same texts give the same tokenizer.

    texts: documents. They are held in memory; of a corpus larger than that, give a sample.
    vocab_size: items, the five specials included. A small text may offer fewer; the result then has
        fewer.
    kind: ``wordpiece``, ``bpe`` (on bytes) or ``unigram``.
    lowercase: fold case and strip accents, as BERT's "uncased" vocabularies do.
    unicode_form: ``NFC``, ``NFKC``, ``NFD`` or ``NFKD``: applied first, so that two spellings of é
        become one.
    coverage: share of the text's characters that the alphabet must cover, the frequent ones first;
        rarer characters become [UNK]. ``bpe`` needs no such choice: its alphabet is the 256 bytes.
    progress: show the library's progress bars.

    Raises TypeError if ``texts`` is one string or holds what is none, ValueError if there is no
    text, one holds half a character (a lone surrogate), the kind is unknown or ``vocab_size``
    cannot hold the specials and the alphabet.
    """
    backend = learn(
        list(checked_texts(texts)),
        vocab_size,
        kind,
        lowercase=lowercase,
        unicode_form=unicode_form,
        coverage=coverage,
        progress=progress,
    )
    return Tokenizer(backend)
