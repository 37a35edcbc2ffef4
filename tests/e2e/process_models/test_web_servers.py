"""gunicorn and uvicorn with two workers: graceful ends, kills, and workers that are replaced."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import urllib3

from tests.e2e.process_models.worlds import World, finish, wait_until

APP = "tests.e2e.process_models.web_app"


class Visitor:
    """Asks a server that may still be starting, each time on a connection of its own."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._pool = urllib3.PoolManager(headers={"Connection": "close"})

    def ask(self) -> int:
        """Return the id of the process that answered."""
        answer = self._pool.request("GET", f"{self._url}/ask", retries=False, timeout=30)
        assert answer.status == 200
        return int(answer.data)

    def is_answered(self) -> bool:
        try:
            return self.ask() > 0
        except urllib3.exceptions.HTTPError:
            return False

    def ask_until(self, workers: int) -> set[int]:
        """Ask until so many workers have answered, also while some are replaced."""
        pids: set[int] = set()

        def are_all_there() -> bool:
            with suppress(urllib3.exceptions.HTTPError):
                pids.add(self.ask())
            return len(pids) == workers

        wait_until(are_all_there)
        return pids


@contextmanager
def serving(world: World, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Visitor]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with world.start(*(argument.replace("PORT", str(port)) for argument in arguments)) as server:
        visitor = Visitor(port)
        try:
            wait_until(lambda: visitor.is_answered() or server.poll() is not None)
            yield server, visitor
        finally:
            server.kill()


def gunicorn(*options: str) -> list[str]:
    common = ["--bind", "127.0.0.1:PORT", "--workers", "2", "--preload", "--log-level", "error"]
    return ["-m", "gunicorn", f"{APP}:application", *common, *options]


def stop(server: subprocess.Popen[str]) -> None:
    server.terminate()
    done = finish(server)
    assert done.returncode in (0, -signal.SIGTERM), done.stderr


def test_gunicorn_with_preload_loses_nothing_when_it_replaces_workers_and_stops(
    world: World,
) -> None:
    with serving(world, *gunicorn("--max-requests", "3")) as (server, visitor):
        workers = visitor.ask_until(4)
        stop(server)
    names = [span["name"] for span in world.stored()]

    world.assert_stored_once(len(world.noted()))
    assert server.pid not in workers
    assert names.count("import") == 1
    assert names.count("/ask") == len(names) - 1 > 6


def test_gunicorn_loses_nothing_when_a_worker_is_killed(world: World) -> None:
    with serving(world, *gunicorn()) as (server, visitor):
        first, second = visitor.ask_until(2)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: visitor.ask_until(2) != {first, second})
        stop(server)
    world.adopt()

    world.assert_stored_once(len(world.noted()))


def test_uvicorn_with_two_workers_loses_nothing_when_it_is_stopped(world: World) -> None:
    command = ["-m", "uvicorn", f"{APP}:app", "--port", "PORT", "--workers", "2"]
    with serving(world, *command, "--log-level", "error") as (server, visitor):
        visitor.ask_until(2)
        stop(server)
    names = [span["name"] for span in world.stored()]

    world.assert_stored_once(len(world.noted()))
    assert [names.count(name) for name in ("import", "start", "stop")] == [2, 2, 2]
