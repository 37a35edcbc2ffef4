"""What rows to make anew, and how far that came."""

from pydantic import BaseModel, Field

from headway_collector.callers import Caller
from headway_collector.remapping import REMAPPED_ROWS, REPRICED_ROWS
from headway_collector.schemas.queries import ProjectQuery, Time, resolve_time
from headway_collector.store.chunks import Selection
from headway_collector.store.paging import Page

MOST_ROWS = 20_000


class RepriceQuery(ProjectQuery):
    """Which rows; without a filter all of them."""

    start: Time = None
    end: Time = None
    limit: int = Field(REPRICED_ROWS, ge=1, le=MOST_ROWS, description="rows of one chunk")
    cursor: str | None = Field(None, description="the `cursor` of the chunk before")

    def to_selection(self, now_ns: int, caller: Caller) -> Selection:
        """Return the rows that are meant, with times resolved, within the caller's projects."""
        return Selection(
            project=caller.narrow(self.project),
            start_ns=resolve_time("start", self.start, now_ns),
            end_ns=resolve_time("end", self.end, now_ns),
        )

    def to_page(self) -> Page:
        """Return the chunk that is asked for, the earliest rows first."""
        return Page(self.limit, self.cursor, is_descending=False)


class RemapQuery(RepriceQuery):
    """Which of the rows that came by OTLP."""

    limit: int = Field(REMAPPED_ROWS, ge=1, le=MOST_ROWS, description="rows of one chunk")
    all: bool = Field(False, description="those too that the mapper of today made")


class ChunkDone(BaseModel):
    """What came of one chunk."""

    cursor: str | None = Field(description="for the next chunk; null after the last")
    rows: int = Field(description="rows that were looked at")
    changed: int = Field(description="rows that say something else now")
