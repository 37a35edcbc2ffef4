"""``make bench-sdk``: what a logged call costs its caller, beside the bare OpenTelemetry SDK.

One thread, calls back to back, 1 KB in and 1 KB out, the same server for both, rounds in turn. The
peer lives in a virtual environment of its own, made here.
"""

import gzip
import http.server
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import venv
from pathlib import Path

from tests.benchmarks.results import record
from tests.benchmarks.sdk_worker import MARK

ROUNDS = 5
CALLS = 20_000
PEER = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")
PEERS = Path(__file__).parents[2] / ".venv-peers"
WORKER = Path(__file__).with_name("sdk_worker.py")


class CountingServer(http.server.ThreadingHTTPServer):
    """Answers every POST as either protocol wants it, and counts the calls that arrived."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.arrived = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class Answer(http.server.BaseHTTPRequestHandler):
    """One request: count the marks in its body, answer success."""

    protocol_version = "HTTP/1.1"
    server: CountingServer

    def do_POST(self) -> None:
        """Take a batch."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        arrived = body.count(MARK.encode())
        self.server.arrived += arrived
        is_ours = self.path == "/v1/ingest"
        answer = b'{"accepted":%d,"duplicates":0,"rejected":0}' % arrived if is_ours else b""
        kind = "application/json" if is_ours else "application/x-protobuf"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


def main() -> None:
    """Run the rounds in turn and record medians and their ratio."""
    pythons = {"headway": sys.executable, "opentelemetry": make_peer()}
    costs: dict[str, list[float]] = {sdk: [] for sdk in pythons}
    stored: dict[str, list[float]] = {sdk: [] for sdk in pythons}
    for number in range(ROUNDS):
        for sdk, python in pythons.items():
            cost, share = measure(sdk, python)
            sys.stdout.write(f"round {number + 1} of {ROUNDS}: {sdk} {cost:.1f} µs, {share:.0%}\n")
            costs[sdk].append(cost)
            stored[sdk].append(share)
    ours, theirs = (statistics.median(costs[sdk]) for sdk in pythons)
    rows = [
        f"| {sdk} | {statistics.median(costs[sdk]):.1f} | {min(costs[sdk]):.1f} to "
        f"{max(costs[sdk]):.1f} | {min(stored[sdk]):.1%} |"
        for sdk in pythons
    ]
    record(
        "A logged call, one thread, back to back",
        "make bench-sdk",
        [
            f"{ROUNDS} rounds of {CALLS:,} calls, 1 KB in and 1 KB out; added to the caller.",
            "",
            "| SDK | median µs | rounds | arrived 5 s later, worst round |",
            "|---|---|---|---|",
            *rows,
            "",
            f"Headway costs {ours / theirs:.2f} of OpenTelemetry.",
        ],
    )


def measure(sdk: str, python: str) -> tuple[float, float]:
    """Return a round's median cost in µs and the share of its calls that arrived."""
    with CountingServer() as server, tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [python, str(WORKER), sdk, server.url, str(CALLS), folder],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        answer = json.loads(done.stdout)
        deadline = time.monotonic() + 5
        while server.arrived < answer["calls"] and time.monotonic() < deadline:
            time.sleep(0.1)
        server.shutdown()
        return float(answer["median_us"]), server.arrived / answer["calls"]


def make_peer() -> str:
    """Return the Python of the peer's virtual environment, made on first use."""
    folder = PEERS / "opentelemetry"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEER], check=True)
    return str(python)


if __name__ == "__main__":
    main()
