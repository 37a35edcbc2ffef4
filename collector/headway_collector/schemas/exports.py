"""What an export is asked with, and what an import is told of it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from headway.records import Source
from headway_collector.callers import Caller
from headway_collector.errors import InvalidRequestError
from headway_collector.export_columns import Form, What
from headway_collector.schemas.queries import SpanQuery, resolve_time
from headway_collector.store.exporting import Selection
from headway_collector.store.scores import ScoreFilters

_SCORE_FILTERS = frozenset(ScoreFilters.__slots__) - {"start_ns", "end_ns"} | {"start", "end"}
_OWN = frozenset({"what", "format"})


class ExportQuery(SpanQuery):
    """Which rows, and how they are written. The filters are those of spans, or those of scores."""

    what: What = "spans"
    format: Form = Field("parquet", description="`arrow` is the streaming format of Arrow IPC")
    source: list[Source] = Field(default_factory=list, description="of scores alone")

    def to_selection(self, now_ns: int, caller: Caller) -> Selection:
        """Return which rows are meant, within the caller's projects.

        Raises:
            InvalidRequestError: a filter is none of what is exported.
            ForbiddenError: a project is not the caller's.
        """
        if self.what == "spans":
            self._refuse({"source"})
            return Selection(self.to_filters(now_ns, caller))
        self._refuse(set(ExportQuery.model_fields) - _SCORE_FILTERS - _OWN)
        plain: dict[str, Any] = {
            name: tuple(getattr(self, name)) for name in _SCORE_FILTERS - {"start", "end"}
        }
        plain["project"] = caller.narrow(self.project)
        return Selection(
            ScoreFilters(
                **plain,
                start_ns=resolve_time("start", self.start, now_ns),
                end_ns=resolve_time("end", self.end, now_ns),
            )
        )

    def _refuse(self, names: set[str]) -> None:
        foreign = sorted(names & self.model_fields_set)
        if foreign:
            raise InvalidRequestError(
                f"{', '.join(foreign)} cannot be asked of {self.what}: leave it out, or say what="
                f"{'scores' if self.what == 'spans' else 'spans'}"
            )


class ImportQuery(BaseModel):
    """What the lines of a body are."""

    model_config = ConfigDict(extra="forbid")

    what: What = "spans"
