"""``headway drift``: what it asks, prints and exits with."""

import argparse
import json
import os
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import pytest

from headway.apis import ApiClient
from headway.errors import CommandError
from headway_collector import drift_command
from headway_collector.drift_command import (
    DRIFT,
    EXIT_DRIFT,
    EXIT_TOO_LITTLE,
    ask,
    ask_shown,
    explain_exit,
    find_exit_code,
    parse_filters,
    show_card,
)
from headway_measures.drift.columns import LEAST_UNITS
from tests.collector.test_drift_cards import NOW_NS, make_call


def make_test(
    metric: str, side: str, state: str, n_cur: int = 30, units_cur: int = 30
) -> dict[str, Any]:
    return {
        "metric": metric,
        "side": side,
        "state": state,
        "n_ref": 90,
        "n_cur": n_cur,
        "units_ref": 90,
        "units_cur": units_cur,
    }


def say_in_one(head: str, *others: str) -> dict[str, Any]:
    """Return a card whose one finding speaks for several drifts."""
    card = make_card(*(make_test(name, "answer", "drift") for name in (head, *others)))
    return card | {"findings": card["findings"][:1]}


def make_card(*tests: dict[str, Any], verdict: str = "no_drift") -> dict[str, Any]:
    findings = [
        {"evidence": test, "sentence": f"{test['metric']} moved"}
        for test in tests
        if test["state"] == "drift"
    ]
    return {
        "card_id": "c",
        "verdict": "drift" if findings else verdict,
        "headline": "Headline.",
        "n_ref": 1_200,
        "n_cur": 30,
        "findings": findings,
        "tests": list(tests),
        "notes": ["A note."],
    }


DRIFTED = make_card(
    make_test("answer_chars", "answer", "drift"),
    make_test("prompt_chars", "prompt", "identical"),
    make_test("cost_usd", "call", "not_enough_data"),
)
PROMPTS_ALONE = make_card(
    make_test("prompt_chars", "prompt", "no_drift"), verdict="not_enough_data"
)
ALIKE = make_card(make_test("is_refusal", "answer", "identical"))
FEW_ALIKE = make_card(make_test("is_refusal", "answer", "identical", n_cur=29, units_cur=29))


@pytest.mark.parametrize(
    ("card", "fail_on", "code"),
    [
        (DRIFTED, ["drift"], EXIT_DRIFT),
        (DRIFTED, ["answer"], EXIT_DRIFT),
        (DRIFTED, ["answer_chars"], EXIT_DRIFT),
        (DRIFTED, ["prompt"], 0),
        (DRIFTED, ["prompt", "answer_chars"], EXIT_DRIFT),
        (DRIFTED, ["prompt_chars"], 0),
        (DRIFTED, ["call"], EXIT_TOO_LITTLE),
        (DRIFTED, ["cost_usd"], EXIT_TOO_LITTLE),
        (DRIFTED, ["score"], EXIT_TOO_LITTLE),
        (say_in_one("answer_chars", "answer_words"), ["answer_words"], EXIT_DRIFT),
        (make_card(make_test("answer_chars", "answer", "no_drift")), ["drift"], 0),
        (make_card(verdict="not_enough_data"), ["drift"], EXIT_TOO_LITTLE),
        (PROMPTS_ALONE, ["drift"], EXIT_TOO_LITTLE),
        (PROMPTS_ALONE, ["prompt"], 0),
        (ALIKE, ["drift"], 0),
        (ALIKE, ["answer"], 0),
        (FEW_ALIKE, ["drift"], EXIT_TOO_LITTLE),
        (FEW_ALIKE, ["answer"], EXIT_TOO_LITTLE),
        (FEW_ALIKE, ["is_refusal"], EXIT_TOO_LITTLE),
        (make_card(make_test("is_refusal", "answer", "failed")), ["drift"], EXIT_TOO_LITTLE),
        (
            make_card(make_test("is_refusal", "answer", "identical", n_cur=200, units_cur=1)),
            ["answer"],
            EXIT_TOO_LITTLE,
        ),
    ],
)
def test_the_exit_code_answers_the_question(
    card: dict[str, Any], fail_on: list[str], code: int
) -> None:
    assert find_exit_code(card, fail_on) == code


