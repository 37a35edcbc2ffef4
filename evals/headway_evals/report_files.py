"""Reports into files, and to GitHub, as the command's flags ask for them."""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from headway_evals.annotations import annotations
from headway_evals.averages import Report
from headway_evals.errors import RunError
from headway_evals.html_reports import html
from headway_evals.junit_reports import junit
from headway_evals.markdown_reports import markdown

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable with the file that GitHub shows as Markdown on the page of a job."""


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Where a report goes besides the terminal."""

    markdown: Path | None = None
    junit: Path | None = None
    html: Path | None = None
    is_annotated: bool = False

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Self:
        """Return what a command's arguments ask for, those that it has."""
        given = vars(arguments)
        paths = {name: given.get(name) for name in ("markdown", "junit", "html")}
        return cls(
            **{name: Path(path) for name, path in paths.items() if path},
            is_annotated=given.get("annotations", False),
        )

    def check(self) -> None:
        """Make the folders, so that a typing error is told before an hour of work.

        Raises:
            RunError: a file cannot be written there.
        """
        for path in filter(None, (self.markdown, self.junit, self.html)):
            if path.is_dir():
                raise RunError(f"{path} is a folder: give the name of a file for the report")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise RunError(f"no report can be written to {path}: {error.strerror}") from error

    def write(
        self,
        report: Report,
        output: IO[str],
        *,
        suite_path: str | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Write the report wherever it was asked for.

        Args:
            report: the report.
            output: where workflow commands go, which GitHub reads from what a step prints.
            suite_path: the suite's file, where annotations stand.
            environment: the variables of the process.

        Raises:
            RunError: a file cannot be written.
        """
        if self.markdown is not None:
            _write(self.markdown, markdown(report).encode())
        if self.junit is not None:
            _write(self.junit, junit(report))
        if self.html is not None:
            _write(self.html, html(report).encode())
        if self.is_annotated:
            output.write("".join(f"{line}\n" for line in annotations(report, suite_path)))
            output.flush()
            summary = environment.get(STEP_SUMMARY)
            if summary:
                _write(Path(summary), markdown(report).encode(), mode="ab")


def _write(path: Path, content: bytes, mode: str = "wb") -> None:
    try:
        with path.open(mode) as file:
            file.write(content)
    except OSError as error:
        raise RunError(f"the report cannot be written to {path}: {error.strerror}") from error
