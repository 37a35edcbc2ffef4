"""Texts as arrays: what a word is, which runs of words are the same, and that hashes stay."""

import numpy as np
import pytest

from headway_measures.text_hashes import (
    MOST_TEXTS,
    Words,
    fold_texts,
    hash_text,
    hashes_of,
    make_lexicon,
    pack_grams,
    read_characters,
    read_words,
    texts_of,
)


def words_of(*texts: str) -> Words:
    return read_words(read_characters(texts))


def test_words_know_no_case_and_no_neighbours() -> None:
    alone, among = words_of("Ärger"), words_of("one two", "", "x ÄRGER. ärger2")

    assert among.counts.tolist() == [2, 0, 3]
    assert among.texts.tolist() == [0, 0, 2, 2, 2]
    assert among.hashes[3] == alone.hashes[0]
    assert among.hashes[4] != alone.hashes[0]


def test_different_words_hash_differently() -> None:
    words = [f"{letter}{number}" for letter in "abcdefgh" for number in range(2_000)]

    assert np.unique(words_of(" ".join(words)).hashes).size == len(words)
    assert np.unique(words_of("ab ba aab aba baa a aa aaa").hashes).size == 8


def test_a_word_of_any_length_is_one_word() -> None:
    long = "a" * 100_000

    assert words_of(long, long + "a", long.upper()).counts.tolist() == [1, 1, 1]
    assert len(set(words_of(long, long + "a", long.upper()).hashes.tolist())) == 2


def test_runs_of_words_end_with_their_text() -> None:
    keys = pack_grams(words_of("a b c", "d", "b C a b"), 2)

    assert texts_of(keys).tolist() == [0, 0, 2, 2, 2]
    hashes = hashes_of(keys).tolist()
    assert (hashes[0], hashes[1]) == (hashes[4], hashes[2])
    assert len(set(hashes)) == 3
    assert pack_grams(words_of("a b", "c"), 4).size == 0


def test_order_counts_in_a_run_of_words() -> None:
    hashes = hashes_of(pack_grams(words_of("a b c", "c b a", "b a c", "a a b", "a b b"), 3))

    assert np.unique(hashes).size == 5


def test_a_lexicon_finds_what_it_holds_and_nothing_else() -> None:
    rng = np.random.default_rng(5)
    held = rng.integers(0, 2**63, 5_000, dtype=np.uint64)
    others = rng.integers(0, 2**63, 5_000, dtype=np.uint64)
    lexicon = make_lexicon(np.concatenate([held, held[:10]]))

    hits = lexicon.find(np.concatenate([others, held]))

    assert hits.places.tolist() == list(range(5_000, 10_000))
    assert (lexicon.hashes[hits.entries] == held).all()
    assert make_lexicon(held[:0]).find(others).places.size == 0


@pytest.mark.parametrize(
    ("first", "second", "are_same"),
    [
        ("No", " no\n", True),
        ("a  b", "A\t\r\nB", True),
        ("take 12", "take 9", True),
        ("12 took", "9 took", True),
        ("take12", "take 12", False),
        ("ab", "a b", False),
        ("[No]", "No", False),
        ("ab", "ba", False),
        ("1.5", "15", False),
        ("🙂", "🙃", False),
    ],
)
def test_folded_texts(first: str, second: str, are_same: bool) -> None:
    folded = fold_texts(read_characters([first, "between", second]))

    assert bool(folded[0] == folded[2]) is are_same


def test_texts_without_anything_fold_to_nothing() -> None:
    assert fold_texts(read_characters(["", " \n", "x"])).tolist()[:2] == [0, 0]
    assert fold_texts(read_characters([])).size == 0


def test_a_lone_surrogate_is_a_character() -> None:
    characters = read_characters(["a\ud800b", "c"])

    assert characters.lengths.tolist() == [3, 1]
    assert read_words(characters).counts.tolist() == [2, 1]
    assert hash_text("\ud800") != hash_text("\ud801")


def test_more_texts_than_a_key_can_name_are_refused() -> None:
    with pytest.raises(ValueError, match="16385 texts at once: 16384 are the most"):
        read_characters(["x"] * (MOST_TEXTS + 1))
