"""The servers that are loaded: ours and Phoenix, each as its users start it, on loopback."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import urllib3

from tests.benchmarks.collector_databases import list_ids, list_phoenix
from tests.benchmarks.peers import Peer, clean_environment

_START_WITHIN_S = 180.0
_STOP_WITHIN_S = 120.0
_LOOK_S = 0.1

PHOENIX_PEER = Peer("phoenix", "import phoenix", "", ("arize-phoenix",))


@dataclass(frozen=True, slots=True)
class Program:
    """A server that takes OTLP and keeps spans in a file.

    Args:
        command: given the database file and a port.
        environment: given the same, what is added to ours.
        list_ids: of all spans in the database file; only while it does not run.
    """

    name: str
    command: Callable[[Path, int], list[str]]
    environment: Callable[[Path, int], Mapping[str, str]]
    list_ids: Callable[[Path], list[str]]


class Server:
    """One server process over one database file; ``kill`` and ``start`` keep the port.

    Args:
        folder: where its log goes.
    """

    def __init__(self, program: Program, database: Path, folder: Path) -> None:
        self.program = program
        self.database = database
        self._log = folder / f"{program.name}.log"
        self._port = _find_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def address(self) -> tuple[str, int]:
        """Its address, for sockets."""
        return "127.0.0.1", self._port

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and return once it answers.

        Raises:
            RuntimeError: it ended, or was silent for too long.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.program.command(self.database, self._port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.database.parent,
                env={
                    **clean_environment(),
                    **self.program.environment(self.database, self._port),
                },
            )
        deadline = time.monotonic() + _START_WITHIN_S
        while not self._is_answering():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self._log.read_text(encoding="utf-8", errors="replace")
                raise RuntimeError(f"{self.program.name} does not come up: {said[-4000:]}")
            time.sleep(_LOOK_S)

    def kill(self) -> None:
        """``kill -9``."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._end(signal.SIGTERM)

    def peak_mb(self) -> float:
        """Return the most memory that it and each of its processes have held, as a sum."""
        assert self._process is not None
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        children = " ".join(each.read_text(encoding="ascii") for each in tasks).split()
        return sum(map(_read_peak_mb, [str(self._process.pid), *children]))

    def resident_mb(self) -> float:
        """Return how much memory it holds now, without its processes."""
        assert self._process is not None
        return _read_memory_mb(str(self._process.pid), "VmRSS")

    def _is_answering(self) -> bool:
        try:
            answer = urllib3.request("GET", f"{self.url}/healthz", retries=False, timeout=5.0)
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == 200

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _serve_headway(database: Path, port: int) -> list[str]:
    serve = [sys.executable, "-m", "headway", "serve"]
    return [*serve, "--db", str(database), "--port", str(port)]


def _serve_phoenix(database: Path, port: int) -> list[str]:
    return [str(PHOENIX_PEER.python), "-m", "phoenix.server.main", "serve"]


def _set_up_phoenix(database: Path, port: int) -> dict[str, str]:
    return {
        "PHOENIX_WORKING_DIR": str(database.parent),
        "PHOENIX_SQL_DATABASE_URL": f"sqlite:///{database}",
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(_find_port()),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PATH": f"{PHOENIX_PEER.python.parent}{os.pathsep}{os.environ['PATH']}",
    }


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _read_peak_mb(pid: str) -> float:
    return _read_memory_mb(pid, "VmHWM")


def _read_memory_mb(pid: str, name: str) -> float:
    # In proc(5): VmRSS is the resident set and VmHWM the most it ever was, in KiB.
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024 / 1e6


HEADWAY = Program("headway", _serve_headway, lambda database, port: {}, list_ids)
PHOENIX = Program("phoenix", _serve_phoenix, _set_up_phoenix, list_phoenix)
