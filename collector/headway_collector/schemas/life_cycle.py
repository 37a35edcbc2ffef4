"""Erasures and retention: what is posted, asked and answered."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from headway_collector.limits import MAX_NAME_CHARS
from headway_collector.schemas.evaluations import Writable
from headway_collector.schemas.queries import ProjectQuery
from headway_collector.store.retention import RULE_KINDS, TABLES
from headway_collector.store.targets import Kind

MAX_ID_CHARS = 1024
TRACE_ID = re.compile(r"[0-9a-f]{32}")
MAX_DAYS = 100_000.0

# With less a slip of the hand takes what came today.
MIN_DAYS = 1.0

_Days = Annotated[float, Field(ge=MIN_DAYS, le=MAX_DAYS, allow_inf_nan=False)]


class ErasureBody(Writable):
    """Whose calls are to be erased, in the project of the header."""

    kind: Kind
    id: str = Field(min_length=1, max_length=MAX_ID_CHARS, examples=["user-4711"])
    now: bool = Field(False, description="have the file rewritten at once, not in the night")

    @model_validator(mode="after")
    def _check_trace(self) -> "ErasureBody":
        if self.kind == "trace" and not TRACE_ID.fullmatch(self.id):
            raise ValueError(f"id={self.id[:80]!r} is not a trace's: 32 lower-case hex digits")
        return self


class Erasure(BaseModel):
    """A receipt; whose calls they were is not in it."""

    receipt_id: str
    project: str
    kind: Kind
    stage: Literal["hidden", "removed"] = Field(
        description="gone from every read, or from the bytes of the file too"
    )
    counts: dict[str, int] = Field(examples=[{"spans": 12, "scores": 3}])
    created_at: str
    removed_at: str | None
    outside: list[str] = Field(description="what the collector cannot reach")


class Erasures(BaseModel):
    """A page of receipts."""

    erasures: list[Erasure]
    next_cursor: str | None


def _check_kind(kind: str | None) -> str | None:
    if kind is not None and kind not in RULE_KINDS:
        raise ValueError(f"kind={kind[:80]!r} is none of {', '.join(RULE_KINDS)}")
    return kind


class RuleBody(Writable):
    """How long something is kept."""

    project: str | None = Field(
        None, min_length=1, max_length=MAX_NAME_CHARS, description="null: all projects"
    )
    kind: str | None = Field(
        None, description=f"of spans, or one of {', '.join(TABLES)}; null: all spans"
    )
    days: _Days | None = Field(None, description="until it is deleted")
    content_days: _Days | None = Field(
        None, description="until texts are taken out of spans, and figures stay"
    )

    _kind = field_validator("kind")(_check_kind)

    @model_validator(mode="after")
    def _check_terms(self) -> "RuleBody":
        if self.days is None and self.content_days is None:
            raise ValueError("say days, content_days, or both")
        if self.kind in TABLES and self.content_days is not None:
            raise ValueError(f"content_days is of spans, and {self.kind} are none: say days alone")
        days = MAX_DAYS if self.days is None else self.days
        if self.content_days is not None and self.content_days > days:
            raise ValueError(
                f"content_days={self.content_days:g} is more than days={days:g}: what is "
                "deleted has no content left"
            )
        return self


class RuleQuery(BaseModel):
    """Which rule is to be removed."""

    project: str | None = Field(None, min_length=1, max_length=MAX_NAME_CHARS)
    kind: str | None = None

    _kind = field_validator("kind")(_check_kind)


class RuleShown(BaseModel):
    """A rule."""

    project: str | None
    kind: str | None
    days: float | None
    content_days: float | None


class TermShown(BaseModel):
    """How many rows a rule is past, or were taken."""

    project: str
    table: str
    kind: str | None
    work: Literal["days", "content_days"]
    count: int


class Retention(BaseModel):
    """The rules, and how long other tables are kept without one."""

    rules: list[RuleShown]
    defaults: dict[str, float] = Field(description="days, by table")


class DueQuery(ProjectQuery):
    """Which projects' rows."""


class Applied(BaseModel):
    """What was taken; ask again until it is done."""

    is_done: bool
    terms: list[TermShown]


class DueShown(BaseModel):
    """What the rules are past now."""

    terms: list[TermShown]
