"""What the Evals pages say, sweeps read from runs, and the pictures of rates. No browser."""

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headway_evals.outcomes import Comparison
from headway_evals.wordings import verdict_sentence
from headway_ui import eval_charts, eval_rate_charts, eval_sweeps, eval_words
from headway_ui.eval_sweeps import Flips


@pytest.fixture(scope="module")
def lab() -> SimpleNamespace:
    """The module ``eval_traffic.py``; test folders are no packages."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("eval_traffic.py"))))


def make_rate(passed: int, n: int, name: str = "", cases: int | None = None) -> dict[str, Any]:
    part = "scorer" if name else "all"
    told = {"rate": passed / n, "lower": 0.1, "upper": 0.9, "cases": cases or n}
    return {"part": part, "name": name, "n": n, "passed": passed} | told


def make_rated(run_id: str, version: str, day: int, *rates: dict[str, Any]) -> dict[str, Any]:
    time = f"2026-11-{day:02d}T10:00:00Z"
    run = {"run_id": run_id, "model": "m", "suite_version": version, "started_at": time}
    return run | {"rates": list(rates)}


def sweep_runs(lab: SimpleNamespace) -> list[dict[str, Any]]:
    return [
        {"run_id": f"sweep-{name}", "model": name, "suite": "s", "case_count": 60}
        | {"settings": {"sweep_id": lab.SWEEP_ID, **({"sweep": row} if row else {})}}
        for name, row in lab.make_sweep().items()
    ]


@pytest.mark.parametrize("overall", ["passed", "regressed", "inconclusive", "improved"])
@pytest.mark.parametrize("whole", ["regressed", "inconclusive", "passed"])
def test_the_headline_is_word_for_word_the_command_lines(
    lab: SimpleNamespace, overall: str, whole: str
) -> None:
    made = lab.make_comparison()
    made["verdict"] = whole
    if whole != "regressed":
        made["slices"], made["overall"]["must_pass"] = [], []
        made["overall"]["gates"][1] |= {"verdict": whole, "slices": []}
    made["overall"] |= {"verdict": overall, "needs_n": 900, "missing_n": 840}
    made["overall"]["note"] = "judged by the first 60"

    assert eval_words.headline(made) == verdict_sentence(as_comparison(made))


def as_comparison(made: dict[str, Any]) -> Comparison:
    import msgspec

    overall = {"needs_n": None} | made["overall"]
    overall["gates"] = [{"needs_n": None} | each for each in overall["gates"]]
    for gate in overall["gates"]:
        gate["slices"] = [{"needs_n": None} | each for each in gate.get("slices", [])]
    slices = [{"needs_n": None} | each for each in made["slices"]]
    return msgspec.convert(made | {"overall": overall, "slices": slices}, Comparison)


def test_a_rate_tells_answers_from_cases_where_cases_were_repeated() -> None:
    once, thrice = make_rate(7, 10), make_rate(7, 30, cases=10)

    assert eval_words.rate(once) == "70.0 % (10.0 % to 90.0 %), 7 of 10 cases"
    assert eval_words.rate(thrice).endswith("7 of 30 answers to 10 cases")


def test_what_is_in_no_rate_is_told_with_its_reason() -> None:
    outcomes = {"results": 9, "missing": 1, "not_asked": 2, "errors": 3}

    assert eval_words.unjudged(outcomes) == (
        "In no rate: 2 cases not asked, for the verdict was certain before and 1 case without an "
        "answer. 3 cases ended with an error and failed."
    )
    assert eval_words.unjudged(dict.fromkeys(outcomes, 0)) == ""


def test_a_run_that_was_stopped_or_repeated_says_so() -> None:
    stop = {"case_count": 40, "total": 500, "is_stopped": True}
    settings = {"early_stop": stop, "repeats": 5, "quarantine": {}}

    assert eval_words.notes({"settings": settings}) == [
        "Stopped after 40 of 500 cases, where the verdict was certain.",
        "Each case was asked 5 times; a case counts as one piece of evidence.",
    ]
    assert eval_words.notes({"settings": {"early_stop": "?", "repeats": "x"}}) == []


def test_a_command_with_odd_run_ids_is_safe_to_paste() -> None:
    command = eval_words.compare_command("a b", "$(rm)", "http://x")

    assert command.startswith("headway eval compare 'a b' '$(rm)' ")


def test_the_course_says_how_the_rate_moved_without_calling_it_a_verdict() -> None:
    runs = [make_rated("a", "v1", 1, make_rate(6, 10)), make_rated("b", "v1", 2, make_rate(8, 10))]

    assert eval_words.of_history(runs, "").endswith("+20.0 points to the run before it, m.")
    assert eval_words.of_history(runs, "exact") == "No run was judged by this scorer."


def test_versions_are_marked_where_they_change_and_runs_without_the_scorer_left_out() -> None:
    exact = make_rate(1, 2, "exact")
    runs = [
        make_rated("a", "v1", 1, exact),
        make_rated("b", "v1", 1, exact),
        make_rated("c", "v2", 2),
        make_rated("d", "v2", 3, exact),
    ]

    points = eval_rate_charts.to_course(runs, "exact")

    assert [point["run_id"] for point in points] == ["a", "b", "d"]
    assert [point["mark"] for point in points] == [None, None, "version v2"]
    assert [point["place"] for point in points] == ["000|1 Nov", "001|1 Nov", "002|3 Nov"]
    assert eval_rate_charts.course(points).to_dict()["layer"]


def test_rates_are_drawn_from_nothing_to_all_in_the_order_given() -> None:
    rows = eval_rate_charts.to_rows([make_rate(1, 2, "b"), make_rate(2, 2, "a")])
    drawn = eval_rate_charts.rates(rows).to_dict()

    encoding = drawn["layer"][0]["encoding"]
    assert encoding["x"]["scale"]["domain"] == [0, 1]
    assert encoding["y"]["sort"] == ["b", "a"]


def test_candidates_are_ranked_by_gain_and_those_without_a_row_come_last(
    lab: SimpleNamespace,
) -> None:
    runs = eval_sweeps.ranked(list(reversed(sweep_runs(lab))))

    assert [run["model"][:7] for run in runs] == ["step-9", "step-10", "step-30", "by-hand"]
    assert eval_sweeps.as_estimate(runs[0])["difference"] == 0.04
    assert eval_sweeps.as_estimate(runs[3])["difference"] is None


def test_a_partly_published_sweep_says_what_is_absent(lab: SimpleNamespace) -> None:
    some = sweep_runs(lab)[:1]

    assert eval_sweeps.headline(some) == (
        "5 candidates on s: 1 improved, 1 without a run, 3 not published"
    )
    assert eval_sweeps.headline(sweep_runs(lab)[3:]) == "1 candidate on s: 1 unjudged"


def test_flips_between_two_candidates_are_those_that_either_tells(lab: SimpleNamespace) -> None:
    runs = sweep_runs(lab)
    del runs[0]["settings"]["sweep"]["flips"]
    first, second, *_ = runs

    flips = eval_sweeps.flips(runs, "base")
    at = {run_id: place for place, run_id in enumerate(flips.run_ids)}
    passing, failing = at[first["run_id"]], at[second["run_id"]]
    told = second["settings"]["sweep"]["flips"][first["run_id"]]

    assert flips.run_ids[0] == "lab-4"
    assert flips.counts[passing][failing] == told["to_fail"]
    assert flips.counts[failing][passing] == told["to_pass"]
    assert flips.counts[passing][passing] is None


def test_two_runs_that_were_not_compared_are_no_cell_of_the_matrix() -> None:
    drawn = eval_rate_charts.matrix(Flips(("a", "b"), ("A", "B"), ((None, None), (3, None))))

    (cell,) = drawn.to_dict()["data"]["values"]
    assert (cell["passing"], cell["failing"], cell["count"]) == ("b", "a", 3)
    assert cell["told"] == "3 pass under 1 B and fail under 0 A"


def test_gates_are_drawn_by_their_names(lab: SimpleNamespace) -> None:
    rows = eval_charts.to_rows(lab.make_comparison()["overall"]["gates"], label="gate")

    assert [row["label"] for row in rows] == ["exact  (n = 60)", "manners  (n = 60)"]


def test_flips_that_fail_now_come_first() -> None:
    flips = [{"case_id": each, "direction": each} for each in ("to_pass", "to_fail")]

    assert [each["case_id"] for each in eval_words.ordered(flips)] == ["to_fail", "to_pass"]
