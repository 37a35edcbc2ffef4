"""``headway import`` from end to end: the file, its plan, the transfer, and what is told of it."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import Progress

from headway.apis import ApiClient
from headway.errors import ApiError, CommandError
from headway.records import DEFAULT_PROJECT, DEFAULT_URL
from headway_collector.importing.exported import (
    EXPORTED_ROW_BYTES,
    ExportClient,
    ExportTable,
    LineMapper,
)
from headway_collector.importing.fields import CellFault, read_time
from headway_collector.importing.mapping import Mapper
from headway_collector.importing.marks import MarkFile, Totals
from headway_collector.importing.plans import Plan, check_plan
from headway_collector.importing.tables import Format, Table, open_table
from headway_collector.importing.transfers import Transfer
from headway_collector.limits import MAX_NAME_CHARS


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the records go."""

    url: str
    project: str
    api_key: str | None = None


def import_file(
    path: Path, plan: Plan, destination: Destination, marks: Path, form: Format | None = None
) -> Totals:
    """Send a file's rows to a collector, showing how far it is, and return what came of them.

    Args:
        path: CSV, JSONL or Parquet.
        plan: which column becomes which field.
        destination: the collector and the project.
        marks: the folder that remembers how far an interrupted import came.
        form: the file's format, where its name does not tell.

    Raises:
        CommandError: the file or the plan cannot be used, or the import had to stop.
    """
    _check_destination(destination)
    table = open_table(path, form)
    check_plan(plan, table.columns)
    digest = _digest_file(path)
    key = _make_key(digest, plan, destination.project)
    transfer = Transfer(
        table,
        Mapper(plan, destination.project, digest),
        ApiClient(destination.url, api_key=destination.api_key),
        destination.project,
        key,
        MarkFile(marks, _make_key(digest, plan, destination.project, destination.url)),
    )
    return _run(transfer, table, path.name, destination.url)


def import_export(
    table: ExportTable, url: str, project: str | None, api_key: str | None, marks: Path
) -> Totals:
    """Send the rows of an export back to a collector, as ``import_file`` does.

    Args:
        table: the export.
        url: the collector.
        project: that of all rows; None leaves to each its own.
        api_key: of the scope admin, where the collector has keys.
        marks: the folder that remembers how far an interrupted import came.

    Raises:
        CommandError: the collector cannot be used, or the import had to stop.
    """
    _check_destination(Destination(url, project or DEFAULT_PROJECT))
    digest = _digest_file(table.path)
    places = [f"export {table.what}", *([] if project is None else [project])]
    transfer = Transfer(
        table,
        LineMapper(),
        ExportClient(ApiClient(url, api_key=api_key), table.what, project),
        "",
        _make_key(digest, None, *places),
        MarkFile(marks, _make_key(digest, None, *places, url)),
        row_bytes=EXPORTED_ROW_BYTES,
    )
    return _run(transfer, table, table.path.name, url)


def _run(transfer: Transfer, table: Table, name: str, url: str) -> Totals:
    with Progress(
        console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as progress:
        task = progress.add_task(name, total=table.size)
        try:
            return transfer.run(lambda: progress.update(task, completed=table.position))
        except ApiError as error:
            # A collector gives every refusal a code.
            is_foreign = error.status >= 400 and not error.code
            doubt = f": {url} does not look like a Headway collector, see --url"
            message = f"{error}{doubt if is_foreign else ''}"
            raise CommandError(f"{message} (the same command goes on from here)") from error
        except msgspec.ValidationError as error:
            raise CommandError(
                f"{url} does not look like a Headway collector, see --url: "
                f"its answer is another one ({error})"
            ) from error


def read_moment(text: str | None, form: str | None) -> int | None:
    """Return what ``--time`` says, in nanoseconds since the epoch.

    Raises:
        CommandError: it is no time.
    """
    try:
        return None if text is None else read_time(text, form)
    except CellFault as fault:
        raise CommandError(f"--time {text}: {fault}") from fault


def _check_destination(destination: Destination) -> None:
    project, url = destination.project, destination.url
    if not 0 < len(project) <= MAX_NAME_CHARS or not (project.isascii() and project.isprintable()):
        raise CommandError(
            f"the project is {project!r}: give 1 to {MAX_NAME_CHARS} printable ASCII characters"
        )
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"the collector's URL is {url!r}: give one such as {DEFAULT_URL}")


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _make_key(digest: str, plan: Plan | None, *places: str) -> str:
    question = msgspec.json.encode([digest, plan, places])
    return hashlib.sha256(question).hexdigest()[:32]
