"""What a sweep's verdicts are worth among many, by runs that are made up."""

import pytest

from headway_evals.comparisons import compare
from headway_evals.runs import RunRecord
from headway_evals.suites import Gate
from headway_evals.sweep_verdicts import (
    Contender,
    count_flips,
    exit_code_of,
    judge_contenders,
)
from headway_evals.sweeps import Entry
from headway_measures.verdicts import Margin
from tests.evals.made_runs import record, results


def contenders(baseline: RunRecord, *losses: int, gate: Gate) -> list[Contender]:
    """Candidates that lose so many of the baseline's two hundred cases, and gain none."""
    found = []
    for position, lost in enumerate(losses):
        passes = [i >= lost for i in range(200)]
        run = record(f"m{position}", results(passes))
        found.append(
            Contender(position, f"m{position}", baseline, run, compare(baseline, run, gate))
        )
    return found


@pytest.fixture
def perfect() -> RunRecord:
    return record("base", results([True] * 200), settings={})


@pytest.mark.parametrize("is_hard", [False, True])
def test_a_loser_that_one_finds_by_chance_among_many_is_not_called_one(
    perfect: RunRecord, is_hard: bool
) -> None:
    # Six losses and no gain: p = 2/2^6 = 0.031 alone, and five times that among five.
    gate = Gate(margin=Margin(0.0, is_hard))
    alone = judge_contenders(contenders(perfect, 6, gate=gate), [gate])
    many = judge_contenders(contenders(perfect, 6, 0, 0, 0, 0, gate=gate), [gate])

    assert alone[0].verdict == "regressed"
    assert many[0].p_value == pytest.approx(alone[0].p_value)
    assert many[0].p_adjusted == pytest.approx(5 * alone[0].p_value)
    assert many[0].verdict == "inconclusive"
    assert many[0].note == "regressed if it stood alone, not proven among so many candidates"


def test_a_loser_that_is_plain_stays_one_among_many(perfect: RunRecord) -> None:
    gate = Gate()

    rows = judge_contenders(contenders(perfect, 60, 0, 0, 0, gate=gate), [gate])

    assert [row.verdict for row in rows] == ["regressed", "passed", "passed", "passed"]


def test_a_winner_by_chance_only_passes() -> None:
    baseline = record("base", results([i >= 6 for i in range(200)]))
    gate = Gate()
    records = [
        record(f"m{i}", results([j >= lost for j in range(200)]))
        for i, lost in enumerate([0, 6, 6, 6, 6])
    ]
    given = [
        Contender(i, each.run.model, baseline, each, compare(baseline, each, gate))
        for i, each in enumerate(records)
    ]

    rows = judge_contenders(given, [gate])

    assert given[0].comparison.verdict == "improved"
    assert rows[0].verdict == "passed"


def test_a_case_that_must_pass_decides_among_many_as_alone() -> None:
    baseline = record("base", results([True] * 100))
    broken = record("new", results([i > 0 for i in range(100)]), settings={"must_pass": ["c000"]})
    fine = record("fine", results([True] * 100))
    gate = Gate()
    given = [
        Contender(i, each.run.model, baseline, each, compare(baseline, each, gate))
        for i, each in enumerate((broken, fine))
    ]

    rows = judge_contenders(given, [gate])

    assert [row.verdict for row in rows] == ["regressed", "passed"]


def test_flips_are_counted_both_ways_and_not_where_runs_share_no_case() -> None:
    first = record("a", results([True, True, False, False]))
    second = record("b", results([True, False, True, True]))
    other = record("c", [*results([True])], settings={})
    alien = record("d", [each for each in results([True] * 6) if each.case_id > "c003"])

    flips = count_flips([first, second, other, alien], "all")

    assert flips.counts == (
        (0, 1, 0, None),
        (2, 0, 0, None),
        (0, 0, 0, None),
        (None, None, None, 0),
    )


@pytest.mark.parametrize(
    ("losses", "failed", "code"),
    [((60, 0), 0, 0), ((60, 0), 1, 0), ((60, 60), 0, 1), ((60,), 1, 2), ((60, 12), 0, 3)],
)
def test_the_exit_code_says_whether_there_is_a_candidate_to_take(
    perfect: RunRecord, losses: tuple[int, ...], failed: int, code: int
) -> None:
    gate = Gate(margin=Margin(0.05, is_hard=True))
    rows = judge_contenders(contenders(perfect, *losses, gate=gate), [gate])
    entries = [Entry(candidate=row.candidate, run_id=row.run_id) for row in rows]
    entries += [Entry(candidate="x", error="e")] * failed

    assert exit_code_of(rows, entries) == code
