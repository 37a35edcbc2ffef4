"""Who may read the files of a database: nobody but the collector's user."""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headway.apis import ApiClient
from headway_collector.store.connections import Store

Serve = Callable[..., Any]
WIDE = 0o022


@pytest.fixture(autouse=True)
def usual_mask() -> Iterator[None]:
    """Begin with the mask that most machines have."""
    before = os.umask(WIDE)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    return {each.name: oct(each.stat().st_mode & 0o777) for each in folder.iterdir()}


def test_a_served_database_and_its_log_are_its_owners_alone_also_after_a_rewrite(
    serve: Serve, tmp_path: Path, span_line: Callable[..., bytes]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    served = serve(folder / "a.duckdb")
    client = ApiClient(served.url)
    client.ingest([span_line()], project="p", batch_id="one")
    first = modes(folder)
    client.post("/v1/erasures", {"kind": "user", "id": "u", "now": True}, project="p")
    client.ingest([span_line()], project="p", batch_id="two")
    second = modes(folder)
    served.stop()

    assert first == {"a.duckdb": "0o600", "a.duckdb.wal": "0o600"}
    assert set(second.values()) == {"0o600"}


def test_a_database_that_everybody_can_read_keeps_its_mode_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.duckdb"
    Store(path).close()
    with caplog.at_level(logging.WARNING):
        Store(path).close()
        assert caplog.messages == []
        path.chmod(0o644)
        Store(path).close()

    assert caplog.messages == [f"{path} can be read by every user of this machine: chmod o= {path}"]
    assert path.stat().st_mode & 0o777 == 0o644
