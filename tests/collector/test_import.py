"""``headway import``: real files of every format, bad rows, and what cannot be imported."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headway.apis import ApiClient
from headway.cli import main
from tests.collector.import_worlds import Run, make_run, read_spans, write_calls

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
    return make_run(api)


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
