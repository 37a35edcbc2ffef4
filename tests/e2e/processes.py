"""Real processes for the end-to-end tests: the collector as users start it, and its client."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from headway.apis import ApiClient

START_TIMEOUT_S = 30.0
_BOUND = re.compile(rb"http://127\.0\.0\.1:(\d+)")


class CollectorProcess:
    """``headway serve`` on a loopback port of its own; ``kill`` and ``start`` keep the port.

    Args:
        environment: variables that it has beside those of the tests.
    """

    def __init__(self, db: Path, port: int = 0, environment: dict[str, str] | None = None) -> None:
        self.db = db
        self.port = port
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> ApiClient:
        return ApiClient(self.url)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start and return once the line that says it is ready is there."""
        command = [sys.executable, "-m", "headway", "serve"]
        command += ["--db", str(self.db), "--port", str(self.port)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=clean_environment(**self._environment),
        )
        try:
            line = read_line(self._process, START_TIMEOUT_S)
            bound = _BOUND.search(line)
            assert bound, f"the collector said {line!r}"
        except BaseException:
            self.kill()
            raise
        self.port = int(bound[1])

    def kill(self) -> None:
        """``kill -9``."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to stop, as Ctrl-C and service managers do, and return its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        code = process.wait(30)
        assert process.stdout is not None
        process.stdout.close()
        return code


def read_line(process: subprocess.Popen[bytes], timeout_s: float) -> bytes:
    """Return the next line of the process's stdout; fail when it ends or stays silent."""
    assert process.stdout is not None
    deadline = time.monotonic() + timeout_s
    line = b""
    while not line.endswith(b"\n"):
        readable, _, _ = select.select([process.stdout], [], [], deadline - time.monotonic())
        assert readable, f"no line within {timeout_s} s, only {line!r}"
        byte = os.read(process.stdout.fileno(), 1)
        assert byte, f"ended with {process.wait(5)} after {line!r}"
        line += byte
    return line


def clean_environment(**extra: str) -> dict[str, str]:
    """Return this environment without HEADWAY_* settings of whoever runs the tests."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HEADWAY_")}
    return {**kept, **extra}


def run_headway(
    *arguments: str, cwd: Path, timeout_s: float = 240.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the ``headway`` command to its end, as a user would in ``cwd``."""
    return subprocess.run(
        [sys.executable, "-m", "headway", *arguments],
        cwd=cwd,
        env=clean_environment(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
