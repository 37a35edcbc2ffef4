"""``GET /v1/export``: every row of any filter, in four formats, for as long as somebody reads."""

import csv
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvicorn
from starlette.testclient import TestClient

from headway.apis import ApiClient
from headway.errors import UnreachableError
from headway_collector.apps import create_app
from headway_collector.budgets import Turns
from headway_collector.errors import StoreUnavailableError
from headway_collector.export_columns import (
    COLUMNS,
    FORMS,
    METADATA_KEY,
    WHATS,
    Form,
    What,
    make_schema,
)
from headway_collector.exporting import Export, Exports
from headway_collector.protocols import PatientProtocol
from headway_collector.serving import Server
from headway_collector.store.connections import Store
from headway_collector.store.exporting import Selection
from headway_collector.store.filters import SpanFilters
from tests.collector.export_worlds import NASTY, fill

Make = Callable[..., bytes]


def export(client: TestClient, **params: Any) -> bytes:
    answer = client.get("/v1/export", params=params)
    assert answer.status_code == 200, answer.text
    return answer.content


def read_lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.split(b"\n") if line]


def read_table(data: bytes, form: Form) -> pa.Table:
    if form == "parquet":
        return pq.read_table(io.BytesIO(data))
    return pa.ipc.open_stream(data).read_all()


def insert_many(store: Store, rows: int, chars: int = 1000) -> None:
    """Store spans whose texts cannot be made small."""
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO store.spans BY NAME SELECT 'p' AS project, md5(n::VARCHAR) AS trace_id, "
            "left(md5(n::VARCHAR), 16) AS span_id, n AS span_key, 'n' AS name, 'llm' AS kind, "
            "'ok' AS status, n AS start_ns, n + 1 AS end_ns, 1 AS received_ns, "
            "[]::VARCHAR[] AS tags, []::VARCHAR[] AS finish_reasons, '\"' || "
            f"string_agg(md5((n * 1000 + m)::VARCHAR), '') || '\"' AS input "
            f"FROM range({rows}) AS a(n), range({chars // 32}) AS b(m) GROUP BY n"
        )


@pytest.mark.parametrize("what", WHATS)
def test_every_format_holds_the_same_rows(client: TestClient, what: What) -> None:
    fill(client)

    key = "span_id" if what == "spans" else "score_id"
    lines = sorted(
        read_lines(export(client, what=what, format="jsonl")), key=lambda row: str(row[key])
    )
    cells = list(
        csv.DictReader(io.StringIO(export(client, what=what, format="csv").decode(), newline=""))
    )
    tables = [
        read_table(export(client, what=what, format=form), form).sort_by(key)
        for form in ("parquet", "arrow")
    ]
    assert len(lines) > len(NASTY)
    for table in tables:
        assert table.schema.equals(make_schema(what))
        assert table.schema.metadata[METADATA_KEY] == f"{what} 1".encode()
    assert [name for name in tables[0].column_names if tables[0][name] != tables[1][name]] == []
    assert tables[0][key].to_pylist() == [row[key] for row in lines]
    assert sorted(row[key] for row in cells) == [row[key] for row in lines]
    names = [column.name for column in COLUMNS[what]]
    assert all(list(row) == [*names, "verbatim"] for row in lines)
    numbers = [each.name for each in COLUMNS[what] if each.kind in ("count", "number", "flag")]
    for name in numbers:
        assert tables[0][name].to_pylist() == [row[name] for row in lines]


def test_a_cell_that_a_spreadsheet_would_run_is_text(client: TestClient) -> None:
    fill(client)

    rows = list(csv.reader(io.StringIO(export(client, format="csv").decode(), newline="")))
    texts = [index for index, each in enumerate(COLUMNS["spans"]) if each.kind in ("text", "json")]
    starts = {row[index].lstrip(' "')[:1] for row in rows[1:] for index in texts}
    assert starts.isdisjoint({*"=+-@\t\r\n\uff1d"})
    assert "'" in starts


def test_numbers_of_csv_stay_numbers(client: TestClient) -> None:
    fill(client)

    rows = csv.DictReader(
        io.StringIO(export(client, what="scores", format="csv").decode(), newline="")
    )
    assert {"-7.0", "-0.5"} <= {row["number"] for row in rows}


def test_times_are_told_to_the_nanosecond(client: TestClient, ingest: Any, span_line: Make) -> None:
    ingest(span_line(start_ns=1_763_800_000_123_456_789))

    table = read_table(export(client), "parquet")
    line = read_lines(export(client, format="jsonl"))[0]
    assert table["start_time"].cast(pa.int64()).to_pylist() == [1_763_800_000_123_456_789]
    assert line["start_time"] == "2025-11-22T08:26:40.123456789Z"
    assert line["duration_ms"] == 250.0


def test_filters_narrow_what_is_exported(client: TestClient, ingest: Any, span_line: Make) -> None:
    ingest(span_line(kind="llm", request_model="a", cost_usd=0.5, input="a lost parcel"))
    ingest(span_line(kind="llm", request_model="b", cost_usd=0.1, input="a refund"))
    ingest(span_line(kind="tool"), project="other")

    def count(**params: Any) -> int:
        return len(read_lines(export(client, format="jsonl", **params)))

    assert count() == 3
    assert count(project="other") == 1
    assert count(kind="llm") == 2
    assert count(where="cost_usd>0.2") == 1
    assert count(q="PARCEL") == 1
    assert count(request_model=["a", "b"]) == 2
    assert count(end="2025-11-22T00:00:00Z") == 0


