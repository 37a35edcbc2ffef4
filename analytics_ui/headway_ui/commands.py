"""The command ``headway ui``: the dashboard in this process, on loopback, with nothing to click.

Everything but the address stands in ``.streamlit/config.toml`` beside ``app.py``, which Streamlit
reads by itself. Streamlit is imported late, so that ``headway --help`` stays quick.
"""

import argparse
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import urllib3

from headway.commands import Command
from headway.errors import CommandError
from headway.records import DEFAULT_URL
from headway.settings import load_sources, parse_port

APP = Path(__file__).with_name("app.py")
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8501
# Nothing else than these is for this machine alone.
_LOOPBACK = ("127.", "localhost", "::1")
_POLL_S = 0.1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``headway ui``."""
    parser.add_argument("--url", help=f"the collector's address (default {DEFAULT_URL})")
    parser.add_argument("--host", help=f"the address to listen on (default {DEFAULT_HOST})")
    parser.add_argument(
        "--port", type=_read_port, help=f"the port; 0 takes a free one (default {DEFAULT_PORT})"
    )


def _read_port(text: str) -> int:
    try:
        return parse_port(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: {error}") from error


def run(arguments: argparse.Namespace) -> int:
    """Serve the dashboard until SIGTERM or SIGINT."""
    sources = load_sources()
    host = sources.get("ui.host", arguments.host, DEFAULT_HOST)
    port = sources.get("ui.port", arguments.port, DEFAULT_PORT, parse_port)
    # The pages read their settings like everybody else; what was said here goes before.
    os.environ["HEADWAY_URL"] = sources.get("url", arguments.url, DEFAULT_URL)
    port = find_port(host, port)

    from streamlit.web import cli

    if not host.startswith(_LOOPBACK):
        sys.stderr.write(
            f"headway: the dashboard listens on {host} and asks nobody for a password: "
            "whoever reaches it reads every prompt\n"
        )
    threading.Thread(target=announce, args=(host, port, sys.stdout.write), daemon=True).start()
    cli.main(
        ["run", str(APP), "--server.address", host, "--server.port", str(port)],
        standalone_mode=False,
    )
    return 0


def find_port(host: str, port: int) -> int:
    """Return a port that can be listened on: the one asked for, or a free one for 0.

    Raises:
        CommandError: it is in use, or the host is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"cannot listen on {host}:{port} ({error.strerror}): "
                "is another dashboard running? choose another with --port, or 0 for a free one"
            ) from error
        return int(probe.getsockname()[1])


def announce(host: str, port: int, write: Callable[[str], object]) -> None:
    """Say where the dashboard is, once it answers."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    with urllib3.PoolManager(retries=False) as pool:
        while True:
            try:
                if pool.request("GET", f"{url}/_stcore/health", timeout=1.0).status == 200:
                    break
            except urllib3.exceptions.HTTPError:
                pass
            time.sleep(_POLL_S)
    write(f"Headway dashboard at {url}\n")
    sys.stdout.flush()


UI = Command(
    name="ui",
    summary="Open the dashboard over a running collector.",
    extra="ui",
    configure=configure,
    run=run,
)
