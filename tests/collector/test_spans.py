"""Reading spans: filters and pages."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]


def names(client: TestClient, **params: Any) -> list[str]:
    response = client.get("/v1/spans", params={"order": "asc", **params})
    assert response.status_code == 200, response.text
    return [span["name"] for span in response.json()["spans"]]


@pytest.mark.parametrize(
    "field",
    [
        "kind",
        "status",
        "status_message",
        "request_model",
        "response_model",
        "response_id",
        "provider",
        "user_id",
        "session_id",
        "trace_id",
        "span_id",
        "parent_span_id",
        "prompt_name",
        "prompt_version",
        "environment",
        "release",
        "error_type",
    ],
)
def test_each_field_narrows_and_its_values_are_alternatives(
    client: TestClient, ingest: Ingest, span_line: Lines, field: str
) -> None:
    values = {
        "kind": ["llm", "tool", "agent"],
        "status": ["ok", "error", "unset"],
        "trace_id": ["a" * 32, "b" * 32, "c" * 32],
        "span_id": ["a" * 16, "b" * 16, "c" * 16],
        "parent_span_id": ["a" * 16, "b" * 16, "c" * 16],
    }.get(field, ["x", "y", "z'; DROP TABLE spans; --"])
    ingest(*[span_line(name=f"n{n}", **{field: value}) for n, value in enumerate(values)])

    assert names(client, **{field: values[2]}) == ["n2"]
    assert names(client, **{field: values[:2]}) == ["n0", "n1"]


def test_filters_of_several_fields_add_up(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ingest(
        span_line(name="a", user_id="u1", tags=["beta", "vip"], environment="prod"),
        span_line(name="b", user_id="u1", tags=["beta"], environment="test"),
        span_line(name="c", user_id="u2", tags=[], environment="prod"),
    )

    assert names(client, tag="beta") == ["a", "b"]
    assert names(client, tag=["vip", "gone"]) == ["a"]
    assert names(client, user_id="u1", environment="prod") == ["a"]
    assert names(client, user_id="u2", tag="beta") == []
    assert names(client, name=["a", "c"]) == ["a", "c"]


def test_a_span_has_any_of_the_finish_reasons(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ingest(
        span_line(name="a", finish_reasons=["stop", "length"]),
        span_line(name="b", finish_reasons=["stop"]),
        span_line(name="c"),
    )

    assert names(client, finish_reason="length") == ["a"]
    assert names(client, finish_reason=["stop", "gone"]) == ["a", "b"]


@pytest.mark.parametrize("span_id", ["A" * 16, "a" * 15, "not hex, not hex", "'"])
def test_a_span_id_that_is_none_finds_nothing(
    client: TestClient, ingest: Ingest, span_line: Lines, span_id: str
) -> None:
    ingest(span_line(name="a", span_id="a" * 16), span_line(name="b", span_id="b" * 16))

    assert names(client, span_id=span_id) == []
    assert names(client, span_id=[span_id, "b" * 16]) == ["b"]


def test_projects_are_apart(client: TestClient, ingest: Ingest, span_line: Lines) -> None:
    ingest(span_line(name="mine"), project="p")
    ingest(span_line(name="theirs"), project="q")

    assert names(client, project="p") == ["mine"]
    assert names(client, project=["p", "q"]) == ["mine", "theirs"]
    assert names(client) == ["mine", "theirs"]
    assert client.get("/v1/projects").json()["projects"] == [
        {
            "project": project,
            "span_count": 1,
            "first_time": time,
            "last_time": time,
        }
        for project, time in (
            ("p", "2025-11-22T08:26:41.000000000Z"),
            ("q", "2025-11-22T08:26:42.000000000Z"),
        )
    ]


def test_the_start_is_included_and_the_end_is_not(
    client: TestClient, ingest: Ingest, span_line: Lines, now_ns: int
) -> None:
    ingest(*[span_line(name=f"n{n}", start_ns=now_ns + n) for n in range(4)])
    first, last = "2025-11-22T08:26:40.000000001Z", "2025-11-22T09:26:40.000000003+01:00"

    assert names(client, start=first, end=last) == ["n1", "n2"]


def test_times_count_back_from_the_collectors_clock(
    client: TestClient, ingest: Ingest, span_line: Lines, now_ns: int
) -> None:
    hour_ns = 3600 * 10**9
    ingest(
        span_line(name="old", start_ns=now_ns - 25 * hour_ns),
        span_line(name="new", start_ns=now_ns - hour_ns),
    )

    assert names(client, start="-24h") == ["new"]
    assert names(client, start="-2d", end="-1d") == ["old"]


def test_duration_root_and_attributes_narrow(
    client: TestClient, ingest: Ingest, span_line: Lines, now_ns: int
) -> None:
    ingest(
        span_line(name="root", start_ns=now_ns, end_ns=now_ns + 5_000_000),
        span_line(
            name="child",
            parent_span_id="00000000000000aa",
            start_ns=now_ns,
            end_ns=now_ns + 4_999_999,
            attributes={"gen_ai.system": "acme", "a/b~c": 7, "quote'": "\"'"},
        ),
    )

    assert names(client, min_duration_ms=5) == ["root"]
    assert names(client, is_root="true") == ["root"]
    assert names(client, is_root="false") == ["child"]
    assert names(client, attribute="gen_ai.system=acme") == ["child"]
    assert names(client, attribute=["gen_ai.system=acme", "a/b~c=7", "quote'=\"'"]) == ["child"]
    assert names(client, attribute=["gen_ai.system=acme", "a/b~c=8"]) == []


def test_text_is_found_in_name_input_and_output_in_any_case(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ingest(
        span_line(name="Alpha"),
        span_line(name="b", input={"message": "the ALPHA one"}),
        span_line(name="c", output='say "alpha"\nand % _ \\ end'),
        span_line(name="d", input="beta"),
    )

    assert names(client, q="alpha") == ["Alpha", "b", "c"]
    assert names(client, q='"Alpha"\nand') == ["c"]
    assert names(client, q="% _ \\") == ["c"]
    assert names(client, q="%a%") == []


@pytest.mark.parametrize("params", [{}, {"q": "KEPT"}, {"attribute": "of=before"}])
@pytest.mark.parametrize("order", ["desc", "asc"])
def test_pages_read_while_a_writer_is_busy_hold_what_was_there_once(
    client: TestClient,
    ingest: Ingest,
    span_line: Lines,
    now_ns: int,
    order: str,
    params: dict[str, str],
) -> None:
    def make(count: int, **fields: Any) -> list[bytes]:
        spread = range(0, 977 * count, 977)
        return [span_line(start_ns=now_ns + n % 500 * 10**12, **fields) for n in spread]

    kept = make(100, name="kept", attributes={"of": "before"})
    ingest(*kept)
    is_over = threading.Event()

    def write() -> None:
        while not is_over.is_set():
            ingest(*make(10, name="kept", attributes={"of": "before"}, user_id="late"))

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 11, "order": order, "end": "2040-01-01", **params}
    try:
        while True:
            page = client.get("/v1/spans", params=query).json()
            seen += [span["span_id"] for span in page["spans"]]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
            if len(seen) > 250:
                is_over.set()
    finally:
        is_over.set()
        writer.join()

    assert len(seen) == len(set(seen))
    assert set(seen) >= {f"{number:016x}" for number in range(1, 101)}


@pytest.mark.parametrize(("order", "late_ns"), [("desc", 10**9), ("asc", -(10**9))])
def test_pages_neither_repeat_nor_lose_a_span_while_others_arrive(
    client: TestClient, ingest: Ingest, span_line: Lines, now_ns: int, order: str, late_ns: int
) -> None:
    ingest(*[span_line(name=f"n{n}", start_ns=now_ns + n // 4) for n in range(10)])
    seen: list[str] = []
    params = {"limit": "3", "order": order}
    while True:
        page = client.get("/v1/spans", params=params).json()
        seen += [span["name"] for span in page["spans"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
        ingest(span_line(name="late", start_ns=now_ns + late_ns))

    assert len(seen) == 10
    assert sorted(seen) == [f"n{n}" for n in range(10)]


def test_the_same_ids_in_two_projects_are_two_rows_on_any_page(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    line = span_line()
    for project in ("p", "q", "r"):
        ingest(line, project=project)
    seen, cursor = [], None
    for _ in range(3):
        page = client.get(
            "/v1/spans", params={"limit": 1} | ({"cursor": cursor} if cursor else {})
        ).json()
        seen += [span["project"] for span in page["spans"]]
        cursor = page["next_cursor"]

    assert seen == ["r", "q", "p"]
