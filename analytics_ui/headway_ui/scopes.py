"""What the whole dashboard looks at: one project or all of them, through one window of time.

The sidebar makes a ``Scope`` once per run; every page takes its filters, its buckets and its
period of comparison from it, so that two numbers on one page never mean different windows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from headway_ui.formats import moment

Bucket = Literal["minute", "hour", "day", "week"]
Filters = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time that ends now. ``length`` is None for everything there is."""

    key: str
    label: str
    length: timedelta | None


WINDOWS = {
    window.key: window
    for window in (
        Window("1h", "last hour", timedelta(hours=1)),
        Window("24h", "last 24 hours", timedelta(hours=24)),
        Window("7d", "last 7 days", timedelta(days=7)),
        Window("30d", "last 30 days", timedelta(days=30)),
        Window("all", "all time", None),
    )
}
DEFAULT_WINDOW = "30d"


@dataclass(frozen=True, slots=True)
class Scope:
    """One project (None: all) in one window.

    Args:
        first_time: the start of the oldest span of the project, None where there is none.
        last_time: the start of the newest one.
        now: when the page was drawn.
    """

    project: str | None
    window: Window
    now: datetime
    first_time: datetime | None = None
    last_time: datetime | None = None

    @property
    def has_data(self) -> bool:
        """Whether the project has ever logged anything."""
        return self.last_time is not None

    @property
    def filters(self) -> dict[str, Any]:
        """The scope as query parameters of the collector's API."""
        filters: dict[str, Any] = {"project": self.project}
        if self.window.length is not None:
            filters["start"] = f"-{self.window.key}"
        return filters

    @property
    def previous_filters(self) -> dict[str, Any] | None:
        """The window of the same length before this one; None where no span is that old."""
        length = self.window.length
        if length is None or self.first_time is None or self.first_time >= self.now - length:
            return None
        hours = length // timedelta(hours=1)
        return {"project": self.project, "start": f"-{2 * hours}h", "end": f"-{hours}h"}

    @property
    def bucket(self) -> Bucket:
        """The bucket that cuts the data in this window into some ten to a hundred pieces."""
        if self.first_time is None or self.last_time is None:
            return "hour"
        start = self.first_time
        if self.window.length is not None:
            start = max(start, self.now - self.window.length)
        return choose_bucket(max(self.last_time - start, timedelta(0)))

    @property
    def query(self) -> dict[str, str]:
        """The scope as query parameters of the dashboard's own URLs; defaults are left out."""
        query = {}
        if self.project is not None:
            query["project"] = self.project
        if self.window.key != DEFAULT_WINDOW:
            query["range"] = self.window.key
        return query


def choose_bucket(extent: timedelta) -> Bucket:
    """Return the bucket for a chart that spans ``extent``."""
    if extent <= timedelta(hours=2):
        return "minute"
    if extent <= timedelta(days=3):
        return "hour"
    return "day" if extent <= timedelta(days=120) else "week"


def make_scope(
    project: str | None, window: Window, projects: Sequence[Mapping[str, Any]], now: datetime
) -> Scope:
    """Return the scope, with the extent of its data read from ``GET /v1/projects``."""
    mine = [each for each in projects if project in (None, each["project"]) and each["last_time"]]
    return Scope(
        project,
        window,
        now,
        first_time=min((moment(each["first_time"]) for each in mine), default=None),
        last_time=max((moment(each["last_time"]) for each in mine), default=None),
    )
