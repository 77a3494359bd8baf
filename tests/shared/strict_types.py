"""What ``make strict`` checks annotations with: beartype, for which a whole number is a float too,
as in Python's own rules of typing (PEP 484).

Of a protocol, beartype can ask only whether its names are there. ``Self`` is left to ``make
types``: beartype knows it inside a decorated class only, and the import hook decorates functions.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, get_args, runtime_checkable

from beartype import BeartypeConf, beartype
from typing_extensions import Self, is_protocol

F = TypeVar("F", bound=Callable)

_beartype = beartype(conf=BeartypeConf(is_pep484_tower=True))


def parts(hint: Any) -> Iterator[Any]:
    """The hint and all that stand in its brackets."""
    yield hint
    for inner in get_args(hint):
        yield from parts(inner)


def check(function: F) -> F:
    """``function``, which refuses arguments and a result that are not what it says."""
    hints = function.__annotations__
    function.__annotations__ = {k: Any if hint is Self else hint for k, hint in hints.items()}
    for hint in hints.values():
        for protocol in filter(is_protocol, parts(hint)):
            runtime_checkable(protocol)
    return _beartype(function)