@pytest.mark.parametrize(
    ("card", "fail_on", "code", "reason"),
    [
        (DRIFTED, ["score"], EXIT_TOO_LITTLE, "--fail-on score: not enough data to say"),
        (DRIFTED, ["prompt", "prompt_chars"], 0, "prompt, prompt_chars: what drifted is something"),
        (DRIFTED, ["drift"], EXIT_DRIFT, None),
        (PROMPTS_ALONE, ["drift"], EXIT_TOO_LITTLE, None),
        (FEW_ALIKE, ["drift"], EXIT_TOO_LITTLE, "--fail-on drift: not enough data to say"),
        (make_card(), ["answer"], 0, None),
    ],
)
def test_an_exit_code_that_the_card_does_not_suggest_is_explained(
    card: dict[str, Any], fail_on: list[str], code: int, reason: str | None
) -> None:
    said = explain_exit(card, fail_on, code)

    assert said is None if reason is None else said is not None and reason in said


def test_a_metric_that_no_card_has_is_a_fault_and_no_verdict() -> None:
    with pytest.raises(CommandError, match="this card compares answer_chars, cost_usd"):
        find_exit_code(DRIFTED, ["answer_words"])


def test_a_card_is_shown_in_lines() -> None:
    assert show_card(DRIFTED) == (
        "Headline.\n\n- answer_chars moved\n\n"
        "1,200 calls before, 30 after; 3 measures: 1 drifted, 1 with nothing to compare,\n"
        "1 without enough data\nA note.\ncard c\n"
    )


def test_a_card_is_read_in_eighty_columns() -> None:
    long = " ".join(["a sentence that goes on and on and says how far it went"] * 5)
    finding = {"evidence": make_test("answer_chars", "answer", "drift"), "sentence": long}

    shown = show_card(DRIFTED | {"headline": long, "notes": [long], "findings": [finding]})

    assert max(map(len, shown.splitlines())) <= 80
    assert " ".join(shown.split()).count(long) == 3
    assert "\n- a sentence" in shown
    assert "\n  " in shown


def test_filters_are_read_as_they_stand_in_a_url() -> None:
    found = parse_filters("--ref", "start=-14d&tag=kind%3Aa&tag=b&where=cost_usd%3E0.1")

    assert found == {"start": ["-14d"], "tag": ["kind:a", "b"], "where": ["cost_usd>0.1"]}
    assert parse_filters("--filter", "") == {}
    with pytest.raises(CommandError, match="--ref 'last week' is not of the form name=value"):
        parse_filters("--ref", "last week")


