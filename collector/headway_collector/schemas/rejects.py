"""What of the refused is asked for, and how it is told."""

from pydantic import BaseModel, Field

from headway_collector.callers import Caller
from headway_collector.replaying import REPLAYED_ROWS
from headway_collector.schemas.queries import PageQuery, ProjectQuery, Texts, Time, resolve_time
from headway_collector.store.paging import Page
from headway_collector.store.rejects import RejectFilters

MOST_ROWS = 1_000
MOST_IDS = 1_000


class _RejectFields(ProjectQuery):
    reject_id: Texts = Field(max_length=MOST_IDS)
    reason: str | None = Field(
        None, max_length=1024, description="a text in the reason, in any case"
    )
    start: Time = None
    end: Time = None

    def to_filters(self, now_ns: int, caller: Caller) -> RejectFilters:
        """Return the filters with times resolved, within the caller's projects."""
        return RejectFilters(
            project=caller.narrow(self.project),
            reject_id=tuple(self.reject_id),
            reason=self.reason,
            start_ns=resolve_time("start", self.start, now_ns),
            end_ns=resolve_time("end", self.end, now_ns),
        )


class RejectListQuery(_RejectFields, PageQuery):
    """A page of rejects; the times are those of arrival."""


class ReplayQuery(_RejectFields):
    """Which rejects to read again; without a filter all of them."""

    limit: int = Field(REPLAYED_ROWS, ge=1, le=MOST_ROWS, description="rejects of one chunk")
    cursor: str | None = Field(None, description="the `cursor` of the chunk before")

    def to_page(self) -> Page:
        """Return the chunk that is asked for, the earliest first."""
        return Page(self.limit, self.cursor, is_descending=False)


class Reject(BaseModel):
    """What was refused, and why."""

    reject_id: str
    project: str
    batch_id: str | None
    line: int = Field(description="where it stood in its request, from 1")
    time: str = Field(description="of its arrival")
    reason: str
    form: str | None = Field(description="what the bytes are; null of older collectors")
    can_replay: bool = Field(description="false where only the beginning was kept")
    size_bytes: int | None = Field(description="of all of it")
    kept_bytes: int
    raw: str | None = Field(description="as text; in a listing the first 2 KiB")
    raw_base64: str | None = Field(description="the same of what is no text")


class RejectPage(BaseModel):
    """A page of rejects, the latest first."""

    rejects: list[Reject]
    next_cursor: str | None


class ReplayDone(BaseModel):
    """What came of one chunk."""

    cursor: str | None = Field(description="for the next chunk; null after the last")
    rows: int = Field(description="rejects that were read again")
    landed: int = Field(description="that are stored now, and no longer here")
    failed: int = Field(description="that stay, with the reason of today")
