"""``headway up``: the collector and the dashboard in one terminal.

Both run as child processes of their own commands, so what is started here is exactly what
``headway serve`` and ``headway ui`` start. The children stand outside the terminal's process
group: Ctrl-C reaches this process alone, which then stops the dashboard first, so that it never
shows an error about a collector that is gone, and the collector last, which empties its queue.
A child whose parent dies without a word (``kill -9``, a closed terminal) notices that its standard
input has ended, and stops as if told to.
"""

import argparse
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Self

from headway import cli
from headway.commands import Command
from headway.errors import CommandError
from headway.settings import load_sources, parse_port

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
_POLL_S = 0.1
_CHILD = "import sys; from headway.launching import run_child; sys.exit(run_child(sys.argv[1:]))"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start and where. A port of 0 is replaced by a free one."""

    db: str
    collector_port: int = 4318
    ui_port: int = 8501
    label: str = ""
    host: str = "127.0.0.1"


class Stack:
    """The running pair. Use it as a context manager: leaving it stops both.

    Args:
        plan: what to start.
        write: where lines for the user go.
    """

    def __init__(self, plan: Plan, write: Callable[[str], object] = sys.stdout.write) -> None:
        self._plan = plan
        self._write = write
        if plan.collector_port and plan.collector_port == plan.ui_port:
            raise CommandError(f"port {plan.ui_port} cannot serve both: change one with --ui-port")
        self._collector_port = _claim(plan.host, plan.collector_port, "--collector-port")
        self._ui_port = _claim(plan.host, plan.ui_port, "--ui-port")
        self._children: list[subprocess.Popen[bytes]] = []

    @property
    def collector_url(self) -> str:
        """Where the SDK sends to."""
        return f"http://{self._plan.host}:{self._collector_port}"

    @property
    def ui_url(self) -> str:
        """Where the browser goes."""
        return f"http://{self._plan.host}:{self._ui_port}"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self) -> int:
        """Block until one of the two ends by itself, and return its exit code."""
        while True:
            for child in self._children:
                if (code := child.poll()) is not None:
                    return code
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Stop the dashboard, then the collector; kill what does not stop in time."""
        for child in reversed(self._children):
            if child.poll() is None:
                child.terminate()
            try:
                child.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdin is not None:
                child.stdin.close()
        self._children.clear()

    def _start(self) -> None:
        plan = self._plan
        serve = ["serve", "--db", plan.db, "--host", plan.host, "--port", str(self._collector_port)]
        if plan.label:
            serve += ["--label", plan.label]
        self._spawn(serve)
        self._await_answer("collector", self._collector_port, "/readyz")
        self._spawn(
            ["ui", "--url", self.collector_url, "--host", plan.host, "--port", str(self._ui_port)]
        )
        self._await_answer("dashboard", self._ui_port, "/_stcore/health")

    def _spawn(self, arguments: Sequence[str]) -> None:
        self._children.append(
            subprocess.Popen(
                [sys.executable, "-c", _CHILD, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    def _await_answer(self, what: str, port: int, path: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        child = self._children[-1]
        while not _answers(self._plan.host, port, path):
            if (code := child.poll()) is not None:
                raise CommandError(f"the {what} ended with exit code {code}; its message is above")
            if time.monotonic() > deadline:
                raise CommandError(
                    f"the {what} did not answer at port {port} within {START_TIMEOUT_S:.0f} s"
                )
            time.sleep(_POLL_S)


def run_child(arguments: Sequence[str]) -> int:
    """Run a ``headway`` command that stops with its parent."""
    threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    return cli.main(arguments)


@contextlib.contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Make SIGTERM and a closed terminal end the block as Ctrl-C does: the children are stopped."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--db", help="database file (default: ./headway.duckdb)")
    parser.add_argument("--collector-port", type=int, help="default: 4318; 0 takes a free one")
    parser.add_argument("--ui-port", type=int, help="default: 8501; 0 takes a free one")
    parser.add_argument("--label", help="a word shown on every page, for example: staging")


def _run(arguments: argparse.Namespace) -> int:
    sources = load_sources()
    plan = Plan(
        db=sources.get("collector.db", arguments.db, "headway.duckdb"),
        collector_port=sources.get("collector.port", arguments.collector_port, 4318, parse_port),
        ui_port=sources.get("ui.port", arguments.ui_port, 8501, parse_port),
        label=sources.get("collector.label", arguments.label, ""),
    )
    write = sys.stdout.write
    with termination_as_interrupt():
        try:
            with Stack(plan) as stack:
                write(f"Headway is up. Dashboard: {stack.ui_url}   ")
                write(f"Collector: {stack.collector_url}   Database: {plan.db}\n")
                write("Ctrl-C stops both.\n")
                sys.stdout.flush()
                return stack.wait()
        except KeyboardInterrupt:
            write("\nStopped.\n")
            return 0


def _claim(host: str, port: int, option: str) -> int:
    """Return ``port``, or a free one for 0; the port is closed again for the child to bind."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OverflowError as error:
            raise CommandError(f"{option} is {port}, not a port between 0 and 65535") from error
        except OSError as error:
            who = "a Headway collector" if _answers(host, port, "/healthz") else "another program"
            raise CommandError(
                f"port {port} on {host} is in use by {who}: stop it, or choose another port "
                f"with {option} (0 takes a free one)"
            ) from error
        return int(probe.getsockname()[1])


def _stop_at_end_of_input() -> None:
    # Past Python's buffer, whose lock would be held when the interpreter ends.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _answers(host: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


UP = Command(
    name="up",
    summary="Run the collector and the dashboard together.",
    extra="all",
    configure=_configure,
    run=_run,
)
