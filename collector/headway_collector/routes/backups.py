"""A backup of the database while it is served: one file, made first and sent then."""

import base64
import hashlib
from collections.abc import Iterator
from functools import partial
from io import BufferedReader
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from headway_collector.routes.access import BUSY, REFUSALS, CollectorAccess, Operator
from headway_collector.store.audit import save_action

DIGEST_HEADER = "Repr-Digest"
"""RFC 9530."""

_CHUNK_BYTES = 1024 * 1024
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "a DuckDB database, which `headway restore` reads",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}

router = APIRouter(tags=["backups"], responses={**REFUSALS, 429: BUSY[429]})


@router.get("/v1/backup", response_class=StreamingResponse, responses=_FILE)
def read_backup(collector: CollectorAccess, caller: Operator) -> StreamingResponse:
    """Send a copy of everything that was committed when it was asked for."""
    backup = collector.rewriter.open_backup()
    try:
        digest = base64.b64encode(hashlib.file_digest(backup, "sha256").digest()).decode()
        size_bytes = backup.tell()
        backup.seek(0)
        task = partial(
            save_action,
            action="backup.make",
            caller=caller,
            project=None,
            detail={"bytes": size_bytes},
            time_ns=collector.clock_ns(),
        )
        collector.writer.perform(task).result()
    except BaseException:
        backup.close()
        raise
    headers = {
        "Content-Length": str(size_bytes),
        DIGEST_HEADER: f"sha-256=:{digest}:",
        "Content-Disposition": 'attachment; filename="headway-backup.duckdb"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(_read(backup), media_type="application/octet-stream", headers=headers)


def _read(backup: BufferedReader) -> Iterator[bytes]:
    with backup:
        while chunk := backup.read(_CHUNK_BYTES):
            yield chunk
