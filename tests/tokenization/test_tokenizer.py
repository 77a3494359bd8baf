"""Tokenizers: specials, offsets, word starts, round trips, files, repeatability, user's faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from pydoc_data.topics import topics

import pytest
import tokenizers
import torch
from foreign_tokenizers import SPECIALS, byte_level, sentencepiece, whole_words
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers

from course_lib.tokenization import KINDS, SPECIAL_TOKENS, Tokenizer, train_tokenizer
from course_lib.tokenization.normalizers import make_normalizer

TEXTS = [
    "Tokenization cuts text into tokens; the tokens are numbers to the model.",
    "A naïve café in Zürich: the straße was long, the coffee was good.",
    "北京大学的学生学习自然语言处理。自然语言很有意思。",
    "Numbers: 12, 1234, 3.14 and e-mails (someone@example.org) -- and more tokens!",
    "lower lowest newer newest wider widest; unbelievable, unthinkable, unreadable",
] * 3
TRICKY = st.text(
    alphabet=st.one_of(
        st.sampled_from(
            "aeéE\u0301 ñÑßİıŁ.,;()[]#Ġ▁_ \t\n\u00a0\u200b\u3000北京語가각ﬁ½…😀👩🏽‍🚀\u0000\ufffd"
        ),
        st.characters(exclude_categories=("Cs",)),
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def trained() -> dict[str, Tokenizer]:
    sizes = {"wordpiece": 300, "bpe": 400, "unigram": 200}
    return {kind: train_tokenizer(TEXTS, size, kind) for kind, size in sizes.items()}


@pytest.fixture(params=KINDS)
def tokenizer(request, trained) -> Tokenizer:
    return trained[request.param]


def test_specials_have_the_first_ids(tokenizer):
    assert tuple(tokenizer.token(i) for i in range(5)) == SPECIAL_TOKENS
    roles = ("pad_id", "unk_id", "cls_id", "sep_id", "mask_id")
    assert [getattr(tokenizer, role) for role in roles] == [0, 1, 2, 3, 4]
    assert tokenizer.special_ids == (0, 1, 2, 3, 4)
    assert tokenizer.special_mask.nonzero().flatten().tolist() == [0, 1, 2, 3, 4]
    assert tokenizer.special_mask.dtype == torch.bool
    assert tokenizer.special_mask.shape == (tokenizer.vocab_size,)


def test_vocabulary_numbers_are_dense_and_go_both_ways(tokenizer):
    tokens = [tokenizer.token(i) for i in range(tokenizer.vocab_size)]
    assert len(set(tokens)) == tokenizer.vocab_size
    assert [tokenizer.id(token) for token in tokens] == list(range(tokenizer.vocab_size))


@pytest.mark.parametrize("kind", KINDS)
def test_vocab_size_is_reached_where_the_text_suffices(kind, trained):
    assert train_tokenizer(sorted(topics.values())[:20], 600, kind).vocab_size == 600
    assert trained[kind].vocab_size <= 400


def test_specials_frame_the_text(tokenizer):
    framed, bare = tokenizer.encode("the tokens"), tokenizer.encode("the tokens", add_special=False)
    assert framed.ids == [2, *bare.ids, 3]
    assert framed.offsets[0] == framed.offsets[-1] == (0, 0)
    assert len(framed) == len(framed.tokens) == len(framed.offsets) == len(framed.word_starts)
    assert tokenizer.encode("").ids == [2, 3] and tokenizer.encode("", add_special=False).ids == []


def test_mask_written_in_the_text_is_special_only_when_parsed(tokenizer):
    assert tokenizer.encode("the [MASK] token").ids.count(4) == 1
    assert tokenizer.encode("the [mask] token").ids.count(4) == 0
    assert 4 not in tokenizer.encode("the [MASK] token", parse_special=False).ids
    assert 4 not in tokenizer.encode_batch(["the [MASK] token"], parse_special=False)[0]
    # the choice of one call does not stick
    assert 4 in tokenizer.encode_batch(["the [MASK] token"])[0]


@pytest.mark.parametrize(
    "backend",
    [
        byte_level(["a b c <s> d"] * 9),
        sentencepiece([*"▁abcs<>/", "▁a", "mask"]),
        whole_words([*"abc"]),
    ],
    ids=["byte-level", "sentencepiece", "whole words"],
)
def test_a_special_typed_in_a_text_is_text_for_tokenizers_from_elsewhere(backend):
    """SentencePiece's models and those of whole words find it in their vocabulary by themselves."""
    ours = Tokenizer(backend)
    text = f"a {' '.join(SPECIALS)} b<s>c"
    reserved = set(ours.special_ids) - {ours.unk_id}
    for frame in ([], [ours.cls_id, ours.sep_id]):
        options = dict(add_special=bool(frame), parse_special=False)
        encoding = ours.encode(text, **options)
        assert [i for i in encoding.ids if i in reserved] == frame
        assert encoding.tokens == [ours.token(i) for i in encoding.ids]
        assert ours.encode_batch([text, "a"], **options)[0] == encoding.ids
    parsed = ours.encode(text).ids
    assert reserved <= set(parsed) and parsed.count(ours.cls_id) == 3


