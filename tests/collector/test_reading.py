"""``headway.Client`` reads back from a real collector over HTTP what was logged there."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars
import pytest

import headway
from headway.apis import ApiClient
from headway.errors import ApiError, HeadwayError, SettingsError, UnreachableError
from headway.queries import SpanFilters
from headway.records import Kind, Record, Score, Span, encode_record, encode_value
from tests.collector.conftest import listening

START = datetime(2025, 11, 22, 8, 26, 40, tzinfo=UTC)
RUN = {
    "run_id": "run 1#",
    "suite": "support",
    "model": "support-7b",
    "started_at": "2026-01-02T03:04:05.123456789Z",
    "pass_rate": 0.5,
}
NS = 1_000_000_000
START_NS = int(START.timestamp()) * NS


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A collector with five spans of three traces, three scores and a run; tests only read it."""
    one, two, three = ("1" * 32, "2" * 32, "3" * 32)
    call = Span(
        **where(2, one),
        parent_span_id=f"{1:016x}",
        request_model="support-7b",
        prompt_name="triage",
        prompt_version="v1",
        input=encode_value({"message": "where is my café?"}),
        output=encode_value("delivery"),
        input_tokens=31,
        cost_usd=0.25,
        tags=["beta"],
        attributes=encode_value({"a=b": "x", "shelf": "7"}),
    )
    other: dict[str, Any] = {"request_model": "other-7b", "input": encode_value(["hello"])}
    records: list[Record] = [
        Span(**where(1, one, "support", "chain"), user_id="ann", session_id="s1"),
        call,
        Span(**where(3, two), **other, status="error"),
        Span(**where(4, two, "again"), **other),
        Score(**judged(2, "helpful", True), trace_id=one),
        Score(**judged(2, "stars", 4), source="human"),
        Score(**judged(3, "tone", "friendly")),
    ]
    with listening() as url:
        api = ApiClient(url)
        api.ingest([encode_record(each) for each in records], project="shop", batch_id="a")
        elsewhere = encode_record(Span(**where(5, three, "elsewhere")))
        api.ingest([elsewhere], project="other", batch_id="b")
        api.post("/v1/runs", {"run": RUN, "results": [{"case_id": "c1"}]}, project="shop")
        yield url


def where(number: int, trace_id: str, name: str = "triage", kind: Kind = "llm") -> dict[str, Any]:
    start_ns = START_NS + number * NS
    return {
        "trace_id": trace_id,
        "span_id": f"{number:016x}",
        "name": name,
        "kind": kind,
        "start_ns": start_ns,
        "end_ns": start_ns + NS // 4,
    }


def judged(number: int, name: str, value: bool | int | str) -> dict[str, Any]:
    time_ns = START_NS + len(name)
    return {
        "score_id": name,
        "span_id": f"{number:016x}",
        "name": name,
        "value": value,
        "time_ns": time_ns,
    }


def names(rows: Any) -> list[str]:
    return [row["name"] for row in rows]


def test_spans_come_whole_and_the_newest_first(url: str) -> None:
    spans = list(headway.Client(url, project="shop").spans())

    assert names(spans) == ["again", "triage", "triage", "support"]
    assert spans[2]["input"] == {"message": "where is my café?"}
    assert spans[2]["output"] == "delivery"
    assert spans[2]["start_time"] == START + timedelta(seconds=2)
    assert spans[2]["end_time"].tzinfo is UTC


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"kind": "llm"}, 3),
        ({"kind": ["llm", "chain"]}, 4),
        ({"model": "support-7b"}, 1),
        ({"model": ["support-7b", "other-7b"]}, 3),
        ({"user": "ann"}, 1),
        ({"session": "s1"}, 1),
        ({"text": "CAFE"}, 1),
        ({"name": "triage", "status": "error"}, 1),
        ({"prompt": "triage", "prompt_version": "v1"}, 1),
        ({"tag": "beta"}, 1),
        ({"attributes": {"a=b": "x", "shelf": "7"}}, 1),
        ({"attributes": {"a=b": "y"}}, 0),
        ({"where": ["cost_usd>0.1", "score:stars>=4"]}, 1),
        ({"trace": "1" * 32, "is_root": True}, 1),
        ({"since": START + timedelta(seconds=2), "until": "2025-11-22T08:26:43Z"}, 1),
        ({"since": timedelta(minutes=1)}, 0),
        ({"until": "-24h"}, 4),
        ({"model": None, "limit": 3}, 3),
        ({"limit": 0}, 0),
    ],
)
def test_filters_narrow(url: str, filters: dict[str, Any], count: int) -> None:
    assert len(list(headway.Client(url, project="shop").spans(**filters))) == count