@pytest.mark.parametrize("form", FORMS)
def test_no_rows_make_a_whole_file(client: TestClient, form: Form) -> None:
    data = export(client, format=form)

    if form in ("parquet", "arrow"):
        assert read_table(data, form).num_rows == 0
    else:
        assert data.count(b"\n") == (form == "csv")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"format": "xlsx"}, "format is 'xlsx'"),
        ({"what": "scores", "kind": "llm"}, "kind cannot be asked of scores"),
        ({"source": "human"}, "source cannot be asked of spans"),
        ({"limit": "5"}, "limit is unknown"),
        ({"where": "cost"}, "cost"),
        ({"attribute": "x"}, "not of the form key=value"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_the_first_byte(
    client: TestClient, params: dict[str, str], message: str
) -> None:
    answer = client.get("/v1/export", params=params)

    assert answer.status_code == 422
    assert message in answer.json()["message"]


def test_more_at_once_than_there_is_room_for_are_told_to_wait(store: Store) -> None:
    turns = Turns(1, 0)
    with TestClient(create_app(store, exporting=Exports(turns=turns))) as client, turns.take():
        answer = client.get("/v1/export")

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"


def test_a_turn_is_given_back_however_it_ended(store: Store) -> None:
    with TestClient(create_app(store, exporting=Exports(turns=Turns(1, 0)))) as client:
        codes = [
            client.get("/v1/export", params=params).status_code
            for params in ({}, {"where": "x>"}, {}, {"attribute": "x"}, {})
        ]

    assert codes == [200, 422, 200, 422, 200]


@pytest.mark.parametrize("form", FORMS)
def test_what_breaks_off_is_no_whole_message(store: Store, form: Form) -> None:
    insert_many(store, 6_000)
    with serving(store, Exports()) as url:
        pieces = ApiClient(url).stream("/v1/export", {"format": form})
        next(pieces)
        store.stop_reading()

        with pytest.raises(UnreachableError, match="broke off in the middle of GET /v1/export"):
            list(pieces)


def test_a_client_that_stalls_loses_its_turn_and_its_connection(store: Store) -> None:
    insert_many(store, 12_000)
    exports = Exports(turns=Turns(1, 1, 60.0), patience_s=0.2)
    with serving(store, exports) as url, ask(url, "format=jsonl&kind=llm") as stalled:
        # Waits for the turn of the one that reads nothing.
        other = ApiClient(url).stream("/v1/export", {"format": "jsonl", "end": "1970-01-01"})

        assert list(other) == []
        assert b"0\r\n\r\n" not in drain(stalled)[-16:]


def test_a_client_that_leaves_ends_its_export(store: Store) -> None:
    insert_many(store, 12_000)
    exports = Exports(turns=Turns(1, 1, 60.0))
    with serving(store, exports) as url:
        with ask(url, "format=jsonl") as leaving:
            assert leaving.recv(15) == b"HTTP/1.1 200 OK"
        other = ApiClient(url).stream("/v1/export", {"format": "jsonl", "end": "1970-01-01"})

        assert list(other) == []


def test_rows_that_come_meanwhile_are_kept_and_not_exported(store: Store, span_line: Make) -> None:
    insert_many(store, 6_000)
    with serving(store, Exports()) as url:
        api = ApiClient(url)
        pieces = api.stream("/v1/export", {"format": "jsonl"})
        first = next(pieces)
        stored = [
            api.ingest([span_line()], project="p", batch_id=str(number)).accepted
            for number in range(3)
        ]
        lines = read_lines(first + b"".join(pieces))

        assert stored == [1, 1, 1]
        assert len(lines) == 6_000
        assert len(list(api.pages("/v1/spans", "spans", {"name": "triage"}))) == 3


def test_a_query_is_worked_on_no_faster_than_its_rows_are_taken(store: Store) -> None:
    insert_many(store, 12_000)
    export = Export(store, Selection(SpanFilters()), "jsonl")
    export.start()
    piece = export.read()
    assert piece is not None

    before = export.rows
    with store.transaction() as connection:
        connection.execute("SELECT 1")
    store.checkpoint()

    assert export.rows == before < 12_000
    export.close()


def test_an_interrupt_ends_a_query_in_another_thread(store: Store) -> None:
    insert_many(store, 6_000)
    export = Export(store, Selection(SpanFilters()), "csv")
    export.start()
    export.interrupt()

    with pytest.raises(StoreUnavailableError, match="the export was ended"):
        list(iter(export.read, None))
    export.close()


@contextmanager
def serving(store: Store, exports: Exports) -> Iterator[str]:
    """Serve the store over real HTTP."""
    listens = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = create_app(store, exporting=exports)
        config = uvicorn.Config(app, http=PatientProtocol, log_level="error", access_log=False)
        server = Server(config, listens.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        assert listens.wait(60)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def ask(url: str, query: str) -> socket.socket:
    """Ask for an export, with room for little of it on the way."""
    host, port = url.removeprefix("http://").split(":")
    asking = socket.socket()
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    asking.settimeout(60)
    asking.connect((host, int(port)))
    asking.sendall(f"GET /v1/export?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return asking


def drain(reading: socket.socket) -> bytes:
    """Return what still comes; a connection that is cut is at its end."""
    data = b""
    with suppress(ConnectionResetError):
        while piece := reading.recv(65536):
            data += piece
    return data
