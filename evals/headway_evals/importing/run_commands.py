"""``headway eval import``: results of other tools in, runs and what their gates can say out.

Exit codes: 0 with a list of what was not taken over, 1 where a file could not be.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.text import Text

from headway.settings import load_sources
from headway_evals.desks import find_runs_dir, make_console
from headway_evals.errors import ImportingError, SuiteError
from headway_evals.importing.imported_runs import ImportedResults, differences, write_run
from headway_evals.importing.inspect_logs import read_log
from headway_evals.importing.lm_eval_samples import SampleOptions, read_samples
from headway_evals.importing.reports import ImportReport
from headway_evals.wordings import one_line, percent
from headway_measures.scores import counted

EXIT_IMPORTED = 0
EXIT_NOT_ALL = 1

READERS: Mapping[str, Callable[[Path, SampleOptions, ImportReport], ImportedResults]] = {
    "lm-eval": read_samples,
    "inspect": read_log,
}
"""Format: what reads it."""

_LONGEST_LINE = 1000


def run(arguments: argparse.Namespace) -> int:
    """Import files, each for itself: one that cannot be read keeps none of the others."""
    runs_dir = find_runs_dir(arguments, load_sources())
    options = SampleOptions(arguments.model, arguments.filter, tuple(arguments.tag))
    console = make_console()
    made: dict[str, list[str]] = {}
    exit_code = EXIT_IMPORTED
    for name in arguments.files:
        path, report = Path(name), ImportReport()
        try:
            found = _reader(path, arguments.format)(path, options, report)
            record = write_run(found, runs_dir)
        except (ImportingError, SuiteError) as error:
            console.print(Text(one_line(str(error), _LONGEST_LINE)), soft_wrap=True)
            exit_code = EXIT_NOT_ALL
            continue
        run_id, leading = record.run.run_id, next(iter(found.measures))
        made.setdefault(found.suite, []).append(run_id)
        summary = record.run.scores[leading]
        mean = percent(summary.mean or 0.0) if summary.scale == 1.0 else f"{summary.mean:.4g}"
        count = counted(len(record.results), "case")
        lines = [f"{run_id}: {count} of {found.suite} by {found.model}, {leading} {mean}"]
        lines += [f"  {each}" for each in (*differences(found, runs_dir, run_id), *report.notes)]
        if report.omissions:
            told = counted(len(report.omissions), "thing")
            lines += [f"  Not imported, {told}:", *(f"    {line}" for line in report.lines())]
        for line in lines:
            console.print(Text(one_line(line, _LONGEST_LINE)), soft_wrap=True)
    for run_ids in made.values():
        if len(run_ids) > 1:
            console.print(Text(f"headway eval compare {run_ids[0]} {run_ids[1]}"), soft_wrap=True)
    return exit_code


def _reader(
    path: Path, format_name: str | None
) -> Callable[[Path, SampleOptions, ImportReport], ImportedResults]:
    if path.suffix == ".eval":
        raise ImportingError(f"{path} is packed: `inspect log dump {path} > log.json` unpacks it")
    if not path.is_file():
        raise ImportingError(f"there is no file {path}")
    return READERS[format_name or ("inspect" if path.suffix == ".json" else "lm-eval")]
