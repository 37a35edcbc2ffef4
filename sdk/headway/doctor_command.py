"""``headway doctor``: why calls arrive or do not, a line for each thing that can be wrong."""

import argparse
import sys
import time
from collections.abc import Callable

from headway.client_settings import read_usable_settings
from headway.commands import Command
from headway.errors import SettingsError
from headway.findings import Finding, as_json, as_text, exit_code
from headway.local_checks import (
    check_journal,
    check_settings,
    check_untold,
    check_waiting,
    look_into,
)
from headway.settings import Sources, load_sources
from headway.transports import address_of


def examine(sources: Sources, *, clock_s: Callable[[], float] = time.time) -> list[Finding]:
    """Look at everything between a call and the collector.

    Args:
        sources: where the settings come from.
        clock_s: seconds since the Unix epoch.
    """
    # Here and not above: only this command speaks to the collector, and not every one should wait.
    from headway.collector_checks import visit

    settings, problems = read_usable_settings(sources)
    if problems:
        return [Finding("fail", "setting", each, "correct it") for each in problems.values()]
    seen = visit(settings, clock_s=clock_s)
    leftovers = look_into(settings.journal_dir)
    now_ns = int(clock_s() * 1e9)
    return [
        *check_settings(settings, sources),
        check_journal(settings),
        *seen.findings,
        *check_waiting(leftovers, address_of(settings.url), now_ns, is_reachable=seen.is_taking),
        *check_untold(leftovers),
    ]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for machines")


def _run(arguments: argparse.Namespace) -> int:
    try:
        findings = examine(load_sources())
    except SettingsError as error:
        # A headway.toml that cannot be read.
        findings = [Finding("fail", "setting", f"nothing is recorded: {error}", "correct it")]
    sys.stdout.write(as_json(findings) if arguments.json else as_text(findings))
    return exit_code(findings)


DOCTOR = Command(
    name="doctor",
    summary="Say whether calls arrive, what waits, and what was lost and why.",
    extra="",
    configure=_configure,
    run=_run,
)
