"""The page of quality over a real collector, its charts and its sentences."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from headway.apis import ApiClient
from headway.records import Record, Score, Span, encode_record, encode_value
from headway_ui import buckets, empty_states, quality_charts, quality_words
from headway_ui.commands import APP

Open = Callable[..., AppTest]
GRADED = "graded"


@pytest.fixture(scope="module")
def graded(collector_url: str) -> str:
    """The address of a collector with a project whose answers two judges have scored."""
    start = datetime.now(UTC) - timedelta(days=5)
    lines: list[Record] = []
    for number in range(120):
        at = start + timedelta(hours=number)
        # The third day is silent, so that there is a gap.
        if (at - start).days == 2:
            continue
        ids: dict[str, Any] = {"trace_id": f"{number + 1:032x}", "span_id": f"{number + 1:016x}"}
        version = "v1" if number < 60 else "v2"
        times: dict[str, Any] = {"start_ns": _ns(at), "end_ns": _ns(at) + 1_000_000}
        prompt = encode_value({"message": f"question {number % 24}"})
        model = "m"
        lines.append(
            Span(
                name="answer",
                kind="llm",
                request_model=model,
                prompt_version=version,
                input=prompt,
                **ids,
                **times,
            )
        )
        is_good = number % 10 > 0 if version == "v1" else number % 2 > 0
        verdicts: dict[str, bool | str] = {
            "helpful": is_good,
            "judge": is_good or number % 12 == 0,
            "mood": "calm",
        }
        lines += [
            Score(score_id=f"{name}-{number}", name=name, value=value, time_ns=_ns(at), **ids)
            for name, value in verdicts.items()
        ]
    api = ApiClient(collector_url)
    api.ingest([encode_record(each) for each in lines], project=GRADED, batch_id="graded")
    return collector_url


@pytest.fixture
def open_quality(graded: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open the page with query parameters."""
    monkeypatch.setenv("HEADWAY_URL", graded)

    def run(**query: str | list[str]) -> AppTest:
        page = AppTest.from_file(str(APP), default_timeout=60)
        page.switch_page("views/quality.py")
        for key, value in query.items():
            page.query_params[key] = value
        return page.run()

    yield run
    st.cache_data.clear()


