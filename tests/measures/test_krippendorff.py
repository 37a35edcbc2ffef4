"""Krippendorff's alpha against the worked examples of his paper of 2011."""

import pytest

from headway_measures.errors import MeasureError
from headway_measures.reliability import Level, krippendorff_alpha

# "Computing Krippendorff's Alpha-Reliability", section C to E: four observers, twelve units, gaps.
_FOUR: list[list[float | str | None]] = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


@pytest.mark.parametrize(
    ("level", "expected"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_four_raters_with_gaps_have_the_published_alpha(level: Level, expected: float) -> None:
    found = krippendorff_alpha(_FOUR, level)

    assert found.alpha == pytest.approx(expected, abs=0.0006)
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower < expected < found.upper
    assert (found.units, found.values) == (11, 40)  # the last unit has one rating


def test_two_raters_of_yes_and_no_have_the_published_alpha() -> None:
    first = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    second = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]

    assert krippendorff_alpha([first, second]).alpha == pytest.approx(0.095, abs=0.0006)


def test_two_raters_of_words_have_the_published_alpha() -> None:
    found = krippendorff_alpha([list("aabbdccceDda".lower()), list("babbbccceddd")])

    assert found.alpha == pytest.approx(0.692, abs=0.0006)


def test_one_value_alone_has_no_alpha() -> None:
    found = krippendorff_alpha([[1, 1, 1], [1, 1, 1]])

    assert (found.alpha, found.lower, found.upper) == (None, None, None)


def test_full_agreement_is_one_and_no_resample_makes_it_certain() -> None:
    found = krippendorff_alpha([[1, 2, 3], [1, 2, 3]], "interval")

    assert (found.alpha, found.lower) == (1.0, None)


def test_words_are_no_numbers() -> None:
    with pytest.raises(MeasureError, match="'b' is a word"):
        krippendorff_alpha([["b", 1], [1, 1]], "interval")
    with pytest.raises(MeasureError, match="2, 1 places"):
        krippendorff_alpha([["b", "a"], ["b"]])
