"""A database file that is moved or deleted while it is served: nothing more is said to be kept."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3

from headway_collector.errors import StoreUnavailableError
from headway_collector.store.connections import Store

Lines = Callable[..., bytes]
Serve = Callable[..., Any]


@pytest.fixture
def ask(serve: Serve, tmp_path: Path) -> Callable[..., "urllib3.BaseHTTPResponse"]:
    """Ask a collector that serves ``a.duckdb``."""
    served = serve(tmp_path / "a.duckdb")

    def request(method: str, path: str, body: bytes | None = None) -> "urllib3.BaseHTTPResponse":
        return urllib3.request(method, served.url + path, body=body, retries=False)

    return request


def test_rows_are_refused_until_the_file_is_back(
    ask: Callable[..., "urllib3.BaseHTTPResponse"], tmp_path: Path, span_line: Lines
) -> None:
    database, elsewhere = tmp_path / "a.duckdb", tmp_path / "b.duckdb"
    before = ask("POST", "/v1/ingest", span_line())
    database.rename(elsewhere)
    not_ready, refused = ask("GET", "/readyz"), ask("POST", "/v1/ingest", span_line())
    still_read = ask("GET", "/v1/metrics")
    elsewhere.rename(database)
    after, ready = ask("POST", "/v1/ingest", span_line()), ask("GET", "/readyz")

    assert before.status == 200
    for answer in (not_ready, refused):
        assert (answer.status, answer.json()["code"]) == (503, "store_unavailable")
        assert f"{database} was moved or deleted" in answer.json()["message"]
    assert still_read.json()["rows"] == [{"count": 1}]
    assert (after.status, ready.status) == (200, 200)
    assert ask("GET", "/v1/metrics").json()["rows"] == [{"count": 2}]


def test_another_file_in_its_place_is_not_the_database(
    ask: Callable[..., "urllib3.BaseHTTPResponse"], tmp_path: Path, span_line: Lines
) -> None:
    database = tmp_path / "a.duckdb"
    database.rename(tmp_path / "b.duckdb")
    Store(database).close()

    assert ask("GET", "/readyz").status == 503
    assert ask("POST", "/v1/ingest", span_line()).status == 503


def test_a_collector_whose_file_was_deleted_still_ends(serve: Serve, tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    served = serve(database)
    database.unlink()

    assert urllib3.request("GET", f"{served.url}/readyz", retries=False).status == 503
    assert served.stop() == 0
    assert not database.exists()


def test_a_database_without_its_file_is_not_made_anew_by_healing(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.duckdb")
    store._is_broken = True
    os.unlink(tmp_path / "a.duckdb")
    with pytest.raises(StoreUnavailableError, match="moved or deleted"):
        store.heal()
    store.close()

    assert not (tmp_path / "a.duckdb").exists()


def test_a_path_below_the_home_folder_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    store = Store("~/a.duckdb")
    found = store.find_fault()
    (tmp_path / "a.duckdb").rename(tmp_path / "b.duckdb")

    assert found is None
    assert store.find_fault() is not None
    store.close()
