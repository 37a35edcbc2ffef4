"""``headway suite flakes`` and ``headway suite quarantine``: what they print and write."""

import argparse
import json
import os
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rich.table import Table
from rich.text import Text

from headway.settings import load_sources
from headway_evals.desks import find_runs_dir, make_console
from headway_evals.errors import SuiteError
from headway_evals.flakes import Flakes, find_flakes
from headway_evals.outcomes import EXIT_PASSED
from headway_evals.quarantines import QUARANTINE
from headway_evals.suite_files import load_suite
from headway_evals.suites import Suite
from headway_evals.wordings import one_line, percent
from headway_measures.flips import FlipRate
from headway_measures.scores import counted


def show_flakes(arguments: argparse.Namespace) -> int:
    """List the cases that flip under weights that did not change."""
    suite = load_suite(Path(arguments.suite))
    flakes = find_flakes(suite, find_runs_dir(arguments, load_sources()))
    console = make_console()
    console.print(Text(_summary(flakes)))
    if flakes.flaky:
        console.print(_table(suite, flakes))
        console.print(Text(f"headway suite quarantine {arguments.suite} proposes what to do"))
    return EXIT_PASSED


def propose_quarantine(arguments: argparse.Namespace, today: date | None = None) -> int:
    """Propose the cases that flip too often for quarantine; with ``--apply`` write them down.

    Raises:
        SuiteError: the file cannot be added to; the message holds the lines to add.
    """
    path = Path(arguments.suite)
    suite = load_suite(path)
    flakes = find_flakes(suite, find_runs_dir(arguments, load_sources()))
    console = make_console()
    console.print(Text(_summary(flakes)))
    known = {case.case_id: case.quarantine for case in suite.cases}
    today = today or datetime.now(UTC).date()
    until = today + timedelta(days=arguments.days)
    new = {case_id: rate for case_id, rate in flakes.proposed.items() if not known[case_id]}
    for case_id in flakes.proposed:
        quarantine = known[case_id]
        if quarantine is not None and quarantine.until < today:
            told = f"{one_line(case_id)} still flips, and its quarantine ended {quarantine.until}"
            console.print(Text(f"{told}: mend it, or set another day where it stands"))
    if not new:
        console.print(Text("no case is to be put in quarantine"))
        return EXIT_PASSED
    lines = entries(new, until)
    if not arguments.apply:
        console.print(Text("\n".join([f"{QUARANTINE}:", *lines])))
        console.print(Text("--apply writes this into the suite's file"))
        return EXIT_PASSED
    write_quarantine(path, suite, lines, dict.fromkeys(new, until))
    console.print(Text(f"{counted(len(new), 'case')} in quarantine until {until}, in {path}"))
    return EXIT_PASSED


def entries(rates: Mapping[str, FlipRate], until: date) -> list[str]:
    """Return a line of YAML for each case."""
    return [
        f"  {json.dumps(case_id, ensure_ascii=False)}: {{until: {until}, reason: "
        f"{rate.flips} flips in {rate.steps} repetitions by the same weights}}"
        for case_id, rate in rates.items()
    ]


def write_quarantine(
    path: Path, suite: Suite, lines: list[str], expected: Mapping[str, date]
) -> None:
    """Add lines to a suite's ``quarantine``, and leave all else in the file as it is.

    The new file takes the old one's place only where it reads as the same suite with these cases
    in quarantine.

    Raises:
        SuiteError: it does not; the message holds the lines.
    """
    told = "\n".join([f"{QUARANTINE}:", *lines])
    text = path.read_text(encoding="utf-8")
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        part.write_text(_with_lines(text, lines), encoding="utf-8")
        found = load_suite(part)
        days = {case.case_id: case.quarantine and case.quarantine.until for case in found.cases}
        is_good = found.version == suite.version and len(found.cases) == len(suite.cases)
        if path.suffix == ".jsonl" or not (is_good and expected.items() <= days.items()):
            raise SuiteError(f"{path} is not written so that lines can be added; add:\n{told}")
        part.chmod(path.stat().st_mode)
        os.replace(part, path)
    except OSError as error:
        raise SuiteError(f"{path} cannot be written: {error.strerror}; add:\n{told}") from error
    except SuiteError as error:
        if told in str(error):
            raise
        raise SuiteError(
            f"{path} is not written so that lines can be added; add:\n{told}"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _with_lines(text: str, lines: list[str]) -> str:
    """Return a suite's text with more cases in quarantine: below the key, or at the end."""
    rows = text.split("\n")
    for number, row in enumerate(rows):
        if row.split("#")[0].rstrip() == f"{QUARANTINE}:":
            return "\n".join([*rows[: number + 1], *lines, *rows[number + 1 :]])
    ending = "" if text.endswith("\n") else "\n"
    return "\n".join([f"{text}{ending}{QUARANTINE}:", *lines, ""])


def _summary(flakes: Flakes) -> str:
    told = (
        f"{counted(len(flakes.flaky), 'case')} of {len(flakes.rates)} that were answered more than "
        f"once by the same weights flipped, in {counted(flakes.run_count, 'run')}"
    )
    if flakes.copied_count:
        told += (
            f"; {counted(flakes.copied_count, 'run')} with kept answers, which are copies, do not "
            "count: `headway eval run --refresh` asks anew"
        )
    return told


def _table(suite: Suite, flakes: Flakes) -> Table:
    wards = {case.case_id: case.quarantine for case in suite.cases}
    table = Table("case", box=None, header_style="bold", pad_edge=False)
    for column in ("answers", "passed", "flips", "rate", "interval"):
        table.add_column(column, justify="right")
    table.add_column("quarantine")
    for case_id, rate in flakes.flaky.items():
        ward = wards.get(case_id)
        ends = f"{percent(rate.quantile(0.025))} to {percent(rate.quantile(0.975))}"
        status = f"until {ward.until}" if ward else ""
        if not ward and case_id in flakes.proposed:
            status = "proposed"
        table.add_row(
            Text(one_line(case_id)),
            *(str(rate.answers), str(rate.passed), f"{rate.flips} of {rate.steps}"),
            *(percent(rate.mean), ends),
            status,
        )
    return table
