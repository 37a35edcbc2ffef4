"""Cases that flip under weights that did not change, found in the runs of this machine."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import msgspec
import pytest

from headway.errors import HeadwayError
from headway_evals.commands import SUITE
from headway_evals.flakes import find_flakes
from headway_evals.runs import RESULTS_FILE, RUN_FILE, RunRecord
from headway_evals.suite_files import load_suite
from headway_measures.errors import MeasureError
from headway_measures.flips import FlipRate, flip_rate
from tests.evals.made_runs import record, result

SUITE_FILE = """\
# What people write to us.
suite: s
scorers: [exact]
cases:   # each from a mail
  - {id: steady, input: in steady, expected: right}
  - {id: "odd: one", input: "in odd: one", expected: right}  # flips
  - {id: new, input: in new, expected: right}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suite.yaml").write_text(SUITE_FILE)
    return tmp_path


def keep(place: Path, number: int, odd: bool, *, digest: str = "d", **settings: object) -> None:
    """Write a run in which the odd case passes or fails."""
    made = record(
        f"m{number:02}", [result("steady", True), result("odd: one", odd)], settings=dict(settings)
    )
    started = f"2026-11-22T10:00:{number:02}Z"
    run = msgspec.structs.replace(made.run, model_digest=digest, started_at=started)
    write(place / ".headway" / "runs" / run.run_id, replace(made, run=run))


def write(folder: Path, made: RunRecord) -> None:
    folder.mkdir(parents=True)
    lines = b"\n".join(map(msgspec.json.encode, made.results))
    (folder / RESULTS_FILE).write_bytes(lines + b"\n")
    (folder / RUN_FILE).write_bytes(msgspec.json.encode(made.run))


def invoke(*words: str) -> int:
    parser = argparse.ArgumentParser()
    SUITE.configure(parser)
    return SUITE.run(parser.parse_args(words))


def test_the_rate_is_that_of_jeffreys_prior() -> None:
    rate = flip_rate([[True, False, True, True], [True]])

    assert (rate.answers, rate.passed, rate.steps, rate.flips) == (5, 4, 3, 2)
    assert rate.mean == pytest.approx(2.5 / 4)
    # The median of Beta(1/2, 1/2) is a half.
    assert flip_rate([[True]]).quantile(0.5) == pytest.approx(0.5)
    with pytest.raises(MeasureError, match="3 flips in 2 steps"):
        FlipRate(3, 1, 2, 3)


def test_flips_are_counted_between_runs_of_the_same_weights_only(place: Path) -> None:
    for number, (odd, digest) in enumerate(
        [(True, "a"), (False, "b"), (True, "a"), (False, "b"), (False, "a")]
    ):
        keep(place, number, odd, digest=digest)

    found = find_flakes(load_suite(place / "suite.yaml"), place / ".headway" / "runs")

    assert found.rates["odd: one"] == FlipRate(answers=5, passed=2, steps=3, flips=1)
    assert found.rates["steady"].flips == 0
    assert "new" not in found.rates
    assert list(found.flaky) == ["odd: one"]


def test_other_numerics_other_questions_and_copies_do_not_count(place: Path) -> None:
    keep(place, 0, True, model={"dtype": "float32", "noise_floor": None})
    keep(place, 1, False, model={"dtype": "bfloat16", "noise_floor": None})
    keep(place, 2, False, model={"dtype": "float32", "noise_floor": {"items": 2}}, kept_count=2)
    suite = load_suite(place / "suite.yaml")
    runs_dir = place / ".headway" / "runs"

    assert find_flakes(suite, runs_dir).rates == {}
    assert find_flakes(suite, runs_dir).copied_count == 1
    keep(place, 3, False, model={"dtype": "float32", "noise_floor": {"items": 2}})
    assert find_flakes(suite, runs_dir).rates["odd: one"].flips == 1
    (place / "suite.yaml").write_text(SUITE_FILE.replace("in odd: one", "asked otherwise"))
    assert "odd: one" not in find_flakes(load_suite(place / "suite.yaml"), runs_dir).rates


def test_answers_to_one_case_in_one_run_are_repetitions(place: Path) -> None:
    text = SUITE_FILE.replace("scorers:", "repeats: 3\ngeneration: {temperature: 1}\nscorers:")
    (place / "suite.yaml").write_text(text)
    answers = [
        result(f"steady{suffix}", passed, input="in steady", cluster="steady")
        for suffix, passed in (("", True), ("#2", False), ("#3", False))
    ]
    write(place / ".headway" / "runs" / "run-a", record("a", answers))

    found = find_flakes(load_suite(place / "suite.yaml"), place / ".headway" / "runs")

    assert found.rates == {"steady": FlipRate(answers=3, passed=1, steps=2, flips=1)}


def test_the_command_lists_them(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(6):
        keep(place, number, number % 2 == 0)

    code = invoke("flakes", "suite.yaml")

    told = capsys.readouterr().out
    assert code == 0
    assert "1 case of 2 that were answered more than once by the same weights flipped" in told
    assert "5 of 5" in told
    assert "proposed" in told
    assert "steady" not in told


def test_a_case_that_flips_is_written_into_quarantine_beside_all_comments(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):
        keep(place, number, number % 2 == 0)
    before = load_suite(place / "suite.yaml")

    invoke("quarantine", "suite.yaml")
    assert (place / "suite.yaml").read_text() == SUITE_FILE
    assert "--apply writes this" in capsys.readouterr().out
    invoke("quarantine", "suite.yaml", "--apply", "--days", "10")
    invoke("quarantine", "suite.yaml", "--apply")

    text = (place / "suite.yaml").read_text()
    assert text.startswith(SUITE_FILE)
    assert text.count("odd: one") == 3
    after = load_suite(place / "suite.yaml")
    assert after.version == before.version
    wards = {case.case_id: case.quarantine for case in after.cases}
    assert [case_id for case_id, ward in wards.items() if ward] == ["odd: one"]
    assert "5 flips in 5 repetitions" in str(wards["odd: one"])
    assert "no case is to be put in quarantine" in capsys.readouterr().out
    assert sorted(path.name for path in place.iterdir()) == [".headway", "suite.yaml"]


def test_lines_are_added_below_a_quarantine_that_is_there(place: Path) -> None:
    entry = "quarantine: # until they are mended\n  new: 2027-01-01 # Ann\n"
    (place / "suite.yaml").write_text(SUITE_FILE + entry)
    for number in range(6):
        keep(place, number, number % 2 == 0)

    invoke("quarantine", "suite.yaml", "--apply")

    text = (place / "suite.yaml").read_text()
    assert text.index('  "odd: one": {until: ') < text.index("  new: 2027-01-01 # Ann")
    assert text.startswith(SUITE_FILE + "quarantine: # until they are mended\n")


def test_a_file_that_lines_cannot_be_added_to_is_left_alone_and_they_are_told(
    place: Path,
) -> None:
    flow = json.dumps(
        {
            "suite": "s",
            "scorers": ["exact"],
            "cases": [{"id": "odd: one", "input": "in odd: one", "expected": "right"}],
        }
    )
    (place / "suite.yaml").write_text(flow)
    for number in range(6):
        keep(place, number, number % 2 == 0)

    with pytest.raises(HeadwayError, match=dedent('add:\nquarantine:\n  "odd: one": {until: ')):
        invoke("quarantine", "suite.yaml", "--apply")

    assert (place / "suite.yaml").read_text() == flow