def test_a_collector_knows_every_filter(url: str) -> None:
    given: dict[str, Any] = dict.fromkeys(SpanFilters.__annotations__, "x") | {
        "since": "-1h",
        "until": "2026-01-01",
        "kind": "llm",
        "status": "ok",
        "min_duration_ms": 0.5,
        "is_root": False,
        "attributes": {"a": "b"},
        "where": "cost_usd>0",
    }

    assert list(headway.Client(url).spans(**given)) == []


def test_what_a_collector_refuses_is_told_with_its_reason(url: str) -> None:
    client = headway.Client(url)

    with pytest.raises(ApiError, match="since: 'yesterday'") as raised:
        list(client.spans(since="yesterday"))
    assert raised.value.status == 422
    with pytest.raises(ApiError, match="where"):
        list(client.traces(where="nonsense"))
    with pytest.raises(HeadwayError, match="the limit is -1"):
        client.runs(limit=-1)


def test_a_filter_that_is_none_is_told_before_anybody_is_asked() -> None:
    client = headway.Client("http://127.0.0.1:9")

    with pytest.raises(TypeError, match=r"there is no filter 'modle': there are since, until"):
        client.spans(modle="x")  # type: ignore[call-arg]  # what a checker would find
    with pytest.raises(HeadwayError, match="without a time zone"):
        client.spans(since=datetime(2026, 1, 1))
    with pytest.raises(HeadwayError, match="give a text, a datetime or a timedelta"):
        client.scores(until=3)  # type: ignore[arg-type]  # what a checker would find


def test_a_listing_asks_when_it_is_read_and_no_further(
    listen: Callable[..., str], span_line: Callable[..., bytes]
) -> None:
    url = listen()
    api = ApiClient(url)
    listing = headway.Client(url).spans(content="none")
    api.ingest([span_line() for _ in range(1201)], project="shop", batch_id="a")
    rows = iter(listing)
    first = next(rows)
    api.ingest([span_line(start_ns=1)], project="shop", batch_id="b")

    assert first["span_id"] == f"{1201:016x}"
    assert len(list(rows)) == 1201
    assert len(list(listing)) == 1202
    assert len(list(headway.Client(url).spans(limit=501))) == 501


def test_one_span_trace_or_run_is_found_by_its_id(url: str) -> None:
    client = headway.Client(url)
    trace = client.trace("1" * 32)
    run = client.run("run 1#")
    prompt = client.prompt("triage")

    assert client.span(f"{2:016x}")["output"] == "delivery"
    assert names(trace["spans"]) == ["support", "triage"]
    assert [score["value"] for score in trace["scores"]] == [4, True]
    assert trace["spans"][0]["start_time"] == START + timedelta(seconds=1)
    assert run["run"]["started_at"] == datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)
    assert [result["case_id"] for result in run["results"]] == ["c1"]
    assert [row["first_time"].second for row in prompt["versions"]] == [42]


def test_what_is_not_there_is_a_404(url: str) -> None:
    client = headway.Client(url, project="shop")
    asked: list[Callable[[], object]] = [
        lambda: client.span("f" * 16),
        lambda: client.span(f"{5:016x}"),  # another project's
        lambda: client.trace("f" * 32),
        lambda: client.run("x?y#z"),
        lambda: client.prompt("a/b"),
    ]
    for ask in asked:
        with pytest.raises(ApiError, match="there is no") as raised:
            ask()

        assert raised.value.status == 404


def test_of_no_values_at_all_nothing_is_one(url: str) -> None:
    client = headway.Client(url, project="shop")

    assert list(client.spans(trace=[])) == list(client.scores(span=[])) == []
    assert names(client.spans(model={"support-7b"}, where=[])) == names(
        client.spans(model="support-7b")
    )


@pytest.mark.parametrize("identity", [None, "", 5])
def test_an_id_that_is_none_finds_nobody_elses(url: str, identity: Any) -> None:
    client = headway.Client(url)
    asked: list[Callable[[Any], object]] = [client.span, client.trace, client.prompt, client.run]
    for ask in asked:
        with pytest.raises(HeadwayError, match="give its id or name as a text"):
            ask(identity)


