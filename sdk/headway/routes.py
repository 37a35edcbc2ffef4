"""Which way to the collector records take: the one that was in force when they were made.

A program may call ``init`` again, with another collector or another key. What waits still goes
where it was meant to, with the key of then, and a collector that is away holds up only its own.
"""

from collections.abc import Hashable, Iterator
from typing import TypeVar

import msgspec

from headway.transports import Transport

K = TypeVar("K", bound=Hashable)

_FIRST_WAIT_S = 0.5


class Route(msgspec.Struct, eq=False):
    """One way to a collector, and how it has gone lately.

    Args:
        due_s: before this nothing is tried.
        failures: in a row.
        complaint: the last one, which is said once.
    """

    transport: Transport
    due_s: float = 0.0
    failures: int = 0
    complaint: str = ""

    def put_off(self, now_s: float, longest_s: float, retry_after_s: float, chance: float) -> None:
        """Wait after a failure: twice as long as after the one before, less up to half by chance.

        ``longest_s`` is the end of that, unless the collector asks for more.
        """
        wait_s = min(longest_s, _FIRST_WAIT_S * 2 ** min(self.failures, 10))
        self.failures += 1
        self.due_s = now_s + max(retry_after_s, wait_s * (0.5 + chance / 2))


class Routes:
    """The routes of a process; ``latest`` carries what names no address."""

    def __init__(self, transport: Transport, url: str = "", project: str = "") -> None:
        self._by_place: dict[tuple[str, str], Route] = {}
        self._by_project: dict[str, Route] = {}
        self.latest = Route(transport)
        self.turn_to(transport, url, project)

    def __iter__(self) -> Iterator[Route]:
        return iter({id(each): each for each in (*self._by_place.values(), self.latest)}.values())

    @property
    def due_s(self) -> float:
        """When the first of what has failed is tried again; in the past where nothing has."""
        return min((each.due_s for each in self if each.failures), default=0.0)

    def hurry(self) -> None:
        """Try everything again now."""
        for route in self:
            route.due_s = 0.0

    def turn_to(
        self, transport: Transport, url: str, project: str, *, takes_over: bool = False
    ) -> None:
        """Let what is recorded from now on go this way, or what the latest had as well."""
        before = self.latest
        self.latest = Route(transport)
        if takes_over:
            _replace(self._by_place, before, self.latest)
            _replace(self._by_project, before, self.latest)
        # Also for what another process left for that collector, in a project that is not ours.
        self._by_place[url, project] = self._by_place[url, ""] = self.latest
        self._by_project[project] = self.latest

    def of_records(self, url: str, project: str) -> Route:
        """Return the way to ``url`` for a project."""
        places = self._by_place
        return places.get((url, project)) or places.get((url, "")) or self.latest

    def of_losses(self, project: str) -> Route:
        """Return the way that the records of a project took at last."""
        return self._by_project.get(project, self.latest)


def _replace(routes: dict[K, Route], before: Route, after: Route) -> None:
    routes.update({key: after for key, route in routes.items() if route is before})
