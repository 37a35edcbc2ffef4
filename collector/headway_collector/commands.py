"""``headway serve`` and ``headway import``: their arguments, and the way to what they run."""

import argparse
from pathlib import Path

from headway.commands import Command
from headway.records import DEFAULT_PROJECT, DEFAULT_URL, KINDS
from headway.settings import load_sources, parse_port

DEFAULT_DATABASE = "./headway.duckdb"
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 4318


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
        "--insecure",
        action="store_true",
        help="listen on an address that other machines reach, without asking for keys",
    )


def _read_port(text: str) -> int:
    try:
        return parse_port(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: {error}") from error


def _run_serve(arguments: argparse.Namespace) -> int:
    # Here and not above: `headway --help` must be quick, and work without the collector's extra.
    from headway_collector.serving import Address, serve

    sources = load_sources()
    address = Address(
        host=sources.get("collector.host", arguments.host, DEFAULT_HOST),
        port=sources.get("collector.port", arguments.port, DEFAULT_PORT, parse_port),
    )
    serve(
        Path(sources.get("collector.db", arguments.db, DEFAULT_DATABASE)),
        address,
        label=sources.get("collector.label", arguments.label, ""),
        is_insecure=arguments.insecure,
    )
    return 0


SERVE = Command(
    name="serve",
    summary="Run the collector on a database file.",
    extra="collector",
    configure=_configure_serve,
    run=_run_serve,
)
