"""Every page, run by Streamlit itself over a real collector, with nothing, one call and plenty."""

import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import streamlit as st
import urllib3
from streamlit.testing.v1 import AppTest

from headway.apis import ApiClient
from headway.records import encode_record
from headway_ui.commands import APP

Open = Callable[..., AppTest]
PAGES = {
    "overview": "",
    "traces": "views/traces.py",
    "drift": "views/drift.py",
    "evals": "views/evals.py",
}


@pytest.fixture
def open_page(collector_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open a page by its name with query parameters."""
    monkeypatch.setenv("HEADWAY_URL", collector_url)

    def run(name: str, **query: str | list[str]) -> AppTest:
        page = AppTest.from_file(str(APP), default_timeout=60)
        if PAGES[name]:
            page.switch_page(PAGES[name])
        for key, value in query.items():
            page.query_params[key] = value
        return page.run()

    yield run
    st.cache_data.clear()


def words_of(page: AppTest) -> str:
    elements = [*page.title, *page.markdown, *page.caption, *page.text, *page.info, *page.warning]
    return "\n".join(str(element.value).replace("\\", "") for element in elements)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("project", ["RICH", "SINGLE", "LOSSY", "EMPTY"])
def test_a_page_is_drawn_without_a_fault(
    open_page: Open, traffic: SimpleNamespace, name: str, project: str
) -> None:
    page = open_page(name, project=getattr(traffic, project))

    assert not page.exception
    assert not page.error
    assert page.title


def test_the_overview_says_how_much_and_how_well(open_page: Open, traffic: SimpleNamespace) -> None:
    page = open_page("overview", project=traffic.RICH)
    figures = {metric.label: metric.value for metric in page.metric}

    assert figures["Model calls"] == "280"
    assert "triage-v3 scores lowest" in words_of(page)
    assert "delivery grew from" in words_of(page)


def test_what_is_counted_can_be_changed(open_page: Open, traffic: SimpleNamespace) -> None:
    page = open_page("overview", project=traffic.RICH, count="All spans")

    assert {metric.label: metric.value for metric in page.metric}["Spans"] == "840"


def test_a_figure_is_compared_with_the_window_before(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    page = open_page("overview", project=traffic.RICH, range="7d")

    assert page.metric[0].delta
    assert page.metric[0].proto.delta_description == "vs. the 7 days before"


def test_spans_that_are_no_model_calls_are_not_hidden(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    page = open_page("overview", project=traffic.SINGLE)
    assert "No model calls in the last 30 days, but 1 span of other kinds." in words_of(page)

    by_label(page, "Count all spans").click().run()

    assert {metric.label: metric.value for metric in page.metric}["Spans"] == "1"


def test_the_overview_says_what_clients_lost_where_and_what_to_do(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    page = open_page("overview", project=traffic.LOSSY, range="7d")

    (lost,) = page.expander
    assert lost.label.replace("\\", "").endswith(
        " Clients lost 1,204 calls in this period: journal_full 1,200, too_large 4"
    )
    words = [each.value.replace("\\", "") for each in lost.markdown]
    assert "**journal_full**, 1,200 calls. The collector was away for longer" in words[0]
    assert "HEADWAY_CAPTURE_LIMIT_BYTES" in words[1]
    rows = lost.dataframe[0].value
    assert list(rows["Host"]) == ["web-a", "web-b"]
    assert list(rows["Calls"]) == [1200, 4]
    assert "Project" not in rows


def test_losses_of_all_projects_name_theirs(open_page: Open, traffic: SimpleNamespace) -> None:
    page = open_page("overview")

    (lost,) = page.expander
    assert traffic.LOSSY in set(lost.dataframe[0].value["Project"])


def test_losses_are_told_where_no_call_arrived(
    open_page: Open, traffic: SimpleNamespace, collector_url: str
) -> None:
    lost = [encode_record(each) for each in traffic.make_losses(datetime.now(UTC))]
    ApiClient(collector_url).ingest(lost[1:2], project="all-lost", batch_id="all-lost")
    page = open_page("overview", project="all-lost")

    assert "Nothing has been logged here yet." in words_of(page)
    assert "Clients lost 4 calls" in page.expander[0].label


def test_a_long_table_of_losses_says_where_it_ends(
    open_page: Open, traffic: SimpleNamespace, collector_url: str
) -> None:
    (loss, *_) = traffic.make_losses(datetime.now(UTC))
    lines = [
        encode_record(msgspec.structs.replace(loss, client_id=f"{number:032x}", count=1))
        for number in range(201)
    ]
    ApiClient(collector_url).ingest(lines, project="fleet", batch_id="fleet")
    page = open_page("overview", project="fleet")

    (lost,) = page.expander
    assert "Clients lost 201 calls" in lost.label
    assert len(lost.dataframe[0].value) == 200
    assert "The table ends after 200 rows; the sums go on." in lost.caption[0].value


def test_where_nothing_was_lost_nothing_is_said(open_page: Open, traffic: SimpleNamespace) -> None:
    page = open_page("overview", project=traffic.RICH)

    assert not page.expander
    assert "lost" not in words_of(page)


def test_the_empty_overview_holds_a_program_that_fills_it(
    open_page: Open, traffic: SimpleNamespace, collector_url: str
) -> None:
    page = open_page("overview", project=traffic.EMPTY)

    (program,) = [code.value for code in page.code if code.language == "python"]
    compile(program, "snippet", "exec")
    assert f'url="{collector_url}"' in program


def test_the_sidebar_names_the_collector_and_its_label(open_page: Open, collector_url: str) -> None:
    page = open_page("overview")

    words = "\n".join(str(each.value) for each in [*page.sidebar.markdown, *page.sidebar.caption])
    assert "test traffic" in words
    assert "Connected" in words
    assert collector_url in words
    assert "All times are UTC." in words


def test_the_list_shows_requests_first_and_every_span_on_demand(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    requests = open_page("traces", project=traffic.RICH).dataframe[0].value
    spans = open_page("traces", project=traffic.RICH, show="All spans", kind="llm").dataframe[0]

    assert set(requests["Name"]) == {"handle_message"}
    assert set(spans.value["Name"]) == {"triage"}
    assert traffic.QUESTION in set(spans.value["Input"])


def test_older_rows_are_a_click_away_and_so_is_the_way_back(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    page = open_page("traces", project=traffic.RICH)
    newest = list(page.dataframe[0].value["Time (UTC)"])

    by_label(page, "Older").click().run()
    older = list(page.dataframe[0].value["Time (UTC)"])
    by_label(page, "Newer").click().run()

    assert max(older) < min(newest)
    assert list(page.dataframe[0].value["Time (UTC)"]) == newest
    assert by_label(page, "Newer").disabled


def test_a_filter_in_a_link_holds_even_where_no_facet_knows_it(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    page = open_page("traces", project=traffic.RICH, session_id="never-seen")

    assert "Nothing matches these filters." in words_of(page)
    by_label(page, "Take them all off").click().run()
    assert len(page.dataframe[0].value) == 50


def test_a_search_that_ran_out_of_time_can_go_on(
    open_page: Open,
    traffic: SimpleNamespace,
    slow_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEADWAY_URL", slow_url)
    page = open_page("traces", project=traffic.RICH)
    first = words_of(page)

    by_label(page, "Older").click().run()

    assert "Nothing found so far" in first
    assert "Searched back to 22 Nov 2026, 10:00:00 UTC" in first
    assert "Nothing matches" not in first
    assert "Rows 1 to 50" in words_of(page)
    assert len(page.dataframe[0].value) == 50


@pytest.fixture
def slow_url(collector_url: str) -> Iterator[str]:
    """The collector, with a first page of spans on which nothing was found in time."""
    partial = {
        "spans": [],
        "next_cursor": "on",
        "is_partial": True,
        "searched_until": "2026-11-22T10:00:00Z",
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/v1/spans?") and "cursor=on" not in self.path:
                body, status = msgspec.json.encode(partial), 200
            else:
                path = self.path.replace("cursor=on", "")
                answer = urllib3.request("GET", collector_url + path, retries=False)
                body, status = answer.data, answer.status
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_filters_that_only_fit_inner_spans_lead_to_them(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    page = open_page("traces", project=traffic.RICH, request_model="triage-v3")
    assert "spans inside of requests do" in words_of(page)

    by_label(page, "Show all spans").click().run()

    assert set(page.dataframe[0].value["Model"]) == {"triage-v3"}


def test_a_period_from_a_chart_narrows_the_window(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    period = {"from": "2020-01-01T00:00:00Z", "until": "2020-01-02T00:00:00Z"}
    page = open_page("traces", project=traffic.RICH, **period)

    assert "1 Jan 2020, 00:00:00 UTC to 2 Jan 2020" in words_of(page)
    assert not page.dataframe


def test_a_period_that_is_no_time_is_said_and_ignored(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    page = open_page("traces", project=traffic.RICH, **{"from": "noon", "until": "tea"})

    assert "noon to tea is no time" in words_of(page)
    assert len(page.dataframe[0].value) == 50


def test_a_link_opens_a_trace_at_one_of_its_spans(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    page = open_page("traces", trace_id=traffic.TRACE_ID, span_id=traffic.LLM_SPAN_ID)

    assert page.title[0].value.replace("\\", "") == "handle_message"
    assert [message.name for message in page.chat_message] == ["system", "user"]
    assert traffic.QUESTION in words_of(page)
    assert any('"order": "A48213"' in code.value for code in page.code)


def test_a_failed_span_shows_its_error_and_where_it_failed(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    span_id = f"{2:08x}{3:08x}"
    page = open_page("traces", trace_id=traffic.FAILED_TRACE_ID, span_id=span_id)

    assert "no answer within 2 s" in page.error[0].value
    assert any("line 31, in triage" in code.value for code in page.code)
    assert "No completion was logged." in words_of(page)


def test_logged_markdown_and_html_stay_text(open_page: Open, traffic: SimpleNamespace) -> None:
    page = open_page("traces", trace_id=f"{3:032x}")

    assert traffic.HOSTILE in [text.value for text in page.text]
    assert not any("](http" in str(element.value) for element in page.markdown)


def test_a_thumb_with_a_comment_reaches_the_collector_and_the_page(
    open_page: Open, traffic: SimpleNamespace, collector_url: str
) -> None:
    trace_id, span_id = f"{9:032x}", f"{9:08x}{3:08x}"
    page = open_page("traces", trace_id=trace_id, span_id=span_id)

    page.feedback(f"thumbs_{span_id}").set_value(0)
    page.text_input(f"comment_{span_id}").set_value("wrong order")
    by_label(page, "Save").click().run()

    sent = ApiClient(collector_url).get("/v1/scores", {"name": "thumbs", "span_id": span_id})
    (score,) = sent["scores"]
    assert (score["value"], score["source"], score["comment"]) == (False, "human", "wrong order")
    assert score["project"] == traffic.RICH
    assert any("wrong order" in table.value.to_string() for table in page.table)


def test_a_comment_without_a_thumb_is_not_sent(open_page: Open, collector_url: str) -> None:
    trace_id, span_id = f"{8:032x}", f"{8:08x}{3:08x}"
    page = open_page("traces", trace_id=trace_id, span_id=span_id)

    page.text_input(f"comment_{span_id}").set_value("hm")
    by_label(page, "Save").click().run()

    sent = ApiClient(collector_url).get("/v1/scores", {"name": "thumbs", "span_id": span_id})
    assert sent["scores"] == []
    assert "Choose thumbs up or down first" in words_of(page)


def test_the_session_of_a_trace_leads_to_its_neighbours(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    page = open_page("traces", project=traffic.RICH, trace_id=f"{9:032x}", status="error")

    by_label(page, "session s3").click().run()

    assert "trace_id" not in page.query_params
    assert len(page.dataframe[0].value) == 3


@pytest.mark.parametrize(
    ("name", "query", "words"),
    [
        ("traces", {"trace_id": "no/such id"}, "There is no trace no/such id."),
        ("evals", {"comparison": "gone"}, "There is no comparison gone."),
        ("evals", {"run": "gone"}, "There is no run gone."),
    ],
)
def test_a_link_to_nothing_says_so(
    open_page: Open, name: str, query: dict[str, str], words: str
) -> None:
    page = open_page(name, **query)

    assert not page.exception
    assert words in words_of(page)


def test_the_list_of_evals_holds_verdicts_in_words(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    page = open_page("evals", project=traffic.RICH)

    assert "triage-v3 got worse on kind:refund" in words_of(page)
    assert re.search(r":red-badge\[:material/trending_down: regressed\]", words_of(page))


def test_more_comparisons_are_a_click_away(
    open_page: Open, traffic: SimpleNamespace, collector_url: str
) -> None:
    api = ApiClient(collector_url)
    for number in range(25):
        made = traffic.make_comparison(datetime(2026, 11, 1, tzinfo=UTC))
        api.post("/v1/comparisons", made | {"comparison_id": f"old-{number}"}, project="many")
    page = open_page("evals", project="many")
    assert words_of(page).count("got worse on kind:refund") == 20

    by_label(page, "More comparisons").click().run()

    assert words_of(page).count("got worse on kind:refund") == 25


def test_a_comparison_shows_slices_and_flips_side_by_side(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    page = open_page("evals", comparison=traffic.COMPARISON_ID)

    assert "1 of 2 slices regressed: kind:refund." in words_of(page)
    assert "6 of 6 flipped answers" in words_of(page)
    assert len(page.html) == 3


def test_flips_can_be_turned_to_those_that_got_better(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    query: dict[str, Any] = {"flips": "Failed before, passes now"}
    page = open_page("evals", comparison=traffic.COMPARISON_ID, **query)

    assert "1 of 6 flipped answers" in words_of(page)


def test_a_run_shows_its_failed_cases_and_links_to_their_traces(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    page = open_page("evals", run=traffic.RUN_ID, outcome="Failed", case="triage-0008")

    assert set(page.dataframe[0].value["Outcome"]) == {"failed"}
    assert "triage-0008" in [each.value for each in page.subheader]
    assert "The trace of this answer" in [link.label for link in page.page_link]


def test_without_a_collector_the_page_says_where_it_looked_and_what_to_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEADWAY_URL", "http://127.0.0.1:9")

    page = AppTest.from_file(str(APP), default_timeout=60).run()

    assert not page.exception
    assert page.title[0].value == "No collector answers"
    assert "127.0.0.1:9" in words_of(page)
    assert "headway up" in page.code[0].value


def test_a_refusal_of_the_collector_is_shown_in_its_words(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    page = open_page("traces", project=traffic.RICH, kind="nonsense")

    assert not page.exception
    assert page.subheader[-1].value == "The collector said no"
    assert "nonsense" in words_of(page)


def by_label(page: AppTest, label: str) -> Any:
    """Return the button whose label ends in these words."""
    return next(each for each in page.button if label in each.label.replace("\\", ""))