def test_batch_equals_single(tokenizer):
    texts = [*TEXTS, "", " ", "[SEP] 😀"]
    assert tokenizer.encode_batch(texts) == [tokenizer.encode(text).ids for text in texts]
    bare = [tokenizer.encode(text, add_special=False).ids for text in texts]
    assert tokenizer.encode_batch(texts, add_special=False) == bare


@pytest.mark.parametrize("kind", KINDS)
@given(text=TRICKY)
@settings(max_examples=150, deadline=None)
@example("e\u0301e\u0301 İstanbul ﬁne 😀😀 각 ½")
def test_offsets_point_at_the_surface(trained, kind, text):
    encoding = trained[kind].encode(text, add_special=False, parse_special=False)
    starts = [start for start, _ in encoding.offsets]
    assert all(0 <= start <= stop <= len(text) for start, stop in encoding.offsets)
    assert starts == sorted(starts)
    covered = {i for start, stop in encoding.offsets for i in range(start, stop)}
    normalise = trained[kind].backend.normalizer.normalize_str
    lost = [c for i, c in enumerate(text) if i not in covered and normalise(c).strip()]
    assert not lost, "a character that survives normalisation lies in no token"


@pytest.mark.parametrize("kind", KINDS)
@given(text=TRICKY)
@settings(max_examples=150, deadline=None)
def test_wordpiece_token_is_its_normalised_surface(trained, kind, text):
    """What a token says is what stands at its offsets, once both are normalised."""
    tokenizer = trained[kind]
    encoding = tokenizer.encode(text, add_special=False, parse_special=False)
    normalise = tokenizer.backend.normalizer.normalize_str
    columns = (encoding.ids, encoding.tokens, encoding.offsets)
    for id, token, (start, stop) in zip(*columns, strict=True):
        if kind == "bpe" or id == tokenizer.unk_id:
            continue  # part of a character's bytes has no text of its own
        said = token.removeprefix("##") if kind == "wordpiece" else token.removeprefix("▁")
        surface = normalise(text[start:stop]).replace(" ", "")
        assert said in surface or surface in said or said == "▁"


@pytest.mark.parametrize("kind", KINDS)
@given(text=TRICKY)
@settings(max_examples=50, deadline=None)
def test_tokens_are_vocabulary_items(trained, kind, text):
    encoding = trained[kind].encode(text)
    assert encoding.tokens == [trained[kind].token(i) for i in encoding.ids]


@given(text=TRICKY)
@settings(max_examples=150, deadline=None)
def test_bytes_leave_nothing_unknown_and_come_back(trained, text):
    tokenizer = trained["bpe"]
    ids = tokenizer.encode(text, parse_special=False).ids
    assert tokenizer.unk_id not in ids
    normal = tokenizer.backend.normalizer.normalize_str(text)
    words = pre_tokenizers.BertPreTokenizer().pre_tokenize_str(normal)
    assert tokenizer.decode(ids).split() == " ".join(word for word, _ in words).split()


