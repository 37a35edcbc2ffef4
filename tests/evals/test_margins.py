"""Margins in the unit of the scores, and as a part of what the baseline scores."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from headway_evals.averages import Report
from headway_evals.commands import EVAL
from headway_evals.comparisons import compare
from headway_evals.errors import ComparisonError, SuiteError
from headway_evals.html_reports import html
from headway_evals.margins import read_margin
from headway_evals.outcomes import Comparison
from headway_evals.runs import Result, ScoreSummary
from headway_evals.suite_files import load_suite
from headway_evals.suites import Gate
from headway_evals.wordings import verdict_sentence
from headway_measures.scores import Direction, ScoreValue
from headway_measures.verdicts import Margin
from tests.evals.made_runs import record, result

TENTH = Gate("latency", Margin(0.1), slices="none", is_relative=True)
DRAWS = 250


def scored(values: Sequence[float | None], tags: Sequence[str] = ()) -> list[Result]:
    """Return results by a scorer without bounds; None is one that it could not score."""
    scores = [
        ScoreValue(1e9, False, error="no clock") if value is None else ScoreValue(value, None)
        for value in values
    ]
    return [
        result(f"c{i:03}", True, tags[i : i + 1], scores={"latency": score})
        for i, score in enumerate(scores)
    ]


def judged(
    old: Sequence[Result],
    new: Sequence[Result],
    gate: Gate = TENTH,
    direction: Direction = "down",
) -> Comparison:
    scores = {"latency": ScoreSummary(0.0, 0, direction, None)}
    return compare(record("base", old, scores=scores), record("new", new, scores=scores), gate)


@pytest.mark.parametrize(
    ("given", "scale", "wanted"),
    [
        (0.05, 1.0, (0.05, False)),
        ("0.05", 1.0, (0.05, False)),
        (250, None, (250.0, False)),
        ("10%", None, (0.1, True)),
        (" 2.5 % ", None, (0.025, True)),
    ],
)
def test_a_margin_is_a_fraction_a_number_or_a_part(
    given: object, scale: float | None, wanted: tuple[float, bool]
) -> None:
    assert read_margin(given, scale) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("scorer", "given", "told"),
    [
        ("latency", "margin: 100%", "has margin 100%, which must be from 0% to below 100%"),
        ("latency", "margin: -3", "has margin -3.0, which must be 0 or more in the unit"),
        ("latency", "margin: 1e999", "has margin inf, which must be 0 or more in the unit"),
        ("latency", "margin: 1..0%", "has margin '1..0%', which is not a number"),
        ("latency", "margin: much", "has margin 'much', which is not a number"),
        ("latency", "margin: true", "has margin True, which is not a number"),
        ("latency", "margin: {value: 10 ms}", "has margin '10 ms', which is not a number"),
        ("latency", "min_n: 3", "has no margin, and latency has no usual one: give it in the unit"),
        ("exact", "margin: 5%", "has margin 5%, which only scores without bounds can have; wri"),
        ("exact", "margin: 5", "has margin 5.0, which must be a fraction: 0.05 is 5 points"),
    ],
)
def test_a_margin_that_makes_no_sense_is_told_by_its_line(
    tmp_path: Path, scorer: str, given: str, told: str
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "suite: s\nscorers: [exact, latency]\ncases: [{id: a, input: x, expected: y}]\n"
        f"gate:\n  scorer: {scorer}\n  {given}\n"
    )

    with pytest.raises(SuiteError) as caught:
        load_suite(path)

    (line,) = str(caught.value).splitlines()
    at = 6 if "margin" in given else 5
    assert line.startswith(f"{path}:{at}: gate {told}")


def test_a_file_may_say_a_margin_in_per_cent(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "{suite: s, scorers: [latency], cases: [{id: a, input: x}], "
        "gate: {scorer: latency, margin: {value: 10%, hard: true}}}"
    )

    gate = load_suite(path).gate

    assert (gate.margin, gate.is_relative) == (Margin(0.1, is_hard=True), True)


def test_a_relative_margin_is_told_in_the_unit_and_as_what_it_is() -> None:
    old, new = [100.0 + i % 7 for i in range(60)], [104.0 + i % 5 for i in range(60)]

    comparison = judged(scored(old), scored(new))

    assert comparison.verdict == "passed"
    assert comparison.margin == pytest.approx(np.mean(old) / 10)
    assert comparison.overall.margin_share == 0.1
    assert "margin 10.29, 10 % of the baseline's" in verdict_sentence(comparison)


@pytest.mark.parametrize(
    ("direction", "factor", "verdict"),
    [
        ("down", 1.05, "passed"),
        ("down", 1.3, "regressed"),
        ("down", 0.8, "improved"),
        ("up", 0.95, "passed"),
        ("up", 0.7, "regressed"),
        ("up", 1.3, "improved"),
    ],
)
def test_a_relative_margin_goes_the_way_of_its_scores(
    direction: Direction, factor: float, verdict: str
) -> None:
    old = [100.0 + i % 7 for i in range(60)]

    comparison = judged(scored(old), scored([each * factor for each in old]), direction=direction)

    assert comparison.verdict == verdict


def test_each_slice_has_the_margin_of_its_own_baseline() -> None:
    tags = ["short", "long"] * 30
    old = [(10.0 if i % 2 == 0 else 1000.0) + i % 7 for i in range(60)]

    comparison = judged(
        scored(old, tags),
        scored([each * 1.02 for each in old], tags),
        Gate("latency", Margin(0.1), is_relative=True),
    )
    by_name = {each.slice: each for each in comparison.slices}

    assert by_name["short"].margin == pytest.approx(1.3, abs=0.1)
    assert by_name["long"].margin == pytest.approx(100.3, abs=0.1)
    assert html(Report((record("m", scored(old)),), comparison)).count('class="margin"') == 3


def test_measurements_that_failed_are_the_worst_and_blow_up_no_mean() -> None:
    old: list[float | None] = [100.0 + i % 7 for i in range(60)]
    broken = [*old[:50], *[None] * 10]

    overall = judged(scored(old), scored(broken), TENTH).overall

    assert overall.difference < 0
    assert overall.candidate < 110
    assert overall.verdict == "passed"


def test_shares_have_no_relative_margin() -> None:
    scores = {"latency": ScoreSummary(0.0, 0, "down", 1.0)}
    run = record("m", scored([0.0, 0.5]), scores=scores)

    with pytest.raises(ComparisonError, match="margin of 10%, which only scores without bounds"):
        compare(run, run, TENTH)


@pytest.mark.parametrize("is_hard", [False, True])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_loss_of_just_the_margin_passes_no_more_often_than_alpha(
    direction: Direction, is_hard: bool
) -> None:
    n, factor = 40, 1.1 if direction == "down" else 0.9
    gate = Gate("latency", Margin(0.1, is_hard), slices="none", is_relative=True)
    draw = np.random.default_rng(7)
    passed = regressed = 0
    for _ in range(DRAWS):
        old = 100 * draw.gamma(4.0, size=n)
        new = factor * old * (1 + 0.2 * draw.standard_normal(n))
        found = judged(scored(old.tolist()), scored(new.tolist()), gate, direction).verdict
        passed += found in ("passed", "improved")
        regressed += found == "regressed"

    # Two-sided intervals at 0.05: 2.5 %, and three standard errors of so many draws.
    most = DRAWS * 0.025 + 3 * np.sqrt(DRAWS * 0.025 * 0.975)
    assert passed <= most
    assert not is_hard or regressed <= most


def test_the_command_line_takes_any_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "margin_models.py").write_text("def echo(prompt): return prompt\n")
    cases = [{"id": f"c{i}", "input": f"q{i}"} for i in range(20)]
    gate = {"scorer": "latency", "margin": "10%"}
    suite = {"suite": "s", "scorers": ["latency"], "gate": gate, "cases": cases}
    (tmp_path / "s.yaml").write_text(json.dumps(suite))
    parser = argparse.ArgumentParser()
    EVAL.configure(parser)
    spec = "python:margin_models:echo"

    def told(*words: str) -> str:
        line = ["run", "s.yaml", "--model", spec, "--baseline", spec, "--no-publish", *words]
        EVAL.run(parser.parse_args(line))
        return " ".join(capsys.readouterr().out.split())

    assert "10 % of the baseline's" in told()
    assert "90 % of the baseline's" in told("--margin", "90%")
    assert "PASSED" in told("--margin", "5000")
    with pytest.raises(ComparisonError, match="--margin: gate 'latency' has margin 300%"):
        told("--margin", "300%")
