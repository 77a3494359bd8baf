"""What comes in as text: one string for a list, what is no string, half a character."""

import pytest

from course_lib.tokenization import train_tokenizer
from course_lib.tokenization.texts import check_text, checked_texts

HALF = "the cat \ud83d sat"


def test_the_remedy_that_the_message_names_works():
    with pytest.raises(ValueError, match="U[+]D83D at place 8") as raised:
        check_text(HALF, "text")
    call = str(raised.value).split("pass text")[1].split(", which")[0]
    for broken, mended in ((HALF, "the cat \ufffd sat"), ("\ud83d\ude00", "😀")):
        assert eval("broken" + call, {"broken": broken}) == mended


@pytest.mark.parametrize("text", ["", "plain", "é 北京 😀 \u200d \ue000 \U0010ffff \x00"])
def test_every_unicode_string_is_a_text(text):
    check_text(text, "text")
    assert list(checked_texts([text])) == [text]


@pytest.mark.parametrize("half", ["\ud800", "\udc00 x", "x\udfff", "\ude00\ud83d"])
def test_any_lone_surrogate_is_refused_as_a_value_and_not_as_a_codec_error(half):
    with pytest.raises(ValueError, match=r"texts\[1\] holds half a character") as raised:
        checked_texts(["fine", half])
    assert type(raised.value) is ValueError and raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ("one text", r"got one str; write \[text\]"),
        (b"one text", r"got one bytes; write \[text\]"),
        ({"a": "text"}, r"got dict.*list\(texts.values\(\)\)"),
        (None, r"got NoneType.*corpus.texts\('train'\)"),
        (7, "got int"),
        (["a", None], r"texts\[1\] must be a str, got NoneType: None"),
        (("a", "b", b"c"), r"texts\[2\] must be a str, got bytes: b'c'"),
        ([["a"] * 90], r"texts\[0\] must be a str, got list: \['a',.*\.\.\.$"),
    ],
)
@pytest.mark.not_strict("wrong types")
def test_what_is_no_list_of_texts_is_refused_at_once(texts, says):
    with pytest.raises(TypeError, match=says):
        checked_texts(texts)


def test_of_an_iterator_each_is_checked_when_it_comes():
    texts = checked_texts(x for x in ("one", None))
    assert next(texts) == "one"
    with pytest.raises(TypeError, match=r"texts\[1\] must be a str"):
        next(texts)


def test_every_way_into_the_tokenizer_refuses_half_a_character(tokenizer):
    calls = {
        "text": lambda: tokenizer.encode(HALF),
        "token": lambda: tokenizer.id(HALF),
        r"texts\[1\]": lambda: tokenizer.encode_batch(["fine", HALF]),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=f"{name} holds half a character"):
            call()
    for kind in ("wordpiece", "bpe", "unigram"):
        with pytest.raises(ValueError, match=r"texts\[1\] holds half a character"):
            train_tokenizer(["fine", HALF], 300, kind)


def test_a_data_set_of_numbered_items_is_a_list_of_texts():
    class Numbered:
        def __getitem__(self, i):
            return ["one", "two"][i]

    assert list(checked_texts(Numbered())) == ["one", "two"]
