"""``headway export``: rows of any filter into a file, which is there once it is whole.

headway export calls.parquet --project shop --start -7d --kind llm
headway export thumbs.csv --what scores --filter 'name=helpful'
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl

from headway.apis import ApiClient
from headway.commands import Command
from headway.errors import ApiError, CommandError, UnreachableError
from headway.records import DEFAULT_URL
from headway.settings import load_sources
from headway_collector.project_hints import explain_projects

_FORMATS = {
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
}
# A search through texts may look for long before its first row.
_TIMEOUT_S = 3600.0
_MB = 1e6
# Filters that have an option of their own; all others go by --filter.
_REPEATED = ("project", "kind", "name", "request_model", "where")
_SINGLE = ("start", "end", "q")


def save_export(
    pieces: Iterator[bytes], path: Path, on_progress: Callable[[int], object] = lambda size: None
) -> None:
    """Write the pieces to a file that has its name only once it is whole.

    Args:
        pieces: of the file.
        path: what stands there is replaced at the end.
        on_progress: told how many bytes have come.

    Raises:
        CommandError: the file cannot be written.
        UnreachableError: the pieces broke off.
    """
    partial = path.with_name(f"{path.name}.part")
    size = 0
    try:
        with partial.open("wb") as file:
            for piece in pieces:
                file.write(piece)
                size += len(piece)
                on_progress(size)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise CommandError(f"{path} cannot be written: {reason}") from error
        raise


def count_rows(path: Path, form: str) -> int:
    """Return how many rows a file holds that was exported."""
    # Here and not above: `headway --help` must be quick, and work without the collector's extra.
    import pyarrow as pa
    import pyarrow.parquet as pq

    if form == "parquet":
        return int(pq.read_metadata(path).num_rows)
    if form == "arrow":
        options = pa.ipc.IpcReadOptions(included_fields=[0])
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file, options=options) as reader:
            return sum(batch.num_rows for batch in reader)
    if form == "jsonl":
        with path.open("rb") as file:
            return sum(1 for _ in file)
    return _count_records(path) - 1


def _count_records(path: Path) -> int:
    """Count the lines of CSV that end outside of quotes."""
    records = 0
    is_open = False
    with path.open("rb") as file:
        for line in file:
            is_open ^= line.count(b'"') % 2 == 1
            records += not is_open
    return records


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the file to write, replaced where it is there")
    parser.add_argument(
        "--what", choices=("spans", "scores"), default="spans", help="which rows (default spans)"
    )
    parser.add_argument(
        "--format",
        choices=("parquet", "arrow", "jsonl", "csv"),
        help="of the file (default: what its name ends in)",
    )
    parser.add_argument(
        "--project", action="append", default=[], help="only this one; may repeat (default all)"
    )
    parser.add_argument("--start", metavar="TIME", help="only from then on: 2026-11-01, or -7d")
    parser.add_argument("--end", metavar="TIME", help="only before then")
    parser.add_argument("--kind", action="append", default=[], help="such as llm; may repeat")
    parser.add_argument("--name", action="append", default=[], help="of the spans; may repeat")
    parser.add_argument("--request-model", action="append", default=[], help="may repeat")
    parser.add_argument(
        "--where",
        metavar="COMPARISON",
        action="append",
        default=[],
        help="such as 'cost_usd>0.01'; may repeat, and all must hold",
    )
    parser.add_argument("--q", metavar="TEXT", help="what people wrote in name, input or output")
    parser.add_argument(
        "--filter",
        metavar="FILTERS",
        action="append",
        default=[],
        help="any others of the API, such as 'tag=beta&environment=production'; may repeat",
    )
    parser.add_argument("--url", help=f"the collector (default {DEFAULT_URL})")


def _run(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    path: Path = arguments.file
    form = arguments.format or _FORMATS.get(path.suffix.lower())
    if form is None:
        raise CommandError(
            f"{path.name} does not end in {', '.join(_FORMATS)}: say what it is to be with --format"
        )
    sources = load_sources()
    url = sources.get("url", arguments.url, DEFAULT_URL)
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"the collector's URL is {url!r}: give one such as {DEFAULT_URL}")
    client = ApiClient(url, api_key=sources.get("api_key", None, "") or None, timeout_s=_TIMEOUT_S)
    asked = {"what": [arguments.what], "format": [form], **_list_filters(arguments)}
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns,
        TransferSpeedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as progress:
        task = progress.add_task(path.name, total=None)
        try:
            save_export(
                client.stream("/v1/export", asked),
                path,
                lambda size: progress.update(task, completed=size),
            )
        except (ApiError, UnreachableError) as error:
            raise CommandError(f"{error} (nothing was written to {path})") from error
    rows, size = count_rows(path, form), path.stat().st_size
    sys.stdout.write(f"{rows:,} {arguments.what} in {path} ({size / _MB:,.1f} MB)\n")
    if not rows and (hint := explain_projects(client, asked["project"])):
        sys.stderr.write(f"headway: {hint}\n")
    return 0


def _list_filters(arguments: argparse.Namespace) -> dict[str, list[str]]:
    filters: dict[str, list[str]] = {}
    for name in _REPEATED:
        filters.setdefault(name, []).extend(getattr(arguments, name))
    for name in _SINGLE:
        value = getattr(arguments, name)
        if value is not None:
            filters[name] = [value]
    for text in arguments.filter:
        try:
            pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
        except ValueError as error:
            raise CommandError(
                f"--filter {text!r} is not of the form name=value&name=value, "
                "such as 'tag=beta&environment=production'"
            ) from error
        for name, value in pairs:
            filters.setdefault(name, []).append(value)
    return filters


EXPORT = Command(
    name="export",
    summary="Export spans or scores as Parquet, Arrow, JSONL or CSV.",
    extra="collector",
    configure=_configure,
    run=_run,
)
