"""The errors themselves."""

from __future__ import annotations

import errno
import os

import pytest

from course_lib.data import (
    CacheError,
    DamagedArchive,
    DataError,
    FetchError,
    MissingExtra,
    UnknownName,
)
from course_lib.data.errors import unknown, writing


@pytest.mark.parametrize(
    ("error", "parent"),
    [
        (UnknownName, ValueError),
        (FetchError, OSError),
        (DamagedArchive, ValueError),
        (CacheError, OSError),
        (MissingExtra, ImportError),
    ],
)
def test_each_is_a_data_error_and_a_usual_one(error, parent):
    assert issubclass(error, DataError) and issubclass(error, parent)
    assert str(error("what and remedy")) == "what and remedy"


def test_unknown_without_a_near_name():
    assert str(unknown("corpus", "zzz", ["b", "a"])) == "unknown corpus 'zzz'. Known: a, b"
    assert "None" in str(unknown("corpus", None, ["a"]))


@pytest.mark.parametrize(
    ("code", "word"),
    [(errno.ENOSPC, "full"), (errno.EROFS, "writable"), (errno.ENOTDIR, "writable")],
)
def test_writing_translates(tmp_path, code, word):
    with pytest.raises(CacheError, match=word) as caught, writing(tmp_path):
        raise OSError(code, os.strerror(code))
    assert caught.value.__cause__.errno == code


def test_writing_lets_the_rest_pass(tmp_path):
    for error in (OSError(errno.EIO, "io"), FetchError("x"), KeyError("y")):
        with pytest.raises(type(error)) as caught, writing(tmp_path):
            raise error
        assert caught.value is error