def test_traces_are_whole_where_one_span_passes(url: str) -> None:
    client = headway.Client(url)

    assert [names(trace["spans"]) for trace in client.traces(model="support-7b")] == [
        ["support", "triage"]
    ]
    assert [trace["trace_id"][0] for trace in client.traces()] == ["3", "2", "1"]
    assert [trace["trace_id"][0] for trace in client.traces(limit=2)] == ["3", "2"]


def test_scores_sessions_prompts_and_runs_are_listed(url: str) -> None:
    client = headway.Client(url)

    assert names(client.scores()) == ["helpful", "stars", "tone"]
    assert names(client.scores(source="human", span=f"{2:016x}")) == ["stars"]
    assert names(client.scores(name=["tone", "stars"], trace="1" * 32)) == []
    assert names(client.scores(since=START + timedelta(days=1))) == []
    assert [row["session_id"] for row in client.sessions()] == ["s1"]
    assert [row["prompt_version"] for row in client.prompts(model="support-7b")] == ["v1"]
    assert [row["run_id"] for row in client.runs(suite="support", limit=5)] == ["run 1#"]
    assert list(client.runs(model="other")) == []


def test_projects_are_those_named_or_all(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "headway.toml").write_text(f'project = "other"\nurl = "{url}"\n')
    monkeypatch.chdir(tmp_path)

    assert names(headway.Client().spans()) == ["elsewhere"]
    assert len(list(headway.Client(project="shop").spans())) == 4
    assert len(list(headway.Client(project=["shop", "other"]).spans())) == 5
    assert len(list(headway.Client(project=[]).spans())) == 5


@pytest.mark.parametrize("name", ["spans", "traces", "sessions", "prompts", "scores", "runs"])
def test_frames_have_the_fields_of_the_rows_also_without_rows(url: str, name: str) -> None:
    listing = getattr(headway.Client(url, project="shop"), name)
    frame, empty = listing().to_polars(), listing(limit=0).to_polars()
    fields = {field for row in listing() for field in row}

    assert len(frame) == len(list(listing()))
    assert set(frame.columns) - {"value_text", "otel"} == fields - {"otel"}
    assert empty.schema == frame.schema
    assert len(empty) == 0


def test_frames_have_types_to_compute_with(url: str) -> None:
    spans = headway.Client(url, project="shop").spans().to_polars()
    scores = headway.Client(url).scores().to_polars()
    call = spans.row(2, named=True)

    assert spans.schema["start_time"] == polars.Datetime("us", "UTC")
    assert call["start_time"] == START + timedelta(seconds=2)
    assert (call["output"], call["tags"], call["input_tokens"]) == ("delivery", ["beta"], 31)
    assert json.loads(call["input"]) == {"message": "where is my café?"}
    assert (call["duration_ms"], call["cost_usd"]) == (250.0, 0.25)
    assert scores["value"].to_list() == [1.0, 4.0, None]
    assert scores["value_text"].to_list() == [None, None, "friendly"]


def test_what_is_no_address_or_key_is_told_at_once() -> None:
    for url in ("localhost:4318", "ftp://x", ""):
        with pytest.raises(SettingsError, match="give it as http://host:port"):
            headway.Client(url)
    with pytest.raises(SettingsError, match="API key"):
        headway.Client("http://127.0.0.1:9", api_key="ключ")


def test_nobody_at_the_address_is_told_when_it_is_read() -> None:
    listing = headway.Client("http://127.0.0.1:9", timeout_s=1).spans()

    with pytest.raises(UnreachableError, match="start one with `headway up`"):
        next(iter(listing))


def test_importing_headway_does_not_import_what_reads() -> None:
    program = """
import sys
import headway
assert "urllib3" not in sys.modules
assert not hasattr(headway, "Clinet")

from headway import Client
import headway.reading
assert Client is headway.Client is headway.reading.Client
assert "polars" not in sys.modules
"""
    assert errors_of(program) == ""


def test_without_polars_a_frame_says_what_to_install() -> None:
    program = """
import sys
sys.modules["polars"] = None
import headway
headway.Client().spans(limit=0).to_polars()
"""
    assert errors_of(program).endswith(
        "HeadwayError: frames need polars: `pip install polars`, or go through the listing for "
        "dicts\n"
    )


def errors_of(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    ).stderr
