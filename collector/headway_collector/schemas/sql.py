"""A question in SQL: what is posted, and what is answered."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from headway_collector.schemas.evaluations import Writable
from headway_collector.store.sql import DEFAULT_ROWS, MAX_ROWS
from headway_collector.store.sql_growth import MAX_TEXT_CHARS
from headway_collector.store.sql_shapes import Form

_MOST_PROJECTS = 1000


class SqlBody(Writable):
    """One SELECT over the views."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "sql": "SELECT request_model, count(*) AS calls, sum(cost_usd) AS usd FROM spans "
                "WHERE start_time > now() - INTERVAL 7 DAY GROUP BY ALL ORDER BY usd DESC"
            }
        },
    )

    sql: str
    limit: int = Field(DEFAULT_ROWS, ge=1, le=MAX_ROWS, description="the most rows")
    text_chars: int | None = Field(
        None,
        ge=1,
        le=MAX_TEXT_CHARS,
        description="cut longer texts to this; without, a text that is too long for what the query "
        "makes of texts is an error",
    )
    format: Form = Field("json", description="`arrow`: a stream of record batches")
    project: list[str] = Field(
        default_factory=list,
        max_length=_MOST_PROJECTS,
        description="which projects the views have; none means all of the key's",
        examples=[["support-bot"]],
    )


class SqlColumn(BaseModel):
    """A column of the answer."""

    name: str
    type: str = Field(description="DuckDB's name of it", examples=["VARCHAR"])


class SqlRows(BaseModel):
    """The rows in their order, each with a value a column."""

    columns: list[SqlColumn]
    rows: list[list[Any]] = Field(
        description="times as RFC 3339, bytes as base64, NaN and the infinities as null, what JSON "
        "has no form for as DuckDB writes it"
    )
    row_count: int
    is_truncated: bool = Field(description="there are more rows")
    truncated_by: Literal["limit", "bytes"] | None = Field(
        description="`limit`: as many rows as asked for; `bytes`: as much as an answer may hold"
    )
