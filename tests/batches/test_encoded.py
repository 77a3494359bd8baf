import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import encode_at_once
import numpy as np
import pytest

from course_lib.batches import TokenArray, encode_corpus, segments
from course_lib.batches import encoded as packing
from course_lib.tokenization import train_tokenizer


def test_the_array_is_the_documents_one_after_the_other(texts, tokenizer, tokens):
    want = [i for text in texts for i in tokenizer.encode(text).ids]
    assert tokens.tokens.tolist() == want
    assert tokens.tokens.dtype == np.uint16 and isinstance(tokens.tokens, np.memmap)
    assert tokens.n_documents == len(texts) == (np.asarray(tokens.tokens) == tokenizer.cls_id).sum()


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
def test_special_tokens_typed_in_a_text_are_text(kind, tmp_path):
    """A text on BERT: it stays one document, hides nothing and ends where it ends."""
    talk = "the token [CLS] starts a text , [MASK] hides a word and [SEP] ends it [PAD]"
    tokenizer = train_tokenizer([talk] * 20, 330, kind)
    array = encode_corpus([talk, talk], tokenizer, tmp_path / "a", progress=False)
    ids = array.tokens.tolist()
    assert array.n_documents == 2
    assert [ids.count(i) for i in range(5)] == [0, 0, 2, 2, 0]
    assert segments(np.array([ids]), tokenizer.cls_id)[0].max() == 2
    assert ids == 2 * tokenizer.encode(talk, parse_special=False).ids


def test_batches_of_any_size_give_the_same_array(texts, tokenizer, tokens, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "_batches", lambda t: ([x] for x in t))
    one_by_one = encode_corpus(iter(texts), tokenizer, tmp_path / "a", progress=False)
    assert np.array_equal(one_by_one.tokens, tokens.tokens)


def test_encoded_once_and_again_when_text_or_tokenizer_differ(texts, tokenizer, tmp_path):
    first = encode_corpus(texts, tokenizer, tmp_path / "a", fingerprint="one", progress=False)
    cached = encode_corpus(iter(()), tokenizer, tmp_path / "a", fingerprint="one", progress=False)
    assert np.array_equal(first.tokens, cached.tokens)
    again = encode_corpus(texts[:5], tokenizer, tmp_path / "a", fingerprint="two", progress=False)
    assert again.n_documents == 5


def test_failure_in_the_middle_leaves_the_old_array(texts, tokenizer, tmp_path):
    encode_corpus(texts, tokenizer, tmp_path / "a", fingerprint="one", progress=False)

    def broken():
        yield texts[0]
        raise RuntimeError("the source went away")

    with pytest.raises(RuntimeError, match="went away"):
        encode_corpus(broken(), tokenizer, tmp_path / "a", fingerprint="two", progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert len(TokenArray.open(tmp_path / "a")) == sum(len(tokenizer.encode(t).ids) for t in texts)


def test_empty_texts_are_passed_over_and_no_text_is_an_error(tokenizer, tmp_path):
    array = encode_corpus(["", "ban", "  "], tokenizer, tmp_path / "a", progress=False)
    assert array.n_documents == 1
    with pytest.raises(ValueError, match="holds no text"):
        encode_corpus(["", " "], tokenizer, tmp_path / "b", progress=False)
    assert not (tmp_path / "b").exists()


def test_damage_is_noticed_and_mended(texts, tokenizer, tmp_path):
    path = tmp_path / "a"
    whole = encode_corpus(texts, tokenizer, path, fingerprint="one", progress=False)
    n = len(whole)
    shutil.copy(path / "tokens.bin", tmp_path / "kept")
    (path / "tokens.bin").unlink()
    (path / "tokens.bin").write_bytes((tmp_path / "kept").read_bytes()[:100])
    with pytest.raises(ValueError, match=f"has 50 tokens, but its info.json says {n}"):
        TokenArray.open(path)
    assert len(encode_corpus(texts, tokenizer, path, fingerprint="one", progress=False)) == n
    (path / "info.json").write_text(json.dumps({"dtype": "uint16"}))
    with pytest.raises(ValueError, match="delete the folder"):
        TokenArray.open(path)
    with pytest.raises(ValueError, match="no usable encoded corpus"):
        TokenArray.open(tmp_path / "nothing")


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"\xff\xfe", {"dtype": "garbage"}, {"dtype": "float32"}, {"dtype": 3},
     {"n_documents": "2"}, {"fingerprint": None}, {"format": "1"}],
)  # fmt: skip
def test_whatever_stands_in_the_json_it_is_written_anew(texts, tokenizer, tmp_path, content):
    path = tmp_path / "a"
    n = len(encode_corpus(texts, tokenizer, path, fingerprint="one", progress=False))
    info = path / "info.json"
    if isinstance(content, dict):
        content = json.dumps(json.loads(info.read_text()) | content).encode()
    info.write_bytes(content)
    with pytest.raises(ValueError, match="delete the folder and run encode_corpus again"):
        TokenArray.open(path)
    assert len(encode_corpus(texts, tokenizer, path, fingerprint="one", progress=False)) == n
    assert len(TokenArray.open(path)) == n


