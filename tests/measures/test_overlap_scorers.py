"""Texts against references: published examples, and what the field's packages give."""

import json
import re
import string
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sacrebleu import sentence_bleu, sentence_chrf

from headway_measures.scorers import make_scorer, score_answered
from headway_measures.scores import Answered, ScoreValue

FOX = "The quick brown fox jumps over the lazy dog"
DOG = "The quick brown dog jumps on the log."
# Made by the package once, which need not be installed.
GOLDEN = json.loads(Path(__file__).with_name("rouge_values.json").read_text())["rows"]
ROUGE = ("rouge1", "rouge2", "rougeL")


def score(name: str, output: str, expected: Any, **options: Any) -> ScoreValue:
    answered = Answered(output, expected)
    return score_answered({name: make_scorer(name, options)}, answered)[name]


@pytest.mark.parametrize(
    ("output", "expected", "value"),
    [
        ("The cat.", "a CAT", 1.0),
        ("the big cat", "cat", 2 / 3),
        ("cat cat", "cat", 2 / 3),
        ("dog", "cat", 0.0),
        ("", "cat", 0.0),
        ("The.", "a", 1.0),
        ("«Привет, мир»", "привет мир", 1.0),
    ],
)
def test_f1_compares_words_as_squad_does(output: str, expected: str, value: float) -> None:
    assert score("f1", output, expected).value == pytest.approx(value)


def squad_f1(output: str, expected: str) -> float:
    """Score as the script of SQuAD 2.0 does, of which this is a copy in short."""

    def tokens(text: str) -> list[str]:
        plain = "".join(each for each in text.lower() if each not in string.punctuation)
        return re.sub(r"\b(a|an|the)\b", " ", plain).split()

    found, wanted = tokens(output), tokens(expected)
    if not found or not wanted:
        return float(found == wanted)
    same = sum((Counter(found) & Counter(wanted)).values())
    precision, recall = same / len(found), same / len(wanted)
    return 2 * precision * recall / (precision + recall) if same else 0.0


@pytest.mark.parametrize("row", GOLDEN, ids=[str(number) for number in range(len(GOLDEN))])
def test_f1_rouge_bleu_and_chrf_are_those_of_the_published_programs(row: dict[str, Any]) -> None:
    output, expected = row["output"], row["expected"]
    rouge = {key: score("rouge", output, expected, variant=key).value for key in ROUGE}

    assert rouge == {key: pytest.approx(row[key], abs=1e-12) for key in ROUGE}
    assert score("f1", output, expected).value == pytest.approx(squad_f1(output, expected))
    for name, value in (
        ("bleu", sentence_bleu(output, [expected]).score),
        ("chrf", sentence_chrf(output, [expected]).score),
    ):
        assert score(name, output, expected).value == pytest.approx(value / 100)


def test_rouge_counts_words_of_other_alphabets() -> None:
    assert score("rouge", "привет мир", "Привет, мир!", variant="rouge2").value == 1.0


@pytest.mark.parametrize(
    ("variant", "value"),
    [("rouge1", 0.7058823529), ("rouge2", 4 / 15), ("rougeL", 0.5882352941)],
)
def test_rouge_gives_the_values_of_the_package(variant: str, value: float) -> None:
    """The example of rouge-score's own page; rouge2 counted by hand: two of 8 and 7 pairs."""
    assert score("rouge", DOG, FOX, variant=variant).value == pytest.approx(value)


@pytest.mark.parametrize("variant", ["rouge1", "rouge2", "rougeL"])
def test_rouge_of_other_words_or_of_none_is_nothing(variant: str) -> None:
    assert score("rouge", "cat", "dog", variant=variant).value == 0.0
    assert score("rouge", "", "", variant=variant).value == 0.0


def test_bleu_is_that_of_sacrebleu_from_0_to_1() -> None:
    assert score("bleu", "the cat sat", "the cat sat down").value == pytest.approx(0.7165313106)
    assert score("bleu", FOX, FOX).value == pytest.approx(1.0)
    assert score("bleu", FOX.upper(), FOX).value < 0.3
    assert score("bleu", FOX.upper(), FOX, ignore_case=True).value == pytest.approx(1.0)


def test_chrf_counts_words_too_where_it_is_told() -> None:
    plain, with_words = score("chrf", DOG, FOX), score("chrf", DOG, FOX, word_order=2)

    assert 0 < with_words.value < plain.value < 1
    assert score("chrf", FOX, FOX).value == pytest.approx(1.0)


def test_edit_distance_is_the_share_of_characters_to_change() -> None:
    assert score("edit_distance", "kitten", "sitting").value == pytest.approx(3 / 7)
    assert score("edit_distance", " Kitten\n", "kitten", ignore_case=True).value == 0.0
    assert score("edit_distance", "", "").value == 0.0


def test_similarity_knows_the_same_words_in_another_order_from_other_words() -> None:
    reordered = score("similarity", "lazy dogs and a quick fox", "a quick fox and a lazy dog")
    other = score("similarity", "the invoice is overdue", "a quick fox and a lazy dog")

    assert other.value < 0.2 < 0.6 < reordered.value < 1
    assert score("similarity", "same", "same").value == 1.0
    assert score("similarity", "", "something").value == 0.0


@pytest.mark.parametrize("name", ["f1", "rouge", "bleu", "chrf", "similarity"])
def test_the_nearest_of_several_texts_counts(name: str) -> None:
    alone = score(name, FOX, FOX).value

    assert score(name, FOX, ["unrelated words", FOX]).value == pytest.approx(alone)


def test_the_nearest_of_several_texts_counts_where_less_is_better() -> None:
    assert score("edit_distance", "kitten", ["mitten", "kitten"]).value == 0.0


@pytest.mark.parametrize("name", ["f1", "rouge", "bleu", "chrf", "edit_distance", "similarity"])
@pytest.mark.parametrize("output", ["", " ", "\x00", "a" * 5000, "🙂 " * 50])
def test_any_output_has_a_score_from_0_to_1(name: str, output: str) -> None:
    value = score(name, output, "some text")

    assert value.error is None
    assert 0.0 <= value.value <= 1.0


def test_a_limit_makes_a_measure_a_judgement() -> None:
    assert score("f1", "the big cat", "cat").passed is None
    assert score("f1", "the big cat", "cat", at_least=0.5).passed is True
    assert score("f1", "the big cat", "cat", at_least=0.7).detail == "0.6667 is less than 0.7"
    assert score("edit_distance", "kitten", "sitting", at_most=0.4).passed is False
    assert score("edit_distance", "kitten", "sitting", at_most=0.5).passed is True
