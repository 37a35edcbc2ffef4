"""Parquet files imported: their types, times of any unit and zone, and damage."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headway.apis import ApiClient
from tests.collector.import_worlds import Run, make_run, read_spans


@pytest.fixture
def api(listen: Callable[[], str]) -> ApiClient:
    """A client of a running collector."""
    return ApiClient(listen())


@pytest.fixture
def run(api: ApiClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``headway import`` into that collector, and return its exit code."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return make_run(api)


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
