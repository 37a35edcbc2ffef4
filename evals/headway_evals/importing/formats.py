"""The formats that can be imported, and where each is read."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path

from headway_evals.errors import ImportingError
from headway_evals.importing.reports import ImportedSuite, ImportOptions, ImportReport

Importer = Callable[[Path, ImportOptions, ImportReport], list[ImportedSuite]]

FORMATS: Mapping[str, str] = {
    "promptfoo": "promptfoo_configs:import_promptfoo",
    "lm-eval": "lm_eval_tasks:import_lm_eval",
    "inspect": "inspect_samples:import_inspect",
    "openai-evals": "openai_evals_registry:import_openai_evals",
    "csv": "tables:import_csv",
    "jsonl": "tables:import_jsonl",
}
"""Format: the module here, and its function."""


def import_file(
    path: Path, format_name: str, options: ImportOptions
) -> tuple[list[ImportedSuite], ImportReport]:
    """Return the suites of a file, and what is to be told about them.

    Raises:
        ImportingError: nothing of it can be imported.
    """
    module, _, function = FORMATS[format_name].partition(":")
    importer: Importer = getattr(importlib.import_module(f"{__package__}.{module}"), function)
    if not path.exists():
        raise ImportingError(f"there is no file {path}")
    report = ImportReport()
    suites = importer(path, options, report)
    if not any(suite.document.get("cases") for suite in suites):
        told = "; ".join(report.lines()[:6])
        raise ImportingError(f"nothing of {path} could be imported{': ' if told else ''}{told}")
    return suites, report
