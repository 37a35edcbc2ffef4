import subprocess
import sys

import numpy as np
import pytest

from headway_measures.grams import FIRST_OF_BYTES, WIDTH, spell, split_words
from headway_measures.representations import HashedText
from headway_measures.text_formats import FORMATS, has_formats, measure_formats

HOSTILE = [
    "",
    " ",
    "a",
    "\ud800",
    "\x00\x00",
    "👩‍👩‍👧‍👦",
    "\r\n",
    "ש" * 50,
    "x" * 1_000_000,
    "答え" * 9,
]


def test_texts_are_weighted_by_how_rare_their_words_are() -> None:
    texts = ["the cat cat", "the dog", "the cow"]

    rows = HashedText().rows(texts)

    words = {
        spell(int(column), texts): float(value)
        for row, column, value in zip(rows.rows, rows.columns, rows.values, strict=True)
        if row == 0 and column < FIRST_OF_BYTES
    }
    tf, rare, common = 1 + np.log(2), 1 + np.log(4 / 2), 1 + np.log(4 / 4)
    expected = {"the": common, "cat": tf * rare, "the cat": rare, "cat cat": rare}
    length = np.linalg.norm(list(expected.values()))
    assert words == pytest.approx({word: value / length for word, value in expected.items()})


def test_words_and_bytes_of_each_text_have_length_one() -> None:
    texts = ["Yes.", "No, 17 is prime.", "I'm sorry, but I can't assist with that."]

    matrix = HashedText().rows(texts).dense(np.arange(WIDTH))

    lengths = np.linalg.norm(matrix.reshape(3, 2, FIRST_OF_BYTES), axis=2)
    assert lengths == pytest.approx(np.ones((3, 2)), abs=1e-5)


def test_no_word_is_left_out_however_common() -> None:
    rows = HashedText().rows(["sorry"] * 9 + ["fine"])

    assert 9 in rows.holders()[:FIRST_OF_BYTES]


def test_grams_never_reach_into_the_next_text() -> None:
    apart, together = HashedText().rows(["abc", "def"]), HashedText().rows(["abc def"])

    assert set(apart.columns) < set(together.columns)
    assert apart.columns.size == 4


def test_many_texts_have_the_same_columns_as_each_alone() -> None:
    texts = [f"Answer {number} of many, ä ö ü." * (number % 7) for number in range(5_000)]

    rows = HashedText().rows(texts)

    for place in (0, 1, 4_095, 4_096, 4_999):
        alone = HashedText().rows([texts[place]])
        assert set(rows.columns[rows.rows == place]) == set(alone.columns)


def test_hostile_texts_have_numbers_like_any_others() -> None:
    rows = HashedText().rows(HOSTILE)

    assert rows.count == len(HOSTILE)
    assert np.isfinite(rows.values).all()
    assert np.isfinite(measure_formats(HOSTILE)).all()
    assert np.isfinite(HashedText().vectors(HOSTILE)).all()
    assert has_formats(HOSTILE).shape == (len(HOSTILE), len(FORMATS))
    assert HashedText().rows([]).count == 0
    assert measure_formats([]).shape == (0, measure_formats(["a"]).shape[1])


def test_the_end_of_a_long_text_is_read() -> None:
    column = set(HashedText().rows(["goodbye"]).columns)

    assert column <= set(HashedText().rows(["x " * 100_000 + "goodbye"]).columns)


def test_a_gram_is_spelled_as_it_stands() -> None:
    text = "Sure!  Here it is:\n```python"
    columns = HashedText().rows([text]).columns.tolist()

    words = {spell(column, [text]) for column in columns if column < FIRST_OF_BYTES}
    signs = {spell(column, [text]) for column in columns if column >= FIRST_OF_BYTES}
    assert {"sure", "sure here", "is python"} <= words
    assert {"re!", "```", ":\n```"} <= signs
    assert split_words("I'm SORRY, Ärzte") == ["i'm", "sorry", "Ärzte"]
    assert spell(columns[0], ["something else"]) == ""


def test_projected_rows_keep_their_angles() -> None:
    texts = ["the quick brown fox jumps over it", "the quick brown fox sleeps", "12 + 30 = 42"]
    rows = HashedText().rows(texts)
    matrix = rows.dense(np.unique(rows.columns))
    angles = matrix @ matrix.T / 2

    vectors = np.stack([HashedText(256, seed).project(rows) for seed in range(40)])

    found = (vectors @ vectors.transpose(0, 2, 1)).mean(axis=0)
    assert found == pytest.approx(angles, abs=0.05)


def test_formats_are_told_apart() -> None:
    texts = ["- a\n- b", "1. a\n2. b", '{"a": 1}', "```py\n```", "Is it?", "Done.", "", "# A\n\nb"]

    found = [
        {name for name, flag in zip(FORMATS, flags, strict=True) if flag}
        for flags in has_formats(texts)
    ]

    assert "bulleted list" in found[0]
    assert "numbered list" in found[1]
    assert "JSON" in found[2]
    assert "code fence" in found[3]
    assert "question at the end" in found[4]
    assert found[5] == set()
    assert found[6] == {"nothing"}
    assert {"heading", "several paragraphs"} <= found[7]


def test_vectors_are_the_same_in_any_process() -> None:
    program = (
        "from headway_measures.representations import HashedText;"
        "import sys; sys.stdout.write(HashedText().vectors(['a b c', 'Ä 1.']).tobytes().hex())"
    )

    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }

    assert found == {HashedText().vectors(["a b c", "Ä 1."]).tobytes().hex()}
