"""The Evals pages over a real collector: suites, runs, pairs, comparisons with gates, a sweep."""

import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from headway.apis import ApiClient
from headway_ui.commands import APP

Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def lab(collector_url: str) -> SimpleNamespace:
    """What ``eval_traffic.py`` sends, in the collector."""
    path = Path(__file__).with_name("eval_traffic.py")
    made = SimpleNamespace(**runpy.run_path(str(path)))
    made.send(ApiClient(collector_url))
    return made


@pytest.fixture
def open_page(
    collector_url: str, lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Open]:
    """Open a view of Evals by its query parameters."""
    monkeypatch.setenv("HEADWAY_URL", collector_url)

    def run(**query: str | list[str]) -> AppTest:
        page = AppTest.from_file(str(APP), default_timeout=60)
        page.switch_page("views/evals.py")
        for key, value in {"project": lab.PROJECT, **query}.items():
            page.query_params[key] = value
        page.run()
        assert not page.exception
        return page

    yield run
    st.cache_data.clear()


def words_of(page: AppTest) -> str:
    elements = [*page.title, *page.subheader, *page.markdown, *page.caption, *page.text]
    elements += [*page.info, *page.warning, *page.error]
    return "\n".join(str(element.value).replace("\\", "") for element in elements)


def press(page: AppTest, label: str) -> None:
    next(each for each in page.button if each.label == label).click().run()
    assert not page.exception


def test_the_list_holds_suites_comparisons_sweeps_and_runs(
    open_page: Open, lab: SimpleNamespace
) -> None:
    page = open_page()
    suites, runs = (each.value for each in page.dataframe)

    assert list(suites["Suite"]) == [lab.SUITE]
    assert list(suites["Runs"]) == [9]
    assert len(runs) == 9
    assert "base+step-9 got worse on 4 parts, although it passed overall" in words_of(page)
    assert f"Sweep {lab.SWEEP_ID}" in [each.label.replace("\\", "") for each in page.page_link]


def test_the_list_is_narrowed_by_suite_verdict_and_model(open_page: Open) -> None:
    assert "No comparison matches." in words_of(open_page(verdict="passed"))
    assert "No run matches." in words_of(open_page(of_suite="another"))
    assert set(open_page(model="triage-v2").dataframe[1].value["Model"]) == {"triage-v2"}


def test_a_run_says_its_rate_with_its_interval_and_what_is_in_no_rate(open_page: Open) -> None:
    words = words_of(open_page(run="lab-0"))

    assert re.search(r"Passed 86\.4 % \(75\.\d % to 93\.\d %\), 51 of 59 cases", words)
    assert "In no rate: 1 case not asked, for the verdict was certain before." in words
    assert "1 case in quarantine, out of the gates: t-004." in words
    assert "took 1 min 15 s" in words
    assert "Lowest is exact with 86.4 %" in words


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "60 of 60 cases"),
        ({"outcome": "Failed"}, "8 of 60 cases"),
        ({"outcome": "Failed", "scorer": "json"}, "0 of 60 cases"),
        ({"case_tag": "kind:refund"}, "20 of 60 cases"),
        ({"case_q": "T-00"}, "10 of 60 cases"),
        ({"scorer": "no such scorer"}, "0 of 60 cases"),
    ],
)
def test_results_are_narrowed_by_the_url(
    open_page: Open, query: dict[str, str], found: str
) -> None:
    assert found in words_of(open_page(run="lab-0", **query))


def test_a_case_on_another_page_opens_from_its_link(open_page: Open) -> None:
    page = open_page(run="lab-0", case="t-058")

    assert "t-058" in [each.value for each in page.subheader]
    assert "t-058" not in set(page.dataframe[0].value["Case"])


def test_results_are_paged_forth_and_back(open_page: Open) -> None:
    page = open_page(run="lab-0")
    first = list(page.dataframe[0].value["Case"])

    press(page, "Next cases")
    second = list(page.dataframe[0].value["Case"])
    press(page, "Previous cases")

    assert (len(first), second[0], len(second)) == (50, "t-050", 10)
    assert list(page.dataframe[0].value["Case"]) == first


