"""Cases in quarantine are in no gate until their day, in the report all the same."""

from datetime import UTC, date, datetime
from pathlib import Path
from textwrap import dedent

import pytest

from headway_evals.comparisons import compare
from headway_evals.errors import SuiteError
from headway_evals.outcomes import Comparison
from headway_evals.quarantines import Quarantine
from headway_evals.suite_files import load_suite
from headway_evals.suites import Gate
from tests.evals.made_runs import record, result

SUITE = """\
suite: s
scorers: [exact]
quarantine:
  a: {until: 2026-12-31, reason: flips}
cases:
  - {id: a, input: x, expected: y}
  - {id: b, input: x, expected: y, quarantine: 2026-12-30}
  - {id: c, input: x, expected: y}
"""


def load(tmp_path: Path, text: str) -> dict[str, Quarantine | None]:
    (tmp_path / "suite.yaml").write_text(dedent(text))
    return {case.case_id: case.quarantine for case in load_suite(tmp_path / "suite.yaml").cases}


def test_a_quarantine_stands_at_the_suite_or_at_the_case(tmp_path: Path) -> None:
    assert load(tmp_path, SUITE) == {
        "a": Quarantine(date(2026, 12, 31), "flips"),
        "b": Quarantine(date(2026, 12, 30)),
        "c": None,
    }


def test_it_holds_for_all_answers_to_a_case_and_changes_no_version(tmp_path: Path) -> None:
    text = SUITE.replace("scorers:", "repeats: 2\ngeneration: {temperature: 1}\nscorers:")
    found = load(tmp_path, text)
    version = load_suite(tmp_path / "suite.yaml").version
    free = text.replace("  a: {until: 2026-12-31, reason: flips}\n", "  {}\n")
    free = free.replace(", quarantine: 2026-12-30", "")

    assert found["a#2"] == found["a"] is not None
    assert found["b#2"] == found["b"] is not None
    assert set(load(tmp_path, free).values()) == {None}
    assert load_suite(tmp_path / "suite.yaml").version == version


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("a: {", "z: {", "names case 'z', which the suite does not have"),
        ("2026-12-31", "never", "has a 'never', which is no day to end at: write it as 2026-12-31"),
        ("until: 2026-12-31, ", "", "which is no day to end at"),
        ("reason", "because", "has an unknown key 'because'"),
        ("quarantine: 2026-12-30", "quarantine: 30", "has quarantine 30, which is no day"),
    ],
)
def test_its_faults_are_told(tmp_path: Path, old: str, new: str, fault: str) -> None:
    with pytest.raises(SuiteError, match=fault):
        load(tmp_path, SUITE.replace(old, new))


def judged(today: str, must_pass: tuple[str, ...] = ()) -> Comparison:
    """Compare runs of 100 cases, of which eight in quarantine fail for the candidate alone."""
    ids = [f"c{i}" for i in range(100)]
    wards = {case_id: {"until": "2026-12-31", "reason": ""} for case_id in ids[:8]}
    old = record("base", [result(each, True) for each in ids])
    new = record(
        "new",
        [result(each, each not in wards) for each in ids],
        settings={"quarantine": wards, "must_pass": list(must_pass)},
    )
    moment = datetime.fromisoformat(f"{today}T23:00:00").replace(tzinfo=UTC)
    return compare(old, new, Gate(), now=lambda: moment)


def test_cases_in_quarantine_are_in_no_gate_and_in_the_report() -> None:
    comparison = judged("2026-12-31", must_pass=("c1",))

    assert comparison.verdict == "passed"
    assert comparison.overall.n == 92
    assert comparison.overall.must_pass == ()
    note = "in quarantine, and in no gate: c0, c1, c2, c3, c4 and 3 more; 8 passed before and fail"
    assert note in comparison.overall.note
    assert comparison.overall.warnings == ()


def test_a_lapsed_quarantine_is_told_and_its_cases_count_again() -> None:
    comparison = judged("2027-01-01")

    assert comparison.verdict == "regressed"
    assert comparison.overall.n == 100
    assert "in quarantine" not in comparison.overall.note
    assert comparison.overall.warnings == (
        "the quarantine of 8 cases is over, so that the gates count them again: c0 (2026-12-31), "
        "c1 (2026-12-31), c2 (2026-12-31), c3 (2026-12-31), c4 (2026-12-31) and 3 more; mend the "
        "case, or set another day",
    )
