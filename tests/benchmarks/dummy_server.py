"""The server that every SDK of ``make bench-sdk`` sends to, in a process of its own.

It answers each protocol as that wants it, stores nothing, and counts the calls that arrived by a
mark in their bodies; ``GET /arrived`` tells how many.
"""

import gzip
import http.server
import subprocess
import sys
import threading
import urllib.request
from typing import Self

MARK = "one-logged-call"
_LOSS = b'{"type":"loss"'
_HOST = "127.0.0.1"


class CountingServer(http.server.ThreadingHTTPServer):
    """Counts the marks in all bodies."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int) -> None:
        super().__init__((_HOST, port), Answer)
        self.arrived = 0
        self._lock = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent about clients that were killed; say what else goes wrong."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def count(self, body: bytes) -> None:
        """Count one body's marks."""
        marks = body.count(MARK.encode())
        with self._lock:
            self.arrived += marks


class Answer(http.server.BaseHTTPRequestHandler):
    """One request: count the marks in its body, answer success."""

    protocol_version = "HTTP/1.1"
    # One packet an answer: else Nagle's algorithm holds its end back for 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: CountingServer

    def do_GET(self) -> None:
        """Tell how many calls arrived."""
        self._answer(b"%d" % self.server.arrived, "text/plain")

    def do_POST(self) -> None:
        """Take a batch: NDJSON for Headway, OTLP protobuf for the others."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.count(body)
        if self.path == "/v1/ingest":
            # As many as were sent, else Headway takes it for a stranger; marked or not.
            records = sum(not line.startswith(_LOSS) for line in body.split(b"\n"))
            answer = b'{"accepted":%d,"duplicates":0,"rejected":0}' % records
            self._answer(answer, "application/json")
        else:
            # Of no bytes is the ExportTraceServiceResponse in which all was taken.
            self._answer(b"", "application/x-protobuf")

    def _answer(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


class DummyServer:
    """The server's process; started on entering, ended on leaving, with the same port again."""

    def __init__(self) -> None:
        # Bound and let go: until the process starts, this is a port where nobody answers.
        with CountingServer(0) as probe:
            self.port = probe.server_port
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it listens, or will."""
        return f"http://{_HOST}:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process and return once it listens."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.dummy_server", str(self.port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError(f"no dummy server on port {self.port}: is it taken?")

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None

    def arrived(self) -> int:
        """Return how many calls arrived since it started."""
        with urllib.request.urlopen(f"{self.url}/arrived", timeout=30) as answer:
            return int(answer.read())


def main() -> None:
    """Serve until told to end."""
    with CountingServer(int(sys.argv[1])) as server:
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
