import pytest

from headway_measures.intervals import Interval
from headway_measures.paired import measure_change
from headway_measures.verdicts import INSIDE_THE_MARGIN, Margin, Verdict, decide, judge

SOFT, HARD = Margin(0.05), Margin(0.05, is_hard=True)


@pytest.mark.parametrize(
    ("lower", "upper", "soft", "hard"),
    [
        (0.01, 0.05, "improved", "improved"),
        (0.0, 0.05, "passed", "passed"),
        (-0.04, 0.02, "passed", "passed"),
        (-0.04, -0.01, "passed", "passed"),
        (-0.05, 0.02, "inconclusive", "inconclusive"),
        (-0.09, 0.0, "inconclusive", "inconclusive"),
        (-0.09, -0.01, "regressed", "inconclusive"),
        (-0.20, -0.06, "regressed", "regressed"),
    ],
)
def test_the_first_rule_that_holds_decides(
    lower: float, upper: float, soft: Verdict, hard: Verdict
) -> None:
    interval = Interval((lower + upper) / 2, lower, upper)

    assert decide(interval, SOFT) == soft
    assert decide(interval, HARD) == hard


@pytest.mark.parametrize("score", [1.0, 0.0, 0.5])
def test_five_identical_cases_are_inconclusive_and_say_how_many_would_tell(score: float) -> None:
    judgement = judge(measure_change([score] * 5, [score] * 5), SOFT)

    assert judgement.verdict == "inconclusive"
    assert judgement.needs_n is not None
    assert judge(
        measure_change([score] * judgement.needs_n, [score] * judgement.needs_n), SOFT
    ).verdict == ("passed")


def test_identical_answers_on_enough_cases_pass() -> None:
    assert judge(measure_change([1.0] * 80, [1.0] * 80), SOFT).verdict == "passed"


def test_a_small_certain_drop_passes_and_is_noted() -> None:
    old = [1.0] * 2000
    new = [0.0] * 40 + [1.0] * 1960

    judgement = judge(measure_change(old, new), SOFT)

    assert judgement.verdict == "passed"
    assert judgement.note == INSIDE_THE_MARGIN


def test_the_cases_needed_do_tell_where_the_further_ones_are_alike() -> None:
    judgement = judge(measure_change([1, 1, 1, 0] * 10, [1, 0, 1, 1] * 10), SOFT)
    assert judgement.needs_n is not None

    times = -(-judgement.needs_n // 4)
    larger = judge(measure_change([1, 1, 1, 0] * times, [1, 0, 1, 1] * times), SOFT)

    assert larger.verdict == "passed"


def test_no_number_of_cases_proves_no_drop_at_all() -> None:
    judgement = judge(measure_change([1.0] * 10, [1.0] * 10), Margin(0.0))

    assert judgement.verdict == "inconclusive"
    assert judgement.needs_n is None


def test_a_judgement_says_what_it_could_have_found_and_how_many_cases_are_missing() -> None:
    alike = [1.0] * 90 + [0.0] * 10
    few = judge(measure_change(alike[:20], alike[:20]), SOFT)
    many = judge(measure_change(alike * 10, alike * 10), SOFT)

    assert few.needs_n is not None
    assert few.missing_n == few.needs_n - 20 > 0
    assert many.missing_n is None
    assert many.minimum_detectable_effect < 0.01 < 0.3 < few.minimum_detectable_effect


def test_the_effect_said_to_be_detectable_is_that_of_the_table() -> None:
    """100 cases of which one in ten flips: 8.9 points."""
    new = [0.0] * 5 + [1.0] * 95
    old = [1.0] * 95 + [0.0] * 5

    judgement = judge(measure_change(old, new), SOFT)

    assert judgement.minimum_detectable_effect == pytest.approx(0.089, abs=0.001)