@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
@given(text=TRICKY)
@settings(max_examples=150, deadline=None)
def test_word_starts_of_items_agree_with_the_words(trained, kind, text):
    tokenizer = trained[kind]
    raw = tokenizer.backend
    raw.encode_special_tokens = True
    words = raw.encode(text, add_special_tokens=False).word_ids
    encoding = tokenizer.encode(text, add_special=False, parse_special=False)
    assert encoding.word_starts == [i == 0 or words[i] != words[i - 1] for i in range(len(words))]
    assert encoding.word_starts == tokenizer.word_start_mask[encoding.ids].tolist()


def test_word_starts_of_unigram(trained):
    encoding = trained["unigram"].encode("unthinkable tokens, 北京", add_special=False)
    starts = [o for o, first in zip(encoding.offsets, encoding.word_starts, strict=True) if first]
    assert [start for start, _ in starts] == [0, 12, 18, 20, 21]


def test_word_start_table(trained):
    for kind, marked in (("wordpiece", False), ("bpe", True), ("unigram", True)):
        tokenizer = trained[kind]
        # on bytes also those of white space, which no word of ours holds
        on_bytes = tuple("Ġĉ" + "".join(map(chr, [*range(0x10A, 0x10E), *range(0x11C, 0x120)])))
        marker = {"wordpiece": "##", "bpe": on_bytes, "unigram": "▁"}[kind]
        for i in range(5, tokenizer.vocab_size):
            starts = tokenizer.token(i).startswith(marker) == marked
            assert bool(tokenizer.word_start_mask[i]) == starts
        assert tokenizer.word_start_mask[:5].all()


def test_a_mark_or_a_chinese_character_is_one_token_of_wordpiece_and_unigram(trained):
    for kind in ("wordpiece", "unigram"):
        encoding = trained[kind].encode("北京。(;", add_special=False)
        assert len(encoding) == 5 and all(encoding.word_starts)
        assert trained[kind].unk_id not in encoding.ids


@pytest.mark.parametrize("kind", ["wordpiece", "unigram"])
def test_text_of_marks_and_chinese_only(kind):
    tokenizer = train_tokenizer(["北京大学。", "大学。"], 40, kind)
    assert len(tokenizer.encode("北京。", add_special=False)) == 3
    assert tokenizer.encode("北x", add_special=False).tokens[-1] == "[UNK]"
    assert not any("##" in tokenizer.token(i) for i in range(tokenizer.vocab_size))


def test_chinese_characters_are_words(tokenizer):
    encoding = tokenizer.encode("北京大学", add_special=False)
    surfaces = {"北京大学"[a:b] for a, b in encoding.offsets}
    assert surfaces == set("北京大学") and sum(encoding.word_starts) == 4


def test_two_spellings_of_an_accent_are_one(tokenizer):
    assert tokenizer.encode("café").ids == tokenizer.encode("cafe\u0301").ids


def test_case_and_accents_stay_when_asked():
    cased = train_tokenizer(TEXTS, 500, "bpe", lowercase=False)
    assert cased.decode(cased.encode("A naïve Café").ids) == "A naïve Café"
    assert train_tokenizer(TEXTS, 500, "bpe").decode(cased.encode("x").ids) == "x"


LONG = {
    "Thai": "สวัสดีครับวันนี้อากาศดีมากเราไปเดินเล่นกันที่สวน" * 4,
    "Japanese": "ひらがなとカタカナのぶんしょうです" * 7,
    "letters": "acgt" * 250,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LONG)
def test_a_long_word_is_cut_into_pieces(kind, name):
    text = LONG[name]
    tokenizer = train_tokenizer([text[:40], text], 500, kind, coverage=1.0, lowercase=False)
    encoding = tokenizer.encode(text, add_special=False)
    assert tokenizer.unk_id not in encoding.ids and encoding.word_starts.count(True) == 1
    assert tokenizer.decode(encoding.ids) == text


