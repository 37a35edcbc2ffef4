"""``headway serve`` and ``headway import``: their arguments, and the way to what they run."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from headway.commands import Command
from headway.records import DEFAULT_PROJECT, DEFAULT_URL, KINDS
from headway.settings import load_sources, parse_bytes, parse_port
from headway_collector.logs import FORMATS, LEVELS, parse_format, parse_level, start_logging

if TYPE_CHECKING:
    from headway_collector.importing.marks import Totals

DEFAULT_DATABASE = "./headway.duckdb"
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 4318
_MOST_MAPPERS = 64
SQL_S = 10.0
"""How long a question in SQL may take."""
_MOST_SQL_S = 3600.0


def _configure_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--db",
        metavar="PATH",
        help=f"the database, made where missing (default {DEFAULT_DATABASE})",
    )
    parser.add_argument("--host", help=f"the address to listen on (default {DEFAULT_HOST})")
    parser.add_argument(
        "--port", type=_read_port, help=f"the port; 0 takes a free one (default {DEFAULT_PORT})"
    )
    parser.add_argument("--label", metavar="TEXT", help="a word that the dashboard shows")
    parser.add_argument(
        "--prices", metavar="FILE", help="your own prices (TOML), before those of genai-prices"
    )
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="where no key was made yet: listen where other machines reach it all the same, and "
        "take any Host and Origin; keys that there are hold as ever",
    )
    parser.add_argument(
        "--mappers",
        type=_read_count,
        metavar="N",
        help="how many processes map the spans of large OTLP requests; 0 does without (default: "
        "one a core, at most 4; none on a single core)",
    )

    parser.add_argument(
        "--log-format", choices=FORMATS, help="lines for people or for programs (default text)"
    )
    parser.add_argument("--log-level", choices=LEVELS, help="the least to log (default warning)")
    parser.add_argument(
        "--access-log", action="store_true", help="log each request, without what is in it"
    )


def _read_port(text: str) -> int:
    try:
        return parse_port(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: {error}") from error


def _read_reserve(text: str) -> int:
    return 0 if text.strip() == "0" else parse_bytes(text)


def _read_count(text: str) -> int:
    if not text.isdecimal() or int(text) > _MOST_MAPPERS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to {_MOST_MAPPERS}")
    return int(text)


def _parse_seconds(value: object) -> float:
    seconds = float(str(value))
    if not 0 < seconds <= _MOST_SQL_S:
        raise ValueError(f"give seconds above 0, up to {_MOST_SQL_S:g}")
    return seconds


def _run_serve(arguments: argparse.Namespace) -> int:
    # Here and not above: `headway --help` must be quick, and work without the collector's extra.
    from headway_collector.costs.pricing import Prices
    from headway_collector.costs.tables import read_prices
    from headway_collector.housekeeping import NIGHTLY, check_nightly
    from headway_collector.limits import CAPS, Caps
    from headway_collector.own_settings import read_functions
    from headway_collector.serve_settings import check_file, check_reserve, parse_cap
    from headway_collector.serving import Address, serve
    from headway_collector.store.sql import SqlBounds

    sources = load_sources()
    check_file(sources)
    address = Address(
        host=sources.get("collector.host", arguments.host, DEFAULT_HOST),
        port=sources.get("collector.port", arguments.port, DEFAULT_PORT, parse_port),
    )
    start_logging(
        sources.get("collector.log_format", arguments.log_format, "text", parse_format),
        sources.get("collector.log_level", arguments.log_level, "warning", parse_level),
        has_access_log=arguments.access_log,
    )
    price_file = sources.get("prices", arguments.prices, "")
    path = Path(sources.get("collector.db", arguments.db, DEFAULT_DATABASE))
    reserve_bytes = sources.get("collector.disk_reserve_bytes", None, None, _read_reserve)
    check_reserve(reserve_bytes, path)
    caps = Caps(
        record_bytes=sources.get("collector.max_record_bytes", None, CAPS.record_bytes, parse_cap),
        field_bytes=sources.get("collector.max_field_bytes", None, CAPS.field_bytes, parse_cap),
    )
    serve(
        path,
        address,
        label=sources.get("collector.label", arguments.label, ""),
        prices=Prices(read_prices(Path(price_file)) if price_file else None),
        is_insecure=arguments.insecure,
        mapper_count=arguments.mappers,
        sql_bounds=SqlBounds(
            time_s=sources.get("collector.sql_seconds", None, SQL_S, _parse_seconds)
        ),
        functions=read_functions(sources),
        caps=caps,
        disk_reserve_bytes=reserve_bytes,
        has_access_log=arguments.access_log,
        nightly=sources.get("collector.nightly", None, NIGHTLY, check_nightly),
    )
    return 0


SERVE = Command(
    name="serve",
    summary="Run the collector on a database file.",
    extra="collector",
    configure=_configure_serve,
    run=_run_serve,
)


def _configure_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, help="a CSV, JSONL or Parquet file, or what headway export wrote"
    )
    parser.add_argument(
        "--project",
        help=f"where the spans belong (default {DEFAULT_PROJECT}; of an export, where they were)",
    )
    parser.add_argument(
        "--map",
        metavar="FIELD=COLUMN",
        action="append",
        default=[],
        help="which column becomes which field, for example output=answer, latency_ms=took, "
        "timestamp=when or score:helpful=thumb; may repeat; other columns become attributes",
    )
    parser.add_argument(
        "--json",
        metavar="FIELD",
        action="append",
        default=[],
        help="a mapped field whose text is JSON; may repeat",
    )
    parser.add_argument(
        "--time-format",
        metavar="FORMAT",
        help="how times are written, for example '%%m/%%d/%%Y, %%H:%%M:%%S' (default ISO 8601)",
    )
    parser.add_argument(
        "--time", help="when the calls were, where no column says, for example 2026-11-22"
    )
    parser.add_argument("--kind", choices=KINDS, default="llm", help="of the spans (default llm)")
    parser.add_argument("--name", help="of the spans (default the file's name)")
    parser.add_argument("--format", choices=("csv", "jsonl", "parquet"), help="of the file")
    parser.add_argument("--url", help=f"the collector (default {DEFAULT_URL})")


def _run_import(arguments: argparse.Namespace) -> int:
    # Here and not above, as for serving.
    from headway_collector.importing.exported import open_export
    from headway_collector.importing.imports import (
        Destination,
        import_export,
        import_file,
        read_moment,
    )
    from headway_collector.importing.marks import find_folder
    from headway_collector.importing.plans import Plan, check_time_format, parse_columns

    sources = load_sources()
    export = None if arguments.map else open_export(arguments.file)
    if export is not None:
        url = sources.get("url", arguments.url, DEFAULT_URL)
        api_key = sources.get("api_key", None, "") or None
        totals = import_export(export, url, arguments.project, api_key, find_folder())
        where = f"project {arguments.project}" if arguments.project else "their projects"
        return _tell(arguments.file, totals, where)
    check_time_format(arguments.time_format)
    plan = Plan(
        columns=parse_columns(arguments.map),
        name=arguments.name or arguments.file.stem,
        kind=arguments.kind,
        time_format=arguments.time_format,
        parsed=tuple(arguments.json),
        time_ns=read_moment(arguments.time, arguments.time_format),
    )
    destination = Destination(
        url=sources.get("url", arguments.url, DEFAULT_URL),
        project=sources.get("project", arguments.project, DEFAULT_PROJECT),
        api_key=sources.get("api_key", None, "") or None,
    )
    totals = import_file(arguments.file, plan, destination, find_folder(), arguments.format)
    return _tell(arguments.file, totals, f"project {destination.project}")


def _tell(path: Path, totals: "Totals", where: str) -> int:
    for fault in totals.faults:
        sys.stderr.write(f"{path}:{fault.line}: {fault.reason}\n")
    if totals.bad > len(totals.faults):
        sys.stderr.write(f"and {totals.bad - len(totals.faults)} more bad rows\n")
    sys.stdout.write(
        f"{totals.rows} rows: {totals.accepted} records stored in {where}, "
        f"{totals.duplicates} there already, {totals.bad} rows bad\n"
    )
    return 1 if totals.bad else 0


IMPORT = Command(
    name="import",
    summary="Import logs from a CSV, JSONL or Parquet file, or an export.",
    extra="collector",
    configure=_configure_import,
    run=_run_import,
)
