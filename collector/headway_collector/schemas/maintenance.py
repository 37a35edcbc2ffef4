"""What rows to make anew, and how far that came."""

from pydantic import BaseModel, Field

from headway_collector.schemas.queries import ProjectQuery, Time, resolve_time
from headway_collector.store.rewrites import Selection


class RepriceQuery(ProjectQuery):
    """Which rows; without a filter all of them."""

    start: Time = None
    end: Time = None
    cursor: str | None = Field(None, description="the `cursor` of the chunk before")

    def to_selection(self, now_ns: int) -> Selection:
        """Return the rows that are meant, with times resolved."""
        return Selection(
            project=tuple(self.project),
            start_ns=resolve_time("start", self.start, now_ns),
            end_ns=resolve_time("end", self.end, now_ns),
        )


class RemapQuery(RepriceQuery):
    """Which of the rows that came by OTLP."""

    all: bool = Field(False, description="those too that the mapper of today made")


class ChunkDone(BaseModel):
    """What came of one chunk."""

    cursor: str | None = Field(description="for the next chunk; null after the last")
    rows: int = Field(description="rows that were looked at")
    changed: int = Field(description="rows that say something else now")
