"""An export imported: the same rows, once, whatever the format and however often it is stopped."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from headway.apis import ApiClient
from headway.cli import main
from headway_collector.export_columns import FORMS, WHATS, Form
from headway_collector.exporting import Exports
from headway_collector.importing.exported import ExportClient, LineMapper, open_export
from headway_collector.importing.marks import MarkFile, Totals
from headway_collector.importing.transfers import BATCH_ROWS, Transfer
from headway_collector.store.connections import Store
from tests.collector.export_worlds import fill, read_tables
from tests.collector.test_exports import insert_many, serving

Run = Callable[..., int]


@pytest.fixture
def other() -> Iterator[Store]:
    """A database that the rows go to."""
    store = Store()
    yield store
    store.close()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run ``headway`` and return its exit code."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return lambda *words: main([str(word) for word in words])


def post(client: TestClient, *rows: dict[str, Any], what: str = "spans", **headers: str) -> Any:
    body = b"\n".join(json.dumps(row).encode() for row in rows)
    answer = client.post(f"/v1/import?what={what}", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def export_row(client: TestClient, what: str = "spans", **params: str) -> dict[str, Any]:
    answer = client.get("/v1/export", params={"format": "jsonl", "what": what, **params})
    row: dict[str, Any] = json.loads(answer.content.splitlines()[0])
    return row


@pytest.mark.parametrize("form", FORMS)
def test_an_export_gives_back_the_same_rows(
    form: Form, run: Run, store: Store, client: TestClient, other: Store, tmp_path: Path
) -> None:
    fill(client)
    wanted = read_tables(store)
    assert {row["mapper_version"] is None for row in wanted["spans"]} == {True, False}
    assert any('{"$' in (row["attributes"] or "") for row in wanted["spans"])
    assert any("\n" in (row["input"] or "") for row in wanted["spans"])
    files = {what: tmp_path / f"{what}.{form}" for what in WHATS}
    with serving(store, Exports()) as url:
        codes = [run("export", path, "--what", what, "--url", url) for what, path in files.items()]
    with serving(other, Exports()) as url:
        codes += [run("import", path, "--url", url) for path in files.values()]

    assert codes == [0, 0, 0, 0]
    assert read_tables(other) == wanted


def test_a_second_import_stores_nothing_more(
    run: Run, store: Store, client: TestClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(client)
    before = read_tables(store)
    path = tmp_path / "calls.parquet"
    with serving(store, Exports()) as url:
        codes = [run("export", path, "--url", url), run("import", path, "--url", url)]

    rows = len(before["spans"])
    told = capsys.readouterr().out
    assert codes == [0, 0]
    assert told.startswith(f"{rows} spans in {path} (")
    assert f"{rows} rows: 0 records stored in their projects, {rows} there already" in told
    assert read_tables(store) == before


def test_a_project_given_takes_all_rows(
    run: Run, store: Store, client: TestClient, other: Store, tmp_path: Path
) -> None:
    fill(client)
    path = tmp_path / "calls.csv"
    with serving(store, Exports()) as url:
        run("export", path, "--url", url)
    with serving(other, Exports()) as url:
        code = run("import", path, "--url", url, "--project", "copy")

    assert code == 0
    assert {row["project"] for row in read_tables(other)["spans"]} == {"copy"}


@pytest.mark.parametrize("form", FORMS)
def test_an_import_that_was_killed_goes_on(form: Form, other: Store, tmp_path: Path) -> None:
    store = Store()
    insert_many(store, 2 * BATCH_ROWS + 100, chars=32)
    path = tmp_path / f"calls.{form}"
    with serving(store, Exports()) as url:
        path.write_bytes(b"".join(ApiClient(url).stream("/v1/export", {"format": form})))
    store.close()
    table = open_export(path)
    assert table is not None
    seen: list[str] = []

    with serving(other, Exports()) as url:
        api = ApiClient(url)

        class Counting(ExportClient):
            def ingest(self, *lines: Any, **options: Any) -> Any:
                seen.append(options["batch_id"])
                return super().ingest(*lines, **options)

        def transfer(stop: bool) -> Totals:
            def step() -> None:
                if stop:
                    raise KeyboardInterrupt

            client = Counting(api, "spans", None)
            marks = MarkFile(tmp_path, "mark")
            return Transfer(table, LineMapper(), client, "", "key", marks, on_progress=step).run()

        with pytest.raises(KeyboardInterrupt):
            transfer(stop=True)
        totals = transfer(stop=False)

    # The second run asks once whether the first batch is there, and sends the others.
    assert seen == ["import-key-0", "import-key-0", "import-key-500", "import-key-1000"]
    assert (totals.rows, totals.accepted, totals.bad) == (1100, 1100, 0)
    assert other.read("SELECT count(*) AS n FROM store.spans") == [{"n": 1100}]


def test_a_row_that_is_none_is_refused_alone(
    client: TestClient, ingest: Any, span_line: Any
) -> None:
    ingest(span_line())
    good = export_row(client) | {"span_id": "9" * 16}
    bad: list[dict[str, Any]] = [
        {"span_id": "x"},
        {"start_time": "yesterday"},
        {"end_time": "1999-01-01T00:00:00Z"},
        {"kind": "poem"},
        {"mapper_version": 1},
        {"mapper_version": 2**40, "otel": {}},
        {"mapper_version": 1, "otel": {"attributes": {"$double": "x"}}, "attributes": 5},
        {"verbatim": {"name": "x"}},
        {"verbatim": {"input": "{"}},
        {"colour": "red"},
        {"project": ""},
    ]

    answer = post(client, *(good | change for change in bad), good)

    assert (answer["accepted"], answer["rejected"]) == (1, len(bad))
    assert [error["line"] for error in answer["errors"]] == list(range(1, len(bad) + 1))


def test_the_same_batch_is_answered_as_it_was(
    client: TestClient, ingest: Any, span_line: Any
) -> None:
    ingest(span_line())
    rows = [export_row(client) | {"span_id": "9" * 16, "project": name} for name in ("a", "b")]
    answers = [post(client, *rows, **{"Headway-Batch-Id": "x"}) for _ in range(2)]

    assert [answer["accepted"] for answer in answers] == [2, 2]
    assert [answer["is_replay"] for answer in answers] == [False, True]


def test_an_import_that_stored_rows_stands_in_the_audit_of_their_projects(
    client: TestClient, ingest: Any, span_line: Any
) -> None:
    ingest(span_line())
    row = export_row(client)
    others = [row | {"span_id": f"{number:016x}", "project": "a"} for number in range(8, 10)]
    for _ in range(2):  # the second time all of them are there already
        post(client, row, *others, row | {"project": "b"}, row | {"project": "b", "kind": "poem"})
        post(client, row | {"project": "c"}, **{"Headway-Batch-Id": "x"})
    actions = client.get("/v1/audit", params={"action": "import"}).json()["actions"]

    assert {each["project"]: each["detail"] for each in actions} == {
        "a": {"what": "spans", "accepted": 2},
        "b": {"what": "spans", "accepted": 1},
        "c": {"what": "spans", "accepted": 1},
    }
    assert len(actions) == 3


def test_an_unknown_price_is_not_filled_in(client: TestClient, store: Store) -> None:
    fill(client)
    row = export_row(client, name="chat 101")
    assert row["cost_usd"] is not None
    unpriced = row | {"cost_usd": None, "price_version": None, "project": "copy"}

    post(client, unpriced)

    (stored,) = store.read("SELECT cost_usd FROM store.spans WHERE project = 'copy'")
    assert stored["cost_usd"] is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("calls.csv", b"when,question\n1700000000,hi\n"),
        ("calls.jsonl", b'{"project":"p","when":1700000000}\n'),
    ],
)
def test_a_file_of_others_is_none_of_ours(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    assert open_export(path) is None


def test_a_parquet_of_others_is_none_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "calls.parquet"
    pq.write_table(pa.table({"when": [1]}), path)

    assert open_export(path) is None


def test_an_export_of_a_newer_headway_is_refused(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "calls.parquet"
    schema = pa.schema([("when", pa.int64())], {"headway.export": "spans 9"})
    pq.write_table(pa.table({"when": [1]}, schema), path)

    assert run("import", path) == 2
    assert "version 9, and this Headway knows version 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("form", "kept", "message"),
    [
        ("arrow", -8, "was cut off"),
        ("parquet", -8, "is not a Parquet file"),
        ("csv", -2, "cells"),
        ("jsonl", -20, "not JSON"),
    ],
)
def test_a_file_that_was_cut_off_is_told_of(
    form: str,
    kept: int,
    message: str,
    run: Run,
    store: Store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    insert_many(store, 10, chars=32)
    path = tmp_path / f"calls.{form}"
    with serving(store, Exports()) as url:
        whole = b"".join(ApiClient(url).stream("/v1/export", {"format": form}))
        cut = whole[:kept] if form != "csv" else whole[: whole.rindex(b",")]
        path.write_bytes(cut)
        code = run("import", path, "--url", url)

    assert code != 0
    assert message in capsys.readouterr().err


def test_an_export_that_breaks_off_leaves_no_file(
    run: Run, tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    insert_many(store, 10, chars=32)
    path = tmp_path / "calls.csv"
    path.write_bytes(b"older")
    with serving(store, Exports()) as url:
        store.stop_reading()
        code = run("export", path, "--url", url)

    assert code == 2
    assert "nothing was written to" in capsys.readouterr().err
    assert [each.read_bytes() for each in tmp_path.iterdir() if each.is_file()] == [b"older"]