def test_a_narrowed_run_begins_at_its_first_page_again(open_page: Open) -> None:
    page = open_page(run="lab-0")
    press(page, "Next cases")

    page.selectbox(key="scorer").select("exact").run()

    assert page.dataframe[0].value["Case"][0] == "t-000"


def test_a_comparison_says_its_gates_warnings_and_cases_that_must_pass(open_page: Open) -> None:
    page = open_page(comparison="cmp-lab")
    words = words_of(page)

    assert (
        words.count("REGRESSED in kind:refund, kind:damage by gate manners, gate manners, case")
        == 1
    )
    assert "Case t-003 must pass: it does for the baseline, and fails now." in words
    assert "the noise floor, 6.0 points, is not below the margin" in words
    assert "so many cases find a change of 8.0 points four times in five." in words
    assert "Slices by gate manners" in words
    gates = next(each.value for each in page.table if "Gate" in each.value)
    assert list(gates["Gate"]) == ["exact", "manners"]
    assert "p after Holm 0.002" in gates["What it says"][1]


def test_flips_are_stepped_through_those_that_fail_first(open_page: Open) -> None:
    page = open_page(comparison="cmp-lab")
    seen = []
    for _ in range(4):
        seen.append(next(word for word in words_of(page).split("\n") if word.startswith("**t-0")))
        if not next(each for each in page.button if each.label == "Next").disabled:
            press(page, "Next")

    assert seen == ["**t-002**", "**t-003**", "**t-004**", "**t-001**"]
    assert page.query_params["flip"] == "t-001"
    assert "Flip 4 of 4" in words_of(page)


def test_a_flip_opens_from_its_link(open_page: Open) -> None:
    assert "Flip 2 of 4" in words_of(open_page(comparison="cmp-lab", flip="t-003"))


def test_any_two_runs_show_their_flips_and_how_a_verdict_is_made(
    open_page: Open, collector_url: str
) -> None:
    page = open_page(baseline="lab-0", candidate="lab-1")

    assert "7 of 59 cases that both runs judged fail now, 8 pass now." in words_of(page)
    (command,) = [each.value for each in page.code]
    assert command.startswith("headway eval compare lab-0 lab-1 ")
    assert f"--publish --url {collector_url}" in command


def test_two_runs_with_a_verdict_say_it(open_page: Open) -> None:
    page = open_page(baseline="lab-4", candidate="sweep-step-9")

    assert not page.code
    assert "The whole comparison" in [each.label for each in page.page_link]


def test_a_suites_course_marks_versions_and_lists_what_flips(
    open_page: Open, lab: SimpleNamespace
) -> None:
    page = open_page(suite=lab.SUITE)

    assert "The latest 9 runs of project eval-lab" in words_of(page)
    assert "The latest run, base+" in words_of(page)
    runs, flipping = (each.value for each in page.dataframe)
    assert len(runs) == 9
    assert max(flipping["Flips"]) >= 2
    assert "Compare these two" in [each.label for each in page.page_link]


def test_a_sweep_ranks_candidates_and_hides_none(open_page: Open, lab: SimpleNamespace) -> None:
    page = open_page(sweep=lab.SWEEP_ID)
    words = words_of(page)
    table = page.dataframe[0].value

    assert (
        "5 candidates on triage/lab: 1 improved, 1 inconclusive, 1 regressed, 1 unjudged" in words
    )
    assert "1 without a run" in words
    assert list(table["Verdict"]) == ["improved", "inconclusive", "regressed", "unjudged"]
    assert table["p (Holm)"][0] == "0.004"
    assert "hf:base+v9: no run: it fits no base" in words
    assert "base+step-10: regressed if it stood alone" in words
    matrix = next(each.value for each in page.table if "Passes under" in each.value)
    assert matrix["Passes under"][0].replace("\\", "") == "0 triage-base (baseline)"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"sweep": "gone"}, "No candidate of this sweep is published."),
        ({"suite": "gone"}, "No run of gone is published."),
        ({"baseline": "gone", "candidate": "lab-0"}, "There is no run gone."),
        ({"run": "gone"}, "There is no run gone."),
    ],
)
def test_what_is_not_there_is_said(open_page: Open, query: dict[str, str], words: str) -> None:
    assert words in words_of(open_page(**query))