def _ns(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000


def words_of(page: AppTest) -> str:
    elements = [*page.title, *page.markdown, *page.caption, *page.info, *page.subheader]
    return "\n".join(str(each.value).replace("\\", "") for each in elements)


def row(day: int, version: str | None, mean: float, n: int = 40, **fields: Any) -> dict[str, Any]:
    bounds = {"lower": mean - 0.05, "upper": mean + 0.05}
    level = {"prompt_version": version, "n": n, "units": n // 2, "mean": mean}
    return {"time": f"2026-11-{day:02d}T00:00:00Z", **level, **bounds, **fields}


def rows_of(chart: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (chart.get("data") or chart["layer"][0]["data"])["values"]
    return rows


def domain_of(chart: dict[str, Any]) -> list[float]:
    line = chart["layer"][2]["layer"][0]
    domain: list[float] = line["encoding"]["y"]["scale"]["domain"]
    return domain


ROWS = [row(1, "v1", 0.9), row(2, "v1", 0.88), row(4, "v1", 0.7), row(4, "v2", 0.9)]


@pytest.mark.parametrize("project", ["RICH", "SINGLE", "LOSSY", "EMPTY"])
def test_the_page_is_drawn_without_a_fault(
    open_quality: Open, traffic: SimpleNamespace, project: str
) -> None:
    page = open_quality(project=getattr(traffic, project))

    assert not page.exception
    assert not page.error
    assert page.title[0].value == "Quality"


def test_what_nobody_scored_says_how_to(
    open_quality: Open, traffic: SimpleNamespace, graded: str
) -> None:
    page = open_quality(project=traffic.SINGLE)

    assert "Nothing has been scored in this window." in words_of(page)
    (program,) = [code.value for code in page.code if code.language == "python"]
    compile(program, "snippet", "exec")
    assert program == empty_states.first_score_snippet(graded, traffic.SINGLE).strip()
    assert "headway.score(" in program


def test_two_versions_are_compared_prompt_by_prompt(open_quality: Open) -> None:
    page = open_quality(
        project=GRADED, score="helpful", by="Prompt version", reference="v1", current="v2"
    )
    words = words_of(page)

    assert "Rate of helpful per day, by prompt version" in words
    assert "v2 scores below v1: −" in words
    assert "over 24 prompts that both were asked" in words
    assert "19 times in 20" in words


def test_a_link_turns_the_comparison_round(open_quality: Open) -> None:
    page = open_quality(
        project=GRADED, score="helpful", by="Prompt version", reference="v2", current="v1"
    )

    assert "v1 scores above v2: +" in words_of(page)


def test_a_window_is_compared_with_the_one_before(open_quality: Open) -> None:
    page = open_quality(project=GRADED, score="helpful", range="24h")

    assert "between the window before and this window" in words_of(page)


def test_two_judges_are_compared(open_quality: Open) -> None:
    page = open_quality(project=GRADED, score="helpful", second="judge")
    words = words_of(page)

    assert "helpful and judge say the same of" in words
    assert "beyond chance, κ = 0." in words


def test_scores_that_cannot_be_compared_say_so_beside_the_rest(open_quality: Open) -> None:
    page = open_quality(project=GRADED, score="helpful", second="mood")

    assert not page.exception
    assert "helpful and mood: one score says words and the other numbers" in words_of(page)
    assert "Rate of helpful per day" in words_of(page)


@pytest.mark.parametrize("query", [{"versus": "Model"}, {"reference": "gone", "current": "m"}])
def test_a_link_to_what_is_not_there_any_more_shows_what_is(
    open_quality: Open, query: dict[str, str]
) -> None:
    page = open_quality(project=GRADED, score="helpful", by="Prompt version", **query)

    assert not page.exception
    assert "v2 scores below v1: −" in words_of(page)


def test_filters_in_a_link_narrow_the_page(open_quality: Open) -> None:
    page = open_quality(project=GRADED, score="helpful", prompt_version="v1", by="All together")

    assert "there is only one of each here" in words_of(page)
    assert page.multiselect(key="prompt_version").value == ["v1"]


def test_a_score_that_is_gone_is_told_and_not_an_error(open_quality: Open) -> None:
    page = open_quality(project=GRADED, score="never-given")

    assert not page.exception
    assert "Nothing was scored in this window." in words_of(page)


def test_a_band_stands_around_its_line_and_both_have_gaps() -> None:
    points = quality_charts.to_bands(ROWS, "prompt_version", "day", is_rate=True)
    filled = buckets.with_gaps(points, "day")
    chart = quality_charts.bands(filled, ["v1", "v2"], is_rate=True).to_dict()
    marks = [layer.get("mark", {}).get("type") for layer in chart["layer"]]
    drawn = [
        (each["series"], each.get("lower"), each["value"])
        for each in rows_of(chart)
        if each["time"].startswith("2026-11-03")
    ]

    assert marks == ["area", "rule", None]
    assert [layer["mark"]["type"] for layer in chart["layer"][2]["layer"]] == ["line", "point"]
    assert drawn == [("v1", None, None), ("v2", None, None)]
    assert chart["layer"][0]["encoding"]["y2"]["field"] == "upper"
    assert domain_of(chart) == [0.0, 1.0]
    assert chart["params"][0]["name"] == "pick"
    assert chart["layer"][0]["encoding"]["color"]["legend"]["orient"] == "top"


def test_numbers_have_an_axis_that_holds_their_bands() -> None:
    rows = [row(1, "v1", 3.5, lower=1.0, upper=6.0), row(2, "v1", 4.0, lower=None, upper=None)]
    points = quality_charts.to_bands(rows, "prompt_version", "day", is_rate=False)
    chart = quality_charts.bands(points, ["v1"], is_rate=False).to_dict()

    assert domain_of(chart) == [0.75, 6.25]
    assert points[1]["text"] == "4, n = 40 in 20 sessions: too few for a band"


def test_n_and_the_band_are_on_every_point() -> None:
    points = quality_charts.to_bands(ROWS, "prompt_version", "day", is_rate=True)

    assert points[0]["text"] == "90.0 % (85.0 % to 95.0 %), n = 40 in 20 sessions"


def test_the_course_names_what_moved_out_of_its_band() -> None:
    points = quality_charts.to_bands(ROWS, "prompt_version", "day", is_rate=True)

    assert quality_words.of_course(points, ["v1", "v2"], {}, is_rate=True) == (
        "v1 fell from 90.0 % to 70.0 %; v2 has one bucket: "
        "90.0 % (85.0 % to 95.0 %), n = 40 in 20 sessions."
    )
    assert quality_words.of_course(points[:2], ["v1"], {}, is_rate=True) == (
        "The mean ends at 88.0 %, in reach of where it began."
    )


def test_the_course_tells_a_fall_that_ends_before_the_window_does() -> None:
    levels = ((0.9, 0.85, 0.95), (0.7, 0.6, 0.8), (0.9, 0.3, 1.0))
    rows = [
        row(day, "v1", mean, lower=lower, upper=upper)
        for day, (mean, lower, upper) in enumerate(levels, 1)
    ]
    points = quality_charts.to_bands(rows, "prompt_version", "day", is_rate=True)

    said = quality_words.of_course(points, ["v1"], {}, is_rate=True)

    assert said.startswith("The mean fell from 90.0 % to 70.0 % (")
    assert said.endswith("), and ends at 90.0 %.")


def test_the_course_tells_which_series_lies_apart() -> None:
    points = quality_charts.to_bands(ROWS, "prompt_version", "day", is_rate=True)
    totals = [
        {"prompt_version": "v1", "mean": 0.9, "lower": 0.85, "upper": 0.95},
        {"prompt_version": "v2", "mean": 0.7, "lower": 0.6, "upper": 0.8},
    ]

    said = quality_words.of_course(
        points,
        ["v1", "v2"],
        quality_charts.by_series(totals, "prompt_version"),
        is_rate=True,
    )

    assert said.startswith("v2 lies below v1: 70.0 % against 90.0 %; v1 fell")


def change_of(**fields: Any) -> dict[str, Any]:
    level = {"n": 40, "units": 40, "mean": 0.8, "lower": 0.7, "upper": 0.9}
    return {
        "is_rate": True,
        "is_paired": False,
        "pairs": 0,
        "reference": level,
        "current": level,
        "difference": -0.02,
        "lower": -0.1,
        "upper": 0.06,
        "p_value": 0.6,
        "needs_n": 5210,
        "overlap": 0,
    } | fields


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {},
            "No difference shows between v1 and v2: −2.0 points (−10.0 to +6.0), p = 0.6, of "
            "different prompts. About 5,210 scores a side would show one as small as this.",
        ),
        (
            {"upper": -0.01, "p_value": 1e-7, "is_paired": True, "pairs": 31, "needs_n": None},
            "v2 scores below v1: −2.0 points (−10.0 to −1.0), p < 0.0001, over 31 prompts that "
            "both were asked.",
        ),
        (
            {"is_rate": False, "difference": 1.5, "lower": 0.5, "upper": 2.5},
            "v2 scores above v1: +1.5 (+0.5 to +2.5), p = 0.6, of different prompts.",
        ),
        (
            {"lower": None, "upper": None},
            "−2.0 points of different prompts: too few sessions to say whether v2 differs.",
        ),
        (
            {"overlap": 12, "lower": None, "upper": None},
            "−2.0 points of different prompts; 12 scores in both cohorts hide a part of the "
            "difference: too few sessions to say whether v2 differs.",
        ),
        (
            {"current": {"n": 0}, "difference": None},
            "Nothing was scored in v2.",
        ),
    ],
)
def test_a_difference_is_told_with_its_certainty(fields: dict[str, Any], sentence: str) -> None:
    assert quality_words.of_change(change_of(**fields), ("v1", "v2")) == sentence


def test_both_cohorts_are_drawn_with_their_bands() -> None:
    chart = quality_charts.cohorts(change_of(), ("v1", "v2")).to_dict()
    rows = rows_of(chart)

    assert [each["label"] for each in rows] == ["reference: v1", "current: v2"]
    assert (rows[0]["lower"], rows[0]["upper"]) == (0.7, 0.9)


def test_more_series_than_bands_can_be_told_apart_are_lines_alone() -> None:
    def layers(count: int) -> int:
        names = [f"m{number}" for number in range(count)]
        rows = [row(day, name, 0.9) for day in (1, 2) for name in names]
        points = quality_charts.to_bands(rows, "prompt_version", "day", is_rate=True)
        return len(quality_charts.bands(points, names, is_rate=True).to_dict()["layer"])

    assert layers(quality_charts.MOST_BANDS) == 3
    assert layers(quality_charts.MOST_BANDS + 1) == 2
