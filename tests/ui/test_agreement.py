"""Two scores of the same answers on the page of quality, and one score by two sources."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from headway.apis import ApiClient
from headway.records import Record, Score, Span, encode_record
from headway_ui import quality_words
from headway_ui.commands import APP

JUDGED = "judged"
FOUND: dict[str, Any] = {
    "first": "thumbs",
    "second": "judge",
    "first_source": None,
    "second_source": None,
    "n": 40,
    "kind": "boolean",
    "agreement": 0.875,
    "kappa": 0.75,
    "kappa_lower": 0.52,
    "kappa_upper": 0.93,
    "mean_difference": 0.1,
    "labels": ["no", "yes"],
    "table": [[15, 0], [5, 20]],
}


@pytest.fixture(scope="module")
def judged(collector_url: str) -> str:
    """The address of a collector with answers that people and a judge called helpful or not."""
    start = datetime.now(UTC) - timedelta(days=1)
    lines: list[Record] = []
    for number in range(40):
        at = int((start + timedelta(minutes=number)).timestamp()) * 10**9
        ids: dict[str, Any] = {"trace_id": f"{number + 1:032x}", "span_id": f"{number + 1:016x}"}
        lines.append(Span(name="answer", kind="llm", start_ns=at, end_ns=at + 10**6, **ids))
        for source, value in (("human", number % 4 > 0), ("judge", number % 2 > 0)):
            score: dict[str, Any] = {"name": "helpful", "value": value, "source": source}
            lines.append(Score(score_id=f"{source}-{number}", time_ns=at, **score, **ids))
    api = ApiClient(collector_url)
    api.ingest([encode_record(each) for each in lines], project=JUDGED, batch_id=JUDGED)
    return collector_url


@pytest.fixture
def open_quality(judged: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    monkeypatch.setenv("HEADWAY_URL", judged)

    def run(**query: str) -> AppTest:
        page = AppTest.from_file(str(APP), default_timeout=60).switch_page("views/quality.py")
        for name, value in {"project": JUDGED, **query}.items():
            page.query_params[name] = value
        return page.run()

    yield run
    st.cache_data.clear()


def words_of(page: AppTest) -> str:
    assert not page.exception
    return "\n".join(str(each.value) for each in page.markdown).replace("\\", "")


def test_one_score_is_compared_between_people_and_a_judge(
    open_quality: Callable[..., AppTest],
) -> None:
    page = open_quality()

    assert "helpful (human) and helpful (judge) say the same of 75.0 % of 40 answers" in words_of(
        page
    )
    (table,) = [each.value for each in page.table if "yes " in each.value]
    assert list(table["helpful (human) ↓  helpful (judge) →"]) == ["no", "yes"]


def test_a_link_says_which_sources_are_compared(open_quality: Callable[..., AppTest]) -> None:
    page = open_quality(first_of_same="judge", second_of_same="human")

    assert "helpful (judge) and helpful (human) say the same" in words_of(page)


def test_the_same_source_twice_is_refused_in_words(open_quality: Callable[..., AppTest]) -> None:
    page = open_quality(first_of_same="judge", second_of_same="judge")

    assert not page.exception
    assert page.info


def test_agreement_is_told_beyond_chance() -> None:
    assert quality_words.of_agreement(FOUND) == (
        "thumbs and judge say the same of 87.5 % of 40 answers; beyond chance, "
        "κ = 0.75 (0.52 to 0.93)."
    )
    assert quality_words.of_agreement(FOUND | {"kind": "number", "mean_difference": -0.5}) == (
        "Of 40 answers with both scores, judge lies 0.5 below thumbs on average; beyond chance, "
        "κ = 0.75 (0.52 to 0.93)."
    )
    assert [list(each.values()) for each in quality_words.of_table(FOUND)] == [
        ["no", "15", "0"],
        ["yes", "5", "20"],
    ]
