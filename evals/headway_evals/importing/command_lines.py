"""``headway suite import``: someone's file in, suite files and a list of what is missing out.

Exit codes: 0 with a list of what was not taken over, 1 where nothing could be, or with
``--strict`` not all.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from headway_evals.desks import make_console
from headway_evals.errors import ImportingError, SuiteError
from headway_evals.importing.formats import import_file
from headway_evals.importing.reports import ImportedSuite, ImportOptions, ImportReport
from headway_evals.importing.writing import suite_text, write_suite
from headway_evals.models.specs import SCHEMES
from headway_evals.suite_files import load_suite
from headway_evals.wordings import one_line
from headway_measures.scores import counted

EXIT_IMPORTED = 0
EXIT_NOT_ALL = 1
_LONGEST_LINE = 1000


def run(arguments: argparse.Namespace) -> int:
    """Import a file."""
    path = Path(arguments.file)
    console = make_console(stderr=arguments.out is None)
    try:
        options = ImportOptions(
            allow_code=arguments.allow_code,
            fields=dict(arguments.map or []),
            data=Path(arguments.data) if arguments.data else None,
            judge=_judge(arguments.judge),
        )
        suites, report = import_file(path, arguments.format, options)
        if arguments.strict and report.omissions:
            lines = ["Nothing was written: --strict wants all, and not all can be imported"]
            lines += report.lines()
            console.print(Text("\n".join(one_line(line, _LONGEST_LINE) for line in lines)))
            return EXIT_NOT_ALL
        told = _write(suites, arguments.out)
    except ImportingError as error:
        console.print(Text(str(error)))
        return EXIT_NOT_ALL
    for line in (*told, *_told(report)):
        console.print(Text(one_line(line, _LONGEST_LINE)), soft_wrap=True)
    return EXIT_IMPORTED


def _judge(spec: str | None) -> str | None:
    """Return a judge's spec as it was given; whether its model is here is a run's concern."""
    if spec is not None and not (spec.partition(":")[0] in SCHEMES and spec.partition(":")[2]):
        known = ", ".join(f"{scheme}:…" for scheme in SCHEMES)
        raise ImportingError(f"--judge is {spec!r}, which is no model: write one of {known}")
    return spec


def _write(suites: Sequence[ImportedSuite], out: str | None) -> list[str]:
    """Write the suites, and check each as a user would; return a line for each."""
    if out is None:
        if len(suites) > 1:
            raise ImportingError(
                f"the file makes {len(suites)} suites: give --out a folder to write them to"
            )
        sys.stdout.write(suite_text(suites[0]))
        return [f"{counted(len(suites[0].document['cases']), 'case')}; --out FILE.yaml writes them"]
    lines = []
    for suite, path in zip(suites, _paths(suites, Path(out)), strict=True):
        write_suite(suite, path)
        try:
            loaded = load_suite(path)
        except SuiteError as error:
            fault = one_line(str(error), _LONGEST_LINE)
            lines.append(f"{path}: written, but has to be mended: {fault}")
        else:
            count = counted(len(loaded.cases), "case")
            lines.append(f"{path}: {count}, version {loaded.version}")
    return lines


def _paths(suites: Sequence[ImportedSuite], out: Path) -> list[Path]:
    """Return each suite's file: the one that was named, or its own in the folder."""
    if len(suites) == 1 and out.suffix in (".yaml", ".yml"):
        return [out]
    if out.suffix in (".yaml", ".yml"):
        return [out.with_name(f"{out.stem}-{_file_name(each.name)}{out.suffix}") for each in suites]
    return [out / f"{_file_name(each.name)}.yaml" for each in suites]


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "suite"


def _told(report: ImportReport) -> list[str]:
    lines = list(report.notes)
    if report.omissions:
        count = counted(len(report.omissions), "thing")
        lines += [f"Not imported, {count}:", *(f"  {line}" for line in report.lines())]
    return lines
