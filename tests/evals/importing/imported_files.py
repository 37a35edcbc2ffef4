"""Files written for an importer, what became of them, and what a model scores on it."""

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from headway_evals.executions import execute
from headway_evals.importing.formats import import_file
from headway_evals.importing.reports import ImportedSuite, ImportOptions, ImportReport
from headway_evals.importing.writing import write_suite
from headway_evals.judges.scoring import Bench
from headway_evals.models.functions import Function
from headway_evals.runs import RunRecord
from headway_evals.suite_files import load_suite
from headway_evals.suites import Suite


@dataclass(frozen=True, slots=True)
class Imported:
    """What an importer made of a file, written and read back."""

    made: list[ImportedSuite]
    suites: list[Suite]
    report: ImportReport
    folder: Path

    @property
    def suite(self) -> Suite:
        """Return the only suite."""
        (suite,) = self.suites
        return suite

    @property
    def prompts(self) -> list[Any]:
        """Return what the only suite asks."""
        return [self.suite.prompt(case) for case in self.suite.cases]

    def run(self, answer: Callable[..., Any], **judges: Callable[..., Any]) -> RunRecord:
        """Run a function on the only suite; its judges are ``python:judges:NAME``."""
        model = Function(answer, folder=self.folder)
        bench = Bench(
            {f"python:judges:{n}": Function(e, folder=self.folder) for n, e in judges.items()},
            lambda _: nullcontext(),
        )
        return execute(self.suite, model, self.folder / "run", bench=bench if judges else None)


def write_files(folder: Path, files: Mapping[str, Any]) -> None:
    """Write files: text as it stands, a list as JSON lines."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            content = "".join(json.dumps(each) + "\n" for each in content)
        path.write_text(dedent(content), encoding="utf-8")


def import_files(
    folder: Path, format_name: str, files: Mapping[str, Any], **options: Any
) -> Imported:
    """Write files, import the first of them, and read the suites that were written."""
    write_files(folder, files)
    made, report = import_file(folder / next(iter(files)), format_name, ImportOptions(**options))
    suites = []
    for suite in made:
        write_suite(suite, folder / "suites" / f"{suite.name}.yaml")
        suites.append(load_suite(folder / "suites" / f"{suite.name}.yaml"))
    return Imported(made, suites, report, folder)


def values_of(record: RunRecord, scorer: str) -> list[float]:
    """Return a scorer's value of each case, in the order of the suite."""
    return [result.scores[scorer].value for result in record.results]
