"""``headway serve`` and ``headway import``: their arguments, and the way to what they run."""

import argparse
import sys
from pathlib import Path

from headway.commands import Command
from headway.records import DEFAULT_PROJECT, DEFAULT_URL, KINDS
from headway.settings import load_sources, parse_port

DEFAULT_DATABASE = "./headway.duckdb"
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 4318
_MOST_MAPPERS = 64


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
        help="listen where other machines reach it, without keys, and take any Host and Origin",
    )
    parser.add_argument(
        "--mappers",
        type=_read_count,
        metavar="N",
        help="how many processes map the spans of large OTLP requests; 0 does without (default: "
        "one a core, at most 4; none on a single core)",
    )


def _read_port(text: str) -> int:
    try:
        return parse_port(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: {error}") from error


def _read_count(text: str) -> int:
    if not text.isdecimal() or int(text) > _MOST_MAPPERS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to {_MOST_MAPPERS}")
    return int(text)


def _run_serve(arguments: argparse.Namespace) -> int:
    # Here and not above: `headway --help` must be quick, and work without the collector's extra.
    from headway_collector.costs.pricing import Prices
    from headway_collector.costs.tables import read_prices
    from headway_collector.own_settings import read_functions
    from headway_collector.serving import Address, serve

    sources = load_sources()
    address = Address(
        host=sources.get("collector.host", arguments.host, DEFAULT_HOST),
        port=sources.get("collector.port", arguments.port, DEFAULT_PORT, parse_port),
    )
    price_file = sources.get("prices", arguments.prices, "")
    serve(
        Path(sources.get("collector.db", arguments.db, DEFAULT_DATABASE)),
        address,
        label=sources.get("collector.label", arguments.label, ""),
        prices=Prices(read_prices(Path(price_file)) if price_file else None),
        is_insecure=arguments.insecure,
        mapper_count=arguments.mappers,
        functions=read_functions(sources),
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
    parser.add_argument("file", type=Path, help="a CSV, JSONL or Parquet file")
    parser.add_argument("--project", help=f"where the spans belong (default {DEFAULT_PROJECT})")
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
    from headway_collector.importing.imports import Destination, import_file, read_moment
    from headway_collector.importing.marks import find_folder
    from headway_collector.importing.plans import Plan, check_time_format, parse_columns

    sources = load_sources()
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
    for fault in totals.faults:
        sys.stderr.write(f"{arguments.file}:{fault.line}: {fault.reason}\n")
    if totals.bad > len(totals.faults):
        sys.stderr.write(f"and {totals.bad - len(totals.faults)} more bad rows\n")
    sys.stdout.write(
        f"{totals.rows} rows: {totals.accepted} records stored in project "
        f"{destination.project}, {totals.duplicates} there already, {totals.bad} rows bad\n"
    )
    return 1 if totals.bad else 0


IMPORT = Command(
    name="import",
    summary="Import logs from a CSV, JSONL or Parquet file.",
    extra="collector",
    configure=_configure_import,
    run=_run_import,
)
