"""``POST /v1/sql``: one SELECT over the views, as JSON or as Arrow."""

from typing import Any

import pyarrow as pa
from fastapi import APIRouter, Response

from headway_collector.routes.access import BUSY, LARGE, REFUSALS, CollectorAccess, Reader
from headway_collector.routes.posted import PostedRoute
from headway_collector.schemas.sql import SqlBody, SqlRows
from headway_collector.store.sql import SqlAnswer, run_sql
from headway_collector.store.sql_shapes import encode_rows, list_rows

ARROW = "application/vnd.apache.arrow.stream"
TRUNCATED_HEADER = "Headway-Truncated-By"

router = APIRouter(tags=["sql"], responses={**REFUSALS, **BUSY, **LARGE}, route_class=PostedRoute)

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": SqlRows,
        "description": f"or, with `format` arrow, a stream of Arrow; {TRUNCATED_HEADER} says "
        "`limit` or `bytes` where there are more rows",
        "content": {ARROW: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("/v1/sql", responses=_ANSWERS)
def post_sql(collector: CollectorAccess, caller: Reader, body: SqlBody) -> Response:
    """Run one SELECT over the views of the caller's projects."""
    projects = caller.narrow(body.project)
    is_narrow = caller.projects is not None or bool(projects)
    with collector.questions.take():
        answer = run_sql(
            collector.store,
            body.sql,
            projects if is_narrow else None,
            limit=body.limit,
            form=body.format,
            text_chars=body.text_chars,
            bounds=collector.sql_bounds,
        )
        headers = {} if answer.cut_by is None else {TRUNCATED_HEADER: answer.cut_by}
        if body.format == "arrow":
            return Response(_encode_arrow(answer.table), headers=headers, media_type=ARROW)
        return Response(_encode_json(answer), headers=headers, media_type="application/json")


def _encode_json(answer: SqlAnswer) -> bytes:
    columns = [
        {"name": name, "type": kind} for name, kind in zip(answer.names, answer.types, strict=True)
    ]
    rows = list_rows(answer.table, answer.types)
    return encode_rows(
        {
            "columns": columns,
            "rows": rows,
            "row_count": len(rows),
            "is_truncated": answer.cut_by is not None,
            "truncated_by": answer.cut_by,
        }
    )


def _encode_arrow(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