def test_where_the_limit_of_a_word_lies():
    def limit(*texts):
        state = json.loads(train_tokenizer([*texts], 300, coverage=1.0).backend.to_str())
        return state["model"]["max_input_chars_per_word"]

    assert limit("a" * 100, "a" * 60 + " " + "b" * 60, "ab." * 90, "北" * 200) == 100
    assert limit("a" * 101) == limit("ok", "x " + "ab" * 51 + " x") == 1000
    # as they are when they come to the model: é as two characters or one, accents gone
    assert limit("é" * 100) == limit("e\u0301" * 100) == 100 < limit("é" * 101)
    long = train_tokenizer(["ab" * 600], 40, coverage=1.0)
    assert long.unk_id not in long.encode("ab" * 500).ids
    assert long.encode("ab" * 500 + "a", add_special=False).ids == [long.unk_id]


JOINED = {
    "Persian": "می‌خواهم کتاب‌ها",
    "family": "👨‍👩‍👧 ok",
    "Sinhala": "ශ්‍රී ලංකා",
    "England": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f ok",
    "number sign": "\u0600١٢ ok",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", JOINED)
@pytest.mark.parametrize("form", ["NFC", "NFKD"])
def test_marks_that_are_spelling_stay(kind, name, form):
    text = JOINED[name]
    options = dict(lowercase=False, coverage=1.0, unicode_form=form)
    tokenizer = train_tokenizer([text, "plain"] * 20, 400, kind, **options)
    encoding = tokenizer.encode(text, add_special=False)
    decoded = tokenizer.decode(encoding.ids)
    assert unicodedata.normalize("NFC", decoded) == text and tokenizer.unk_id not in encoding.ids
    bare = "".join(c for c in text if unicodedata.category(c) != "Cf")
    assert encoding.ids != tokenizer.encode(bare, add_special=False).ids
    covered = {i for start, stop in encoding.offsets for i in range(start, stop)}
    assert covered == {i for i, c in enumerate(text) if c != " "}
    # what else is of no width goes as before, and so does the rest of what BERT's normalizer drops
    noisy = "pl\u00ada\u200bi\ue000n\x00\x7f\ufffd"
    assert tokenizer.decode(tokenizer.encode(noisy).ids) == "plain"


@pytest.mark.parametrize("kind", KINDS)
def test_marks_too_rare_for_the_alphabet_change_nothing(kind):
    """One stray joiner among other text: for bytes it stays, for the others it goes as before."""
    texts = ["abc abd acd " * 500 + "ω"]
    plain, other = (
        train_tokenizer([*texts, rare], 300, kind, coverage=0.999) for rare in ("ab", "a\u200db")
    )
    if kind == "bpe":
        assert other.decode(other.encode("a\u200db").ids) == "a\u200db"
    else:
        assert plain.fingerprint == other.fingerprint
        assert other.encode("a\u200db").ids == other.encode("ab").ids


@given(text=TRICKY, lowercase=st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_normalizer_that_keeps_marks_does_the_rest_alike(text, lowercase):
    keeps, plain = (
        make_normalizer(lowercase, "NFC", marks).normalize_str for marks in ("\u200c\u200d", "")
    )
    left = keeps(text).replace("\u200c", "").replace("\u200d", "")
    assert "".join(left.split()) == "".join(plain(text).split())


def test_compatibility_form_unfolds_ligatures():
    compatible = train_tokenizer(TEXTS, 300, unicode_form="NFKC")
    assert compatible.encode("ﬁne").ids == compatible.encode("fine").ids
    plain = train_tokenizer(TEXTS, 300)
    assert plain.encode("ﬁne").ids != plain.encode("fine").ids


def test_rare_characters_are_unknown_below_full_coverage():
    texts = ["abc abc abc " * 500 + "ω"]
    assert train_tokenizer(texts, 40, coverage=0.999).encode("ω", add_special=False).ids == [1]
    assert train_tokenizer(texts, 40, coverage=1.0).encode("ω", add_special=False).ids != [1]


def fingerprints() -> list[str]:
    texts = sorted(topics.values())[:40]
    return [train_tokenizer(texts, 600, kind, coverage=1.0).fingerprint for kind in KINDS]


def test_same_texts_same_tokenizer_in_every_process():
    """The library's own tables have a new order in each process; two processes agree all the same.

    The other process also has another number of threads.
    """
    code = "import test_tokenizer as t; print(*t.fingerprints())"
    environment = os.environ | {"RAYON_NUM_THREADS": "2", "TOKENIZERS_PARALLELISM": "true"}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    options = dict(cwd=Path(__file__).parent, capture_output=True, text=True)
    done = subprocess.run(command, env=environment, check=True, **options)
    assert done.stdout.split() == fingerprints()


def test_order_of_the_texts_does_not_matter():
    for kind in KINDS:
        size = 400 if kind == "bpe" else 250
        forward = train_tokenizer(TEXTS, size, kind)
        backward = train_tokenizer(TEXTS[::-1], size, kind)
        assert forward.fingerprint == backward.fingerprint


def test_fingerprint_tells_tokenizers_apart(trained):
    assert len({t.fingerprint for t in trained.values()}) == 3
    assert train_tokenizer(TEXTS, 200).fingerprint != trained["wordpiece"].fingerprint


def test_save_and_load(tokenizer, tmp_path):
    for path in (tmp_path / "directory", tmp_path / "file.json"):
        tokenizer.save(path)
        assert Tokenizer.load(path).fingerprint == tokenizer.fingerprint
    assert not list(tmp_path.rglob("*.part"))


def test_transformers_loads_what_is_saved(tokenizer, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer.save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in [*TEXTS, "[MASK] the token 😀"]:
        assert theirs(text)["input_ids"] == tokenizer.encode(text).ids
    ids = tokenizer.encode("the tokens are numbers").ids
    assert theirs.decode(ids, skip_special_tokens=True) == tokenizer.decode(ids)
    assert (theirs.mask_token_id, theirs.pad_token_id, theirs.unk_token_id) == (4, 0, 1)
    assert Tokenizer.from_transformers(theirs).fingerprint == tokenizer.fingerprint
    assert Tokenizer.from_transformers(str(tmp_path)).fingerprint == tokenizer.fingerprint
    back = Tokenizer.from_transformers(tokenizer.to_transformers())
    assert back.fingerprint == tokenizer.fingerprint


def test_a_tokenizer_with_other_names_for_its_specials(tmp_path):
    transformers = pytest.importorskip("transformers")
    items = ("<s>", "<pad>", "</s>", "<unk>", "Ġa", "b", "<mask>")
    raw = tokenizers.Tokenizer(models.BPE({token: i for i, token in enumerate(items)}, []))
    names = dict(cls_token="<s>", sep_token="</s>", pad_token="<pad>")
    names |= dict(unk_token="<unk>", mask_token="<mask>")
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_object=raw, **names)
    ours = Tokenizer.from_transformers(theirs)
    assert (ours.cls_id, ours.pad_id, ours.sep_id, ours.unk_id, ours.mask_id) == (0, 1, 2, 3, 6)
    assert ours.special_ids == (0, 1, 2, 3, 6)
    assert ours.word_start_mask.tolist() == [True] * 5 + [False, True]
    ours.save(tmp_path / "t.json")
    assert Tokenizer.load(tmp_path / "t.json").mask_id == 6


def test_it_is_a_copy_that_outside_changes_do_not_reach(trained):
    tokenizer = trained["wordpiece"]
    before = tokenizer.fingerprint
    tokenizer.backend.add_tokens(["intruder"])
    assert tokenizer.fingerprint == before == Tokenizer(tokenizer.backend).fingerprint


def test_truncation_and_padding_of_the_source_are_dropped(trained):
    raw = trained["wordpiece"].backend
    raw.enable_truncation(4)
    raw.enable_padding(length=4)
    assert Tokenizer(raw).encode(TEXTS[0]).ids == trained["wordpiece"].encode(TEXTS[0]).ids


# What users get wrong


@pytest.mark.parametrize(
    ("texts", "kwargs", "error", "says"),
    [
        ([], {}, ValueError, "no character"),
        (["", " \n"], {}, ValueError, "no character"),
        ("one text", {}, TypeError, r"\[text\]"),
        (["a", None], {}, TypeError, r"texts\[1\] must be a str, got NoneType"),
        (["some text"], {"kind": "sentencepiece"}, ValueError, "wordpiece, bpe, unigram"),
        (["some text"], {"vocab_size": 8}, ValueError, "use at least"),
        (["some text"], {"vocab_size": 8, "kind": "unigram"}, ValueError, "use at least"),
        (["some text"], {"vocab_size": 260, "kind": "bpe"}, ValueError, "use at least 261"),
        (["some text"], {"coverage": 0}, ValueError, "coverage"),
        (["some text"], {"unicode_form": "NFX"}, ValueError, "NFKC"),
    ],
)
@pytest.mark.not_strict("wrong types")
def test_training_errors_name_the_remedy(texts, kwargs, error, says):
    with pytest.raises(error, match=says):
        train_tokenizer(texts, **({"vocab_size": 300} | kwargs))


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_size_named_by_the_error_works(kind):
    with pytest.raises(ValueError, match="use at least") as raised:
        train_tokenizer(TEXTS, 6, kind)
    least = int(str(raised.value).split("use at least ")[1].split(",")[0])
    assert train_tokenizer(TEXTS, least, kind).vocab_size <= least


@pytest.mark.not_strict("wrong types")
def test_encode_errors(trained):
    tokenizer = trained["wordpiece"]
    with pytest.raises(TypeError, match="encode_batch"):
        tokenizer.encode(["a", "b"])
    with pytest.raises(TypeError, match="one str"):
        tokenizer.encode_batch("a text")
    with pytest.raises(ValueError, match="not in the vocabulary"):
        tokenizer.id("never-seen")
    for wrong in (-1, tokenizer.vocab_size):
        with pytest.raises(ValueError, match="another tokenizer"):
            tokenizer.token(wrong)


def test_missing_and_damaged_files(trained, tmp_path):
    with pytest.raises(ValueError, match="no tokenizer at"):
        Tokenizer.load(tmp_path)
    trained["wordpiece"].save(tmp_path)
    file, config = tmp_path / "tokenizer.json", tmp_path / "tokenizer_config.json"
    whole = config.read_bytes()
    for content in (b"[]", b"null", b"\xff\xfe", b"{"):
        config.write_bytes(content)
        with pytest.raises(ValueError, match="tokenizer_config.json is damaged"):
            Tokenizer.load(tmp_path)
    config.write_bytes(whole)
    file.write_text(file.read_text()[:200])
    with pytest.raises(ValueError, match="damaged"):
        Tokenizer.load(tmp_path)
    file.write_text("{}")
    with pytest.raises(ValueError, match="damaged"):
        Tokenizer.load(file)


def test_a_tokenizer_without_a_mask_token():
    state = json.loads(train_tokenizer(TEXTS, 300).backend.to_str())
    added = state["added_tokens"]
    state["added_tokens"] = [token for token in added if token["content"] != "[MASK]"]
    state["model"]["vocab"]["[HIDE]"] = state["model"]["vocab"].pop("[MASK]")
    raw = tokenizers.Tokenizer.from_str(json.dumps(state))
    with pytest.raises(ValueError, match=r"no mask token .*add_special_tokens\(\{'mask_token'"):
        Tokenizer(raw)


def test_unknown_hub_name_offline_says_what_to_do(monkeypatch, tmp_path):
    pytest.importorskip("transformers")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    says = "no tokenizer called 'nobody/no-such-tokenizer'.*train_tokenizer"
    with pytest.raises(ValueError, match=says):
        Tokenizer.from_transformers("nobody/no-such-tokenizer")
    with pytest.raises(ValueError, match="no fast version"):
        Tokenizer.from_transformers(object())
