"""Verdicts in words, in pictures, and the marked differences of two answers."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from headway_ui import differences, eval_charts, verdicts


@pytest.fixture
def comparison(traffic: SimpleNamespace) -> dict[str, Any]:
    made: dict[str, Any] = traffic.make_comparison(datetime(2026, 11, 22, tzinfo=UTC))
    return made


def test_a_regressed_slice_is_named_although_the_whole_passed(comparison: dict[str, Any]) -> None:
    assert verdicts.sentence(comparison) == (
        "triage-v3 got worse on kind:refund, although it passed overall: 90.2 % → 91.7 %, "
        "+1.5 points (−1.4 to +4.4) on 480 cases."
    )


@pytest.mark.parametrize(
    ("verdict", "start"),
    [
        ("passed", "triage-v3 is not worse than triage-base by more than 5.0 points: "),
        ("improved", "triage-v3 is better than triage-base: "),
        ("regressed", "triage-v3 is worse than triage-base: "),
        ("inconclusive", "It cannot be told whether triage-v3 is worse than triage-base: "),
    ],
)
def test_each_verdict_has_its_own_sentence(
    comparison: dict[str, Any], verdict: str, start: str
) -> None:
    comparison["slices"] = []
    comparison["overall"]["verdict"] = verdict

    assert verdicts.sentence(comparison).startswith(start)


def test_an_inconclusive_verdict_says_how_many_cases_would_tell(
    comparison: dict[str, Any],
) -> None:
    comparison["slices"] = []
    comparison["overall"] |= {"verdict": "inconclusive", "needs_n": 1200}

    assert verdicts.sentence(comparison).endswith("About 1,200 cases would tell.")


def test_a_verdict_is_never_told_by_colour_alone() -> None:
    for verdict in (*verdicts.VERDICTS, "something new"):
        badge = verdicts.badge(verdict)

        assert verdict in badge
        assert ":material/" in badge


def test_the_margin_and_zero_are_always_in_the_picture(comparison: dict[str, Any]) -> None:
    rows = eval_charts.to_rows([comparison["overall"]])
    forest = eval_charts.forest(rows, comparison["margin"]).to_dict()
    low, high = forest["layer"][3]["encoding"]["x"]["scale"]["domain"]

    assert low < -5 < 0 < high
    assert [layer["data"]["values"][0]["at"] for layer in forest["layer"][1:3]] == [0, -5]


def test_slices_are_drawn_in_points_in_the_order_given(comparison: dict[str, Any]) -> None:
    rows = eval_charts.to_rows(comparison["slices"])
    forest = eval_charts.forest(rows, 0.05).to_dict()

    assert [row["label"] for row in rows] == ["kind:refund  (n = 24)", "kind:delivery  (n = 80)"]
    assert rows[0]["upper"] == -62
    assert forest["layer"][3]["encoding"]["y"]["sort"] == [row["label"] for row in rows]


def test_an_estimate_without_bounds_is_drawn_without_a_fault() -> None:
    bare = dict.fromkeys(("baseline", "candidate", "difference", "lower", "upper", "q_value"))
    rows = eval_charts.to_rows([{"verdict": "inconclusive", "n": 0, **bare}])

    assert eval_charts.forest(rows, 0.0).to_dict()["layer"]


def test_what_differs_between_two_answers_is_marked_in_both() -> None:
    marked = differences.compare('{"kind": "refund"}', '{"kind": "return"}')

    assert [piece.text for piece in marked.left if piece.is_changed] == ["refund"]
    assert [piece.text for piece in marked.right if piece.is_changed] == ["return"]
    assert "".join(piece.text for piece in marked.left) == '{"kind": "refund"}'


def test_answers_too_long_to_compare_are_marked_as_wholes() -> None:
    marked = differences.compare("a " * 2000, "b " * 2000)

    assert [piece.is_changed for piece in marked.left] == [True]


def test_an_answer_cannot_smuggle_html_into_the_page() -> None:
    marked = differences.compare("<b>x</b>", "<script>y</script>")

    assert "<script>" not in differences.to_html(marked.right, "0, 0, 0")
    assert "&lt;" in differences.to_html(marked.left, "0, 0, 0")


def test_what_regressed_besides_the_first_gate_is_named(comparison: dict[str, Any]) -> None:
    comparison["slices"] = []
    gate = {**comparison["overall"], "gate": "manners", "verdict": "regressed"}
    comparison["overall"] |= {"gates": [gate, gate], "must_pass": ["c7"]}

    assert verdicts.sentence(comparison).startswith(
        "triage-v3 got worse on gate manners and case c7, although it passed overall: "
    )


def test_a_further_gate_that_cannot_tell_is_named(comparison: dict[str, Any]) -> None:
    comparison["slices"] = []
    gate = {**comparison["overall"], "gate": "manners", "verdict": "inconclusive"}
    comparison["overall"]["gates"] = [gate, gate]
    comparison["verdict"] = "inconclusive"

    assert verdicts.sentence(comparison).startswith("It cannot be told by gate manners whether ")


def test_scores_that_are_no_shares_are_told_as_they_are(comparison: dict[str, Any]) -> None:
    comparison["slices"], comparison["margin"] = [], 50.0
    comparison["overall"] |= {"baseline": 310.5, "candidate": 290.0, "difference": 20.5}
    comparison["overall"] |= {"lower": -10.0, "upper": 51.0, "scale": None, "direction": "down"}

    assert verdicts.sentence(comparison) == (
        "triage-v3 is not worse than triage-base by more than 50: "
        "310.5 → 290, +20.5 gained (−10 to +51) on 480 cases."
    )


def test_scores_that_are_no_shares_are_drawn_as_they_are(comparison: dict[str, Any]) -> None:
    comparison["overall"] |= {"difference": 20.5, "lower": -10.0, "upper": 51.0, "scale": None}

    rows = eval_charts.to_rows([comparison["overall"]])
    forest = eval_charts.forest(rows, 50.0, is_share=False).to_dict()

    assert rows[0]["difference"] == 20.5
    assert [layer["data"]["values"][0]["at"] for layer in forest["layer"][1:3]] == [0, -50]