@pytest.fixture
def headway(
    listen: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """Run ``headway drift`` on a collector with calls that drifted five days ago."""
    monkeypatch.chdir(tmp_path)
    url = listen(clock_ns=lambda: NOW_NS)
    lines = [make_call(number) for number in range(1, 241)]
    ApiClient(url).ingest(lines, project="shop", batch_id="b")
    parser = argparse.ArgumentParser()
    DRIFT.configure(parser)

    def run(*words: str) -> int:
        return DRIFT.run(parser.parse_args([*words, "--url", url, "--project", "shop"]))

    return run


def test_windows_are_compared_written_and_replayed(
    headway: Callable[..., int], capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    asked = ["--ref", "start=-10d&end=-5d", "--cur", "start=-5d", "--filter", "request_model=m"]
    asked += ["--metric", "answer_chars"]

    assert headway(*asked) == EXIT_DRIFT
    text = capfdbinary.readouterr().out.decode()
    assert "answer" in text
    assert headway(*asked, "--fail-on", "answer_chars", "--format", "json") == EXIT_DRIFT
    card = json.loads(capfdbinary.readouterr().out)
    assert " ".join(text.split()).startswith(card["headline"])
    assert text.endswith(f"card {card['card_id']}\n")
    file = tmp_path / "card.html"
    assert headway(*asked, "--out", str(file)) == EXIT_DRIFT
    assert file.read_text().startswith("<!doctype html>")
    said = capfdbinary.readouterr()
    assert said.out == b""
    assert f"card {card['card_id']} is in {file}\n" in said.err.decode()
    assert " ".join(said.err.decode().split()).startswith(card["headline"])
    assert headway(*asked, "--unit", "row", "--format", "json") == EXIT_DRIFT
    assert json.loads(capfdbinary.readouterr().out)["options"]["unit"] == "row"
    assert headway(*asked, "--fail-on", "prompt") == EXIT_TOO_LITTLE
    assert b"--fail-on prompt: not enough data to say" in capfdbinary.readouterr().err
    assert headway("--replay", card["card_id"]) == 0
    assert capfdbinary.readouterr().out.decode() == f"card {card['card_id']}: the same bytes\n"


def test_windows_without_calls_are_too_little_data(
    headway: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = ["--ref", "start=-10d&end=-5d", "--cur", "start=-5d", "--filter", "request_model=x"]

    assert headway(*nobody, "--metric", "answer_chars") == EXIT_TOO_LITTLE
    said = " ".join(capsys.readouterr().out.split())
    assert "no call is in the window before: look at its times and at " in said
    assert "no call is in the window after: look at its times and at " in said
    assert said.count("project shop, request_model x") == 2


def test_equal_values_count_from_as_many_units_as_a_test_takes() -> None:
    assert drift_command._LEAST_EQUAL == LEAST_UNITS


def test_two_calls_that_agree_are_too_little_data(
    headway: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--ref", "start=-8h&end=-7h", "--cur", "start=-4h&end=-3h", "--metric", "is_refusal"]

    assert headway(*asked) == EXIT_TOO_LITTLE
    assert headway(*asked, "--fail-on", "is_refusal") == EXIT_TOO_LITTLE
    said = capsys.readouterr()
    assert "1 calls before, 1 after" in said.out
    assert "--fail-on is_refusal: not enough data to say" in said.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "say which calls to compare"),
        (["--ref", "modle=m", "--cur", ""], "modle is unknown"),
        (["--ref", "", "--cur", "", "--alpha", "2"], "--alpha 2.0: give a rate between 0 and 1"),
        (["--ref", "", "--cur", "", "--alpha", "nan"], "--alpha nan: give a rate between 0 and 1"),
        (["--ref", "start=-14d", "--cur", "start=-7d"], "current lies within reference"),
        (["--replay", "none"], "there is no drift card 'none'"),
    ],
)
def test_what_cannot_be_asked_is_told_in_a_line(
    headway: Callable[..., int], words: list[str], reason: str
) -> None:
    with pytest.raises(CommandError, match=reason):
        headway(*words)


class Answering(ApiClient):
    """A collector that answers what it is told."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        super().__init__("http://127.0.0.1:1")
        self._answers = iter(answers)

    def post(self, path: str, body: Any, *, project: str | None = None) -> Any:
        return next(self._answers)

    def get(self, path: str, params: Any = None) -> Any:
        return next(self._answers)


@pytest.mark.parametrize(
    ("state", "error", "reason"),
    [("failed", "out of memory", "out of memory"), ("cancelled", None, "it was cancelled")],
)
def test_a_job_that_comes_to_nothing_is_told(state: str, error: str | None, reason: str) -> None:
    client = Answering(
        {"job_id": "j", "card_id": "c"},
        {"state": "running", "error": None},
        {"state": state, "error": error},
    )
    seen: list[str] = []

    with pytest.raises(CommandError, match=reason):
        ask(client, "/v1/drift", {}, None, lambda job: seen.append(job["state"]), lambda s: None)

    assert seen == ["running", state]


def test_a_terminal_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = os.openpty()
    client = Answering(
        {"job_id": "j", "card_id": "c"},
        {"state": "running", "stage": "columns", "done": 3, "total": 9, "error": None},
        {"state": "done", "stage": "", "done": 0, "total": 0, "result": {"verdict": "drift"}},
    )

    with os.fdopen(theirs, "w") as terminal, redirect_stderr(terminal):
        asked = ask_shown(client, "/v1/drift", {}, None)
        shown = os.read(ours, 65_536).decode()
    os.close(ours)

    assert asked == ("c", {"verdict": "drift"})
    assert "columns" in shown
