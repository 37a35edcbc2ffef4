"""``headway import``: real files of every format, bad rows, and runs that were interrupted."""

import csv
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headway.apis import ApiClient
from headway.cli import main
from headway.errors import ApiError
from headway_collector.importing.mapping import Mapper
from headway_collector.importing.marks import Mark, MarkFile, Totals
from headway_collector.importing.plans import Plan
from headway_collector.importing.tables import open_table
from headway_collector.importing.transfers import BATCH_ROWS, Transfer

Run = Callable[..., int]
LLMDRIFT_MAP = (
    "input=query",
    "output=answer",
    "request_model=model",
    "latency_s=latency",
    "cost_usd=cost",
    "timestamp=timestamp",
    "output_tokens=answer_token",
)


@pytest.fixture
def api(listen: Callable[[], str]) -> ApiClient:
    """A client of a running collector."""
    return ApiClient(listen())


@pytest.fixture
def run(api: ApiClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``headway import`` into that collector, and return its exit code."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run_import(path: Path, *maps: str, options: tuple[str, ...] = ()) -> int:
        mapped = [part for each in maps for part in ("--map", each)]
        return main(["import", str(path), "--project", "p", "--url", api.url, *mapped, *options])

    return run_import


def read_spans(api: ApiClient, **params: str) -> list[dict[str, Any]]:
    return list(api.pages("/v1/spans", "spans", {"order": "asc", "content": "full", **params}))


def write_calls(path: Path, count: int) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["when", "question"])
        writer.writerows([1_700_000_000 + n, f"question {n}"] for n in range(count))
    return path