def test_segments_by_hand():
    rows = np.array([[7, 3, 2, 8, 3, 2, 9], [2, 7, 7, 7, 7, 7, 3]])
    segment_ids, position_ids = segments(rows, cls_id=2)
    assert segment_ids.tolist() == [[1, 1, 2, 2, 2, 3, 3], [1] * 7]
    assert position_ids.tolist() == [[0, 1, 0, 1, 2, 0, 1], [0, 1, 2, 3, 4, 5, 6]]


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ("the cat", TypeError, r"got one str; write \[text\]"),
        (["ban", None], TypeError, r"texts\[1\] must be a str, got NoneType"),
        (iter(["ban", "ban", b"ban"]), TypeError, r"texts\[2\] must be a str, got bytes"),
        (["ban", "\ud83d"], ValueError, r"texts\[1\] holds half a character"),
        (iter(["ban", "\ud83d"]), ValueError, r"texts\[1\] holds half a character"),
        (None, TypeError, "texts must be an iterable of str, got NoneType"),
    ],
)
@pytest.mark.not_strict("wrong types")
def test_what_is_no_list_of_texts_is_refused(tokenizer, tmp_path, wrong, error, says):
    with pytest.raises(error, match=says):
        encode_corpus(wrong, tokenizer, tmp_path / "a", progress=False)
    assert not list(tmp_path.iterdir())


def test_texts_are_numbered_through_all_batches(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(packing._batches, "__defaults__", (2,))
    with pytest.raises(TypeError, match=r"texts\[5\]"):
        encode_corpus(iter(["ban"] * 5 + [None]), tokenizer, tmp_path / "a", progress=False)


def test_a_wrong_list_is_refused_before_anything_is_encoded(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "_write", lambda *_: pytest.fail("the work began"))
    with pytest.raises(TypeError, match=r"texts\[1\]"):
        encode_corpus(["ban", None], tokenizer, tmp_path / "a", progress=False)


def test_two_processes_encode_into_one_folder_at_once(tokenizer, tmp_path):
    """As two kernels do: processes of their own, not forks of one whose threads are running."""
    for name in ("encoded", "meeting"):
        (tmp_path / name).mkdir()
    tokenizer.save(tmp_path / "tokenizer")
    folders = [tmp_path / name for name in ("tokenizer", "encoded", "meeting")]
    both = [
        subprocess.Popen(
            [sys.executable, encode_at_once.__file__, *map(str, folders), me, other],
            stderr=subprocess.PIPE,
            text=True,
        )
        for me, other in (("a", "b"), ("b", "a"))
    ]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    there = sorted(int(p.name) for p in (tmp_path / "encoded").iterdir())
    assert there == list(range(encode_at_once.ROUNDS))


def test_who_comes_second_takes_what_is_there(texts, tokenizer, tmp_path, monkeypatch):
    write, path = packing._write, tmp_path / "a"
    options = dict(fingerprint="one", progress=False)

    def slow(*args):
        monkeypatch.setattr(packing, "_write", write)
        with ThreadPoolExecutor(1) as other:
            other.submit(encode_corpus, texts, tokenizer, path, **options).result(60)
        made.append(path.stat().st_ino)
        return write(*args)

    made: list[int] = []
    monkeypatch.setattr(packing, "_write", slow)
    array = encode_corpus(texts, tokenizer, path, **options)
    assert array.n_documents == len(texts)
    assert [path.stat().st_ino] == made and [p.name for p in tmp_path.iterdir()] == ["a"]
