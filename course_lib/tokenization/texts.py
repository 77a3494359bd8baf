"""What may come in as text, checked before the work: whole Unicode strings, one for each document.

Two faults are common in other people's text, and neither shows by itself. One string given in place
of a list is an iterable of strings too, of one character each. And a string can hold *half a
character*: UTF-16 writes an emoji as two surrogates, and what cuts between them (a limit of length,
broken JSON, a PDF) leaves one, which is no Unicode and can't be written as UTF-8.

Cost: about 1 ms for a million characters that are not ASCII; ASCII text costs nothing.

>>> check_text("fine", "text")
>>> list(checked_texts(iter(["one", "two"])))
['one', 'two']
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol


class Numbered(Protocol):
    """A data set of numbered texts, which has no ``__iter__`` and can be iterated all the same."""

    def __getitem__(self, i: int, /) -> str:
        """The text with this number; IndexError after the last."""
        ...


def check_text(text: Any, name: str) -> None:
    """Raises TypeError if ``text`` is not a string, ValueError if it holds half a character.

    name: what the caller knows it as, for the message: ``"text"``, ``"texts[3]"``.
    """
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str, got {type(text).__name__}: {_short(text)}")
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} holds half a character, the surrogate U+{ord(text[error.start]):04X} at place "
            f"{error.start}, as a cut in the middle of an emoji leaves it: pass "
            "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace'), which joins "
            "halves that belong together and puts U+FFFD for the others"
        ) from None


def checked_texts(texts: Iterable[str] | Numbered, name: str = "texts") -> Iterator[str]:
    """The texts one after the other, each checked; of a list or tuple, all before the first.

    Raises TypeError, at once, if ``texts`` is one string, a mapping or no iterable; for an item as
    ``check_text``, with its number.
    """
    if isinstance(texts, (str, bytes)):
        kind = type(texts).__name__
        raise TypeError(f"{name} must be an iterable of str, got one {kind}; write [text]")
    if isinstance(texts, Mapping) or not _is_iterable(texts):
        raise TypeError(
            f"{name} must be an iterable of str, got {type(texts).__name__}: pass the texts alone, "
            "such as corpus.texts('train') or list(texts.values())"
        )
    if isinstance(texts, (list, tuple)):
        for i, text in enumerate(texts):
            check_text(text, f"{name}[{i}]")
        return iter(texts)
    return _each(iter(texts), name)


def _is_iterable(value: Any) -> bool:
    # a data set may have numbered items and no more
    return hasattr(value, "__iter__") or hasattr(value, "__getitem__")


def _each(texts: Iterable[str], name: str) -> Iterator[str]:
    for i, text in enumerate(texts):
        check_text(text, f"{name}[{i}]")
        yield text


def _short(value: Any, most: int = 60) -> str:
    shown = repr(value)
    return shown if len(shown) <= most else shown[: most - 3] + "..."
