"""Killing a server while spans arrive, and looking for the acknowledged ones afterwards.

Other than wrk, the senders here know which spans were in which request.
"""

import http.client
import itertools
import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.collector_requests import Template, make_id
from tests.benchmarks.collector_servers import Server

_SENDERS = 4
_TIMEOUT_S = 30.0
# Far behind those of wrk, and more than a post needs.
_FIRST_SLOT = 2**52
_SLOTS_A_POST = 2**20


@dataclass(frozen=True, slots=True)
class Losses:
    """What became of acknowledged spans when the server was killed."""

    rounds: int
    acknowledged: int
    lost: int


@dataclass(slots=True)
class _Senders:
    """Threads that post until the server is gone, and what it said yes to."""

    server: Server
    templates: Sequence[Template]
    turns: Iterator[int]
    acknowledged: list[str] = field(default_factory=list)
    has_begun: threading.Event = field(default_factory=threading.Event)

    def send(self) -> None:
        try:
            with socket.create_connection(self.server.address, _TIMEOUT_S) as connection:
                while True:
                    self._post(connection)
        except (OSError, http.client.HTTPException):
            return  # killed, as it should be

    def _post(self, connection: socket.socket) -> None:
        turn = next(self.turns)
        first = _FIRST_SLOT + turn * _SLOTS_A_POST
        template = self.templates[turn % len(self.templates)]
        connection.sendall(template.fill(first, int(time.time())))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        answer.read()
        if answer.status == 200:
            ids = (f"{make_id(first + slot):016x}" for slot in range(template.span_count))
            self.acknowledged.extend(ids)
            self.has_begun.set()


def count_losses(server: Server, templates: Sequence[Template], rounds: int) -> Losses:
    """Kill the server in so many rounds, start it once more, and count what is missing.

    Args:
        server: not running; it does not run afterwards either.
    """
    turns = itertools.count()
    chance = random.Random(rounds)
    acknowledged: list[str] = []
    try:
        for _ in range(rounds):
            acknowledged += _run_round(_Senders(server, templates, turns), chance)
        server.start()
    finally:
        server.stop()
    stored = set(server.program.list_ids(server.database))
    lost = sum(each not in stored for each in acknowledged)
    return Losses(rounds, len(acknowledged), lost)


def _run_round(senders: _Senders, chance: random.Random) -> list[str]:
    """Start the server, kill it under the posts, and return what it had acknowledged."""
    senders.server.start()
    threads = [threading.Thread(target=senders.send) for _ in range(_SENDERS)]
    for thread in threads:
        thread.start()
    try:
        senders.has_begun.wait(_TIMEOUT_S)
        time.sleep(chance.uniform(0.2, 1.5))
    finally:
        senders.server.kill()
        for thread in threads:
            thread.join()
    return senders.acknowledged
