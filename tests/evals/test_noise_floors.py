"""A gate that asks for more than the noise of its models allows says so in every report."""

from io import StringIO
from xml.etree import ElementTree

import pytest
from rich.console import Console

from headway_evals.annotations import annotations
from headway_evals.averages import Report
from headway_evals.comparisons import compare
from headway_evals.html_reports import html
from headway_evals.junit_reports import junit
from headway_evals.markdown_reports import markdown
from headway_evals.reports import write_report
from headway_evals.runs import RunRecord, ScoreSummary
from headway_evals.suites import Gate
from headway_measures.scores import ScoreValue
from headway_measures.verdicts import Margin
from tests.evals.made_runs import record, result, results

WARNING = (
    "gate all: its margin of 5.0 points is not above the noise floor of 7.5 points: noisy answers "
    "3 of 40 cases otherwise in another batch; raise the margin, ask each case more often "
    "(repeats) or run in float32 (--dtype float32)"
)


def run(name: str, changed: int | None, dtype: str = "bfloat16") -> RunRecord:
    floor = None if changed is None else {"items": 40, "changed": changed, "difference": 0.1}
    model = {"noise_floor": floor, "dtype": dtype}
    return record(name, results([True] * 40), settings={"model": model})


def warnings(old: RunRecord, new: RunRecord, *gates: Gate) -> tuple[str, ...]:
    return compare(old, new, gates or Gate()).overall.warnings


def test_the_noisier_run_counts() -> None:
    quiet, noisy = run("quiet", 0), run("noisy", 3)

    assert warnings(quiet, noisy) == warnings(noisy, quiet) == (WARNING,)


@pytest.mark.parametrize(
    ("changed", "margin", "count"),
    [(3, 0.074, 1), (3, 0.075, 1), (3, 0.076, 0), (0, 0.0, 0), (None, 0.0, 0)],
)
def test_only_a_margin_above_the_floor_is_not_warned_of(
    changed: int | None, margin: float, count: int
) -> None:
    noisy = run("noisy", changed)

    assert len(warnings(noisy, noisy, Gate(margin=Margin(margin)))) == count


def test_each_gate_is_named() -> None:
    noisy = run("noisy", 3)

    told = warnings(noisy, noisy, Gate(), Gate("exact", Margin(0.2)), Gate("exact", name="words"))

    assert [each.split(":")[0] for each in told] == ["gate all", "gate words"]


def test_float32_is_no_remedy_where_it_is_used() -> None:
    noisy = run("noisy", 3, "float32")

    (told,) = warnings(noisy, noisy)

    assert told.endswith("; raise the margin or ask each case more often (repeats)")


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "hf:x"},
        {"model": {"noise_floor": 3}},
        {"model": {"noise_floor": {"items": 0, "changed": 0}}},
        {"model": {"noise_floor": {"items": "4", "changed": None}}},
    ],
)
def test_a_run_of_anybody_else_has_no_floor(settings: dict[str, object]) -> None:
    foreign = record("m", results([True] * 40), settings=settings)

    assert warnings(foreign, foreign) == ()


def test_scores_without_bounds_are_not_held_against_a_share() -> None:
    latency = [
        result(f"c{i}", True, scores={"latency": ScoreValue(9.0 + i, None)}) for i in range(40)
    ]
    scores = {"latency": ScoreSummary(0.0, 0, "down", None)}
    settings = {"model": {"noise_floor": {"items": 40, "changed": 40}}}
    noisy = record("noisy", latency, scores=scores, settings=settings)

    assert warnings(noisy, noisy, Gate("latency", Margin(0.01))) == ()


def test_every_form_of_a_report_tells_it() -> None:
    noisy = run("noisy", 3)
    report = Report((noisy, noisy), compare(noisy, noisy, Gate()))
    terminal = StringIO()
    write_report(Console(file=terminal, width=500), report)

    document = ElementTree.fromstring(junit(report))
    told = document.find("./testsuite/testcase[@name='gate']/system-out")

    assert f"warning: {WARNING}" in terminal.getvalue()
    assert "> ⚠️ gate all: its margin of 5.0 points is not above" in markdown(report)
    assert f"Warning: {WARNING}" in html(report)
    assert told is not None
    assert f"warning: {WARNING}" in str(told.text)
    assert annotations(report)[1] == f"::warning title=headway%3A s::{WARNING}"
