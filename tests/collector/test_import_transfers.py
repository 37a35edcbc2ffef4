"""``headway import`` on its way: interrupted, to a busy collector, to one that is gone or none."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from headway.apis import ApiClient
from headway.cli import main
from headway.errors import ApiError
from headway_collector.importing.mapping import Mapper
from headway_collector.importing.marks import Mark, MarkFile, Totals
from headway_collector.importing.plans import Plan
from headway_collector.importing.tables import open_table
from headway_collector.importing.transfers import BATCH_ROWS, Transfer
from tests.collector.import_worlds import read_spans, write_calls


@pytest.fixture
def api(listen: Callable[[], str]) -> ApiClient:
    """A client of a running collector."""
    return ApiClient(listen())


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