def test_the_real_logs_come_in_once(
    run: Run, api: ApiClient, llmdrift_csv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--time-format", "%m/%d/%Y, %H:%M:%S")
    codes = [run(llmdrift_csv, *LLMDRIFT_MAP, options=options) for _ in range(2)]

    with llmdrift_csv.open(newline="") as file:
        expected = list(csv.DictReader(file))
    spans = read_spans(api)
    assert codes == [0, 0]
    assert capsys.readouterr().out == (
        "4000 rows: 4000 records stored in project p, 0 there already, 0 rows bad\n"
        "4000 rows: 0 records stored in project p, 4000 there already, 0 rows bad\n"
    )
    assert len(spans) == 4000
    assert sorted(span["output"] for span in spans) == sorted(row["answer"] for row in expected)
    assert sum(span["cost_usd"] for span in spans) == pytest.approx(
        sum(float(row["cost"]) for row in expected)
    )
    assert {span["start_time"][:10] for span in spans} >= {"2023-07-02"}
    assert spans[0]["attributes"]["dataset"] in {row["dataset"] for row in expected}
    assert spans[0]["name"] == "PRIME_FULL_EVAL"


def test_a_bad_row_of_the_real_logs_is_named_by_its_line_in_an_editor(
    run: Run, llmdrift_csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = llmdrift_csv.read_bytes().decode().split("\n")
    number = next(n for n, line in enumerate(lines, start=1) if line.startswith("100,100,"))
    assert number > 1000
    lines[number - 1] = lines[number - 1].replace("100,100,", "100,", 1)
    broken = tmp_path / "broken.csv"
    broken.write_bytes("\n".join(lines).encode())

    code = run(broken, *LLMDRIFT_MAP, options=("--time-format", "%m/%d/%Y, %H:%M:%S"))

    told = capsys.readouterr()
    assert code == 1
    assert told.err == f"{broken}:{number}: 16 cells, but 17 columns\n"
    assert told.out.startswith("4000 rows: 3999 records stored")


def test_bad_rows_are_named_and_the_rest_lands(
    run: Run, api: ApiClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "calls.csv"
    path.write_bytes(
        b"\xef\xbb\xbfwhen,text,tokens,took\r\n"
        b'2025-01-01T00:00:00Z,"two\r\nlines",5,1\r\n'
        b"yesterday,x,5,1\r\n"
        b"\r\n"
        b"2025-01-01T00:00:01Z,x,many,1\r\n"
        b"2025-01-01T00:00:02Z,x,5\r\n"
        b"2025-01-01T00:00:03Z,\xff,5,1\r\n"
        b"2025-01-01T00:00:04Z,x,5,-1\r\n"
        b",x,5,1\r\n"
        b'2025-01-01T00:00:05Z,"x"y,5,1\r\n'
        b"2025-01-01T00:00:06Z,last,,\r\n"
    )

    code = run(path, "timestamp=when", "input=text", "input_tokens=tokens", "latency_ms=took")

    told = capsys.readouterr()
    faults = [line.removeprefix(f"{path}:").partition(": ") for line in told.err.splitlines()]
    assert code == 1
    assert [int(line) for line, _, _ in faults] == [4, 6, 7, 8, 9, 10, 11]
    assert "timestamp from column 'when': 'yesterday' is not a time" in faults[0][2]
    assert "input_tokens from column 'tokens': 'many' is not a number" in faults[1][2]
    assert [reason for _, _, reason in faults[2:4]] == ["3 cells, but 4 columns", "not UTF-8"]
    assert "is before start_ns" in faults[4][2]
    assert faults[5][2] == "the row has no time"
    assert "not CSV" in faults[6][2]
    assert told.out == "9 rows: 2 records stored in project p, 0 there already, 7 rows bad\n"
    assert [span["input"] for span in read_spans(api)] == ["two\r\nlines", "last"]


def test_jsonl_keeps_its_structure(run: Run, api: ApiClient, tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    rows: list[dict[str, Any]] = [
        {
            "t": 1_700_000_000_123,
            "messages": [{"role": "user", "content": "wo?"}],
            "answer": "hier",
            "args": '{"temperature": 0.5}',
            "labels": ["a", "b"],
            "id": "req-1",
            "score": 0.5,
            "deep": {"x": None},
        },
        {"t": "2023-11-14T22:13:21Z", "id": "req-2", "parent": "req-1", "score": "good"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n[1]\n{broken\n")

    code = run(
        path,
        "timestamp=t",
        "input=messages",
        "output=answer",
        "params=args",
        "tags=labels",
        "span_id=id",
        "parent_span_id=parent",
        "score:quality=score",
        options=("--json", "params", "--kind", "chain", "--name", "imported"),
    )

    first, second = read_spans(api)
    scores = api.get("/v1/scores")["scores"]
    assert code == 1
    assert first["start_time"] == "2023-11-14T22:13:20.123000000Z"
    assert first["input"] == rows[0]["messages"]
    assert (first["output"], first["params"], first["tags"]) == (
        "hier",
        {"temperature": 0.5},
        ["a", "b"],
    )
    assert first["attributes"] == {"deep": {"x": None}}
    assert (first["kind"], first["name"]) == ("chain", "imported")
    assert second["parent_span_id"] == first["span_id"]
    assert {(score["span_id"], score["value"]) for score in scores} == {
        (first["span_id"], 0.5),
        (second["span_id"], "good"),
    }


def test_parquet_keeps_its_types(run: Run, api: ApiClient, tmp_path: Path) -> None:
    path = tmp_path / "calls.parquet"
    moment = datetime(2025, 1, 1, 12, 0, 0, 123456)
    table = pa.table(
        {
            "begin": pa.array([moment] * 3, pa.timestamp("ns")),
            "end": pa.array([moment] * 3, pa.timestamp("ms")),
            "trace": ["4BF92F35-77B3-4DA6-A3CE-929D0E0E4736", "a" * 32, None],
            "ok": [True, False, None],
            "cost": [0.5, float("nan"), None],
            "extra": [{"a": 1}, None, {"a": 2}],
        }
    )
    pq.write_table(table, path)

    code = run(path, "timestamp=begin", "trace_id=trace", "score:ok=ok", "cost_usd=cost")

    spans = read_spans(api)
    assert code == 0
    assert {span["start_time"] for span in spans} == {"2025-01-01T12:00:00.123456000Z"}
    assert {span["trace_id"] for span in spans} >= {"4bf92f3577b34da6a3ce929d0e0e4736", "a" * 32}
    assert sorted((span["cost_usd"] or 0) for span in spans) == [0, 0, 0.5]
    assert {json.dumps(span["attributes"].get("extra")) for span in spans} == {
        '{"a": 1}',
        '{"a": 2}',
        "null",
    }
    assert sorted(score["value"] for score in api.get("/v1/scores")["scores"]) == [False, True]


def test_times_beyond_python_cost_their_rows_alone(
    run: Run, api: ApiClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "far.parquet"
    table = pa.table(
        {
            "when": pa.array([1_700_000_000, 10**15, 1_700_000_000], pa.timestamp("s")),
            "day": pa.array([1, 1, 10**9], pa.int32()).cast(pa.date32()),
        }
    )
    pq.write_table(table, path)

    code = run(path, "timestamp=when")

    told = capsys.readouterr()
    assert code == 1
    assert [line.split(": ")[0] for line in told.err.splitlines()] == [f"{path}:2", f"{path}:3"]
    assert [span["attributes"] for span in read_spans(api)] == [{"day": "1970-01-02"}]


def test_times_of_any_unit_zone_and_depth_are_read(
    run: Run, api: ApiClient, tmp_path: Path
) -> None:
    path = tmp_path / "deep.parquet"
    inner = pa.struct(
        [
            ("at", pa.timestamp("ns")),
            ("took", pa.duration("ns")),
            ("clock", pa.time64("ns")),
            ("often", pa.list_(pa.timestamp("ns", "Mars/Olympus"))),
        ]
    )
    deep = {"at": 1_001, "took": 1_500_000_001, "clock": 1_001, "often": [0]}
    table = pa.table(
        {
            "when": pa.array([1_700_000_000], pa.timestamp("s", "Mars/Olympus")),
            "deep": pa.array([deep], inner),
        }
    )
    pq.write_table(table, path)

    assert run(path, "timestamp=when") == 0

    (span,) = read_spans(api)
    assert span["start_time"] == "2023-11-14T22:13:20.000000000Z"
    assert span["attributes"]["deep"] == {
        "at": "1970-01-01T00:00:00.000001",
        "took": "PT1.5S",
        "clock": "00:00:00.000001",
        "often": ["1970-01-01T00:00:00Z"],
    }


def test_a_parquet_file_is_read_up_to_its_damage(
    run: Run, api: ApiClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "damaged.parquet"
    table = pa.table({"when": range(1_700_000_000, 1_700_002_000)})
    pq.write_table(table, path, row_group_size=1000, use_dictionary=False)
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(0)
    content = bytearray(path.read_bytes())
    first = chunk.data_page_offset
    content[first : first + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(content)

    code = run(path, "timestamp=when")

    told = capsys.readouterr()
    assert code == 1
    assert told.err.startswith(f"{path}:1001: from row 1001 to the end (row 2000): the file is")
    assert len(told.err.splitlines()) == 1
    assert len(read_spans(api)) == 1000


def test_a_column_that_only_late_rows_have_can_be_mapped(
    run: Run, api: ApiClient, tmp_path: Path
) -> None:
    path = tmp_path / "late.jsonl"
    rows: list[dict[str, Any]] = [{"t": 1_700_000_000 + n} for n in range(200)]
    rows[-1]["answer"] = "late"
    path.write_text("\n".join(map(json.dumps, rows)))

    assert run(path, "timestamp=t", "output=answer") == 0

    assert [span["output"] for span in read_spans(api)][-2:] == [None, "late"]


def test_a_quote_that_is_never_closed_says_how_much_it_takes(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "open.csv"
    path.write_text('when,q\n2025-01-01,"where?\n' + "2025-01-01,x\n" * 29)

    code = run(path, "timestamp=when")

    assert code == 1
    assert capsys.readouterr().err == (
        f"{path}:2: from line 2 to the end (line 31): a quote is never closed\n"
    )


def test_a_file_imported_with_another_plan_doubles_nothing(
    run: Run, api: ApiClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_calls(tmp_path / "calls.csv", 10)
    run(path, "timestamp=when")
    run(path, "timestamp=when", "input=question")

    assert "0 records stored in project p, 10 there already" in capsys.readouterr().out
    assert len(read_spans(api)) == 10


@pytest.mark.parametrize(
    ("name", "maps", "options", "message"),
    [
        ("gone.csv", ["timestamp=when"], [], "there is no file"),
        ("calls.csv", ["timestamp=whem"], [], "no column 'whem'; there are when, question"),
        ("calls.csv", ["inputs=question"], [], "did you mean input?"),
        ("calls.csv", ["input=question"], [], "give --map timestamp=COLUMN"),
        ("calls.csv", ["timestamp"], [], "--map timestamp is not of the form field=column"),
        ("calls.csv", ["input=a", "input=b"], [], "--map gives input twice: 'a' and 'b'"),
        ("calls.csv", ["timestamp=when"], ["--json", "input"], "--json input needs a --map"),
        ("calls.csv", ["timestamp=when"], ["--format", "parquet"], "is not a Parquet file"),
        ("calls.txt", ["timestamp=when"], [], "say what it is with --format csv|jsonl|parquet"),
        ("empty.csv", ["timestamp=when"], [], "is empty"),
        ("twice.csv", ["timestamp=a"], [], "more than one column 'a'"),
        ("wide.csv", ["timestamp=a"], [], "is not UTF-8"),
        ("", ["timestamp=a"], ["--format", "csv"], "there is no file"),
        ("calls.csv", ["timestamp=when"], ["--url", "http://127.0.0.1:1"], "no collector answers"),
        (
            "calls.csv",
            ["timestamp=when"],
            ["--url", "nonsense"],
            "URL is 'nonsense': give one such",
        ),
        ("calls.csv", ["timestamp=when"], ["--project", "a\nb"], r"the project is 'a\nb': give"),
        ("calls.csv", ["timestamp=when"], ["--time-format", "%q"], "'q' is a bad directive"),
        ("calls.csv", ["timestamp=when"], ["--time-format", "%Y %Y"], "cannot be used"),
        ("twice.parquet", ["timestamp=a"], [], "more than one column 'a'"),
        ("empty.jsonl", ["timestamp=a"], [], "no JSON object with a column: it is empty"),
        ("broken.jsonl", ["timestamp=a"], [], "line 2 is not JSON"),
        ("calls.jsonl", ["timestamp=b"], [], "there is no column 'b'; there are a"),
    ],
)
def test_what_cannot_be_imported_is_one_line_and_exit_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    maps: list[str],
    options: list[str],
    message: str,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write_calls(tmp_path / "calls.csv", 3)
    (tmp_path / "calls.txt").write_text("when\n1\n")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "broken.jsonl").write_text("\n{broken\n")
    (tmp_path / "calls.jsonl").write_text('{"a": 1}\n')
    pq.write_table(pa.table([[1], [2]], names=["a", "a"]), tmp_path / "twice.parquet")
    (tmp_path / "twice.csv").write_text("a,a\n1,2\n")
    (tmp_path / "wide.csv").write_text("a,b\n1,2\n", encoding="utf-16")

    mapped = [part for each in maps for part in ("--map", each)]
    code = main(["import", str(tmp_path / name), *mapped, *options])

    told = capsys.readouterr().err
    assert code == 2
    assert message in told
    assert len(told.splitlines()) == 1


def make_transfer(
    path: Path,
    client: ApiClient,
    marks: MarkFile,
    on_progress: Callable[[], None] = lambda: None,
    sleep: Callable[[float], None] = lambda delay_s: None,
) -> Transfer:
    plan = Plan({"timestamp": "when", "input": "question"}, name="n")
    mapper = Mapper(plan, "p", "digest")
    return Transfer(
        open_table(path),
        mapper,
        client,
        "p",
        "key",
        marks,
        on_progress=on_progress,
        sleep=sleep,
    )


class CountingClient(ApiClient):
    """Counts the batches that it sends."""

    sent = 0

    def ingest(self, *arguments: Any, **options: Any) -> Any:
        self.sent += 1
        return super().ingest(*arguments, **options)


def interrupt_after(count: int) -> Callable[[], None]:
    steps = iter(range(1, count + 1))

    def step() -> None:
        if next(steps) == count:
            raise KeyboardInterrupt

    return step


def test_an_interrupted_import_goes_on_where_it_stopped(api: ApiClient, tmp_path: Path) -> None:
    path = write_calls(tmp_path / "calls.csv", BATCH_ROWS * 5 + 1)
    marks = MarkFile(tmp_path / "marks", "key")
    with pytest.raises(KeyboardInterrupt):
        make_transfer(path, api, marks, interrupt_after(3)).run()

    client = CountingClient(api.url)
    totals = make_transfer(path, client, marks).run()

    # One batch to see whether the collector still has what the mark says, and the three left.
    assert client.sent == 4
    assert (totals.rows, totals.accepted, totals.duplicates) == (2501, 2501, 0)
    assert len(read_spans(api)) == 2501
    assert marks.load() is None


def test_a_mark_of_another_database_is_not_believed(
    api: ApiClient, listen: Callable[[], str], tmp_path: Path
) -> None:
    path = write_calls(tmp_path / "calls.csv", BATCH_ROWS * 2)
    marks = MarkFile(tmp_path / "marks", "key")
    with pytest.raises(KeyboardInterrupt):
        make_transfer(path, api, marks, interrupt_after(1)).run()

    other = ApiClient(listen())
    totals = make_transfer(path, other, marks).run()

    assert totals.rows == BATCH_ROWS * 2
    assert len(read_spans(other)) == BATCH_ROWS * 2


def test_a_mark_that_is_damaged_is_as_good_as_none(api: ApiClient, tmp_path: Path) -> None:
    path = write_calls(tmp_path / "calls.csv", 3)
    marks = MarkFile(tmp_path, "key")
    marks.save(Mark(10**6, 10**6, Totals()))
    first = make_transfer(path, api, marks).run()
    (tmp_path / "key.json").write_text("{half")

    second = make_transfer(path, api, marks).run()

    assert (first.accepted, second.duplicates) == (3, 3)


@contextmanager
def answering(answers: Iterator[tuple[int, bytes]]) -> Iterator[str]:
    """Answer POSTs with these, and give the server's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = next(answers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def busy_url() -> Iterator[str]:
    """A server that is busy twice, and then takes what it gets."""
    busy = (429, b'{"code":"queue_full","message":"later"}')
    taken = (200, b'{"accepted":3,"duplicates":0,"rejected":0,"errors":[]}')
    with answering(iter([busy, busy, taken])) as url:
        yield url


@pytest.fixture
def answer_always() -> Iterator[Callable[[int, bytes], str]]:
    """Start a server that has one answer to everything, and return its address."""
    with ExitStack() as stack:
        yield lambda status, body: stack.enter_context(answering(repeat((status, body))))


def test_a_busy_collector_is_asked_again(busy_url: str, tmp_path: Path) -> None:
    path = write_calls(tmp_path / "calls.csv", 3)
    client = ApiClient(busy_url)
    delays: list[float] = []

    transfer = make_transfer(path, client, MarkFile(tmp_path, "key"), sleep=delays.append)
    totals = transfer.run()

    assert totals.accepted == 3
    assert delays == [0.5, 1.0]


def test_a_collector_that_goes_away_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = write_calls(tmp_path / "calls.csv", 3)
    done = subprocess.run(
        [sys.executable, "-m", "headway", "import", path, "--map", "timestamp=when"],
        capture_output=True,
        text=True,
        env={**os.environ, "HEADWAY_URL": "http://127.0.0.1:1", "XDG_STATE_HOME": str(tmp_path)},
    )

    assert done.returncode == 2
    assert "no collector answers at http://127.0.0.1:1" in done.stderr
    assert "the same command goes on from here" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("status", "body"), [(501, b"<h1>no</h1>"), (200, b'{"hello":"world"}')])
def test_another_server_is_told_from_a_collector(
    answer_always: Callable[[int, bytes], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
    body: bytes,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = write_calls(tmp_path / "calls.csv", 3)

    url = answer_always(status, body)
    code = main(["import", str(path), "--map", "timestamp=when", "--url", url])

    told = capsys.readouterr().err
    assert code == 2
    assert f"{url} does not look like a Headway collector, see --url" in told
    assert len(told.splitlines()) == 1


def test_an_error_that_is_no_passing_one_ends_the_import(api: ApiClient, tmp_path: Path) -> None:
    path = write_calls(tmp_path / "calls.csv", 3)
    client = ApiClient(f"{api.url}/nowhere")

    with pytest.raises(ApiError, match="did you mean"):
        make_transfer(path, client, MarkFile(tmp_path, "key")).run()


def test_a_file_without_times_takes_the_one_time_it_is_given(
    run: Run, api: ApiClient, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("q\nwhere?\nwhen?\n")

    assert run(path, "input=q") == 2
    assert run(path, "input=q", options=("--time", "yesterday")) == 2
    assert run(path, "input=q", options=("--time", "2026-11-22T10:00:00Z")) == 0

    starts = {span["start_time"] for span in read_spans(api)}
    assert starts == {"2026-11-22T10:00:00.000000000Z"}
