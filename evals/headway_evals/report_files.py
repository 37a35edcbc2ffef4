"""Reports into files, and to GitHub, as the command's flags ask for them."""

import argparse
import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
        for name, path in paths.items():
            if path == "":
                raise RunError(f"--{name} has no value: give the name of a file for the report")
        return cls(
            **{name: Path(path) for name, path in paths.items() if path},
            is_annotated=given.get("annotations", False),
        )

    def check(self, environment: Mapping[str, str] = os.environ) -> None:
        """Make the folders and try the files: a typing error is told before an hour of work.

        Args:
            environment: the variables of the process.

        Raises:
            RunError: a file cannot be written there.
        """
        for path in filter(None, (self.markdown, self.junit, self.html)):
            if path.is_dir():
                raise RunError(f"{path} is a folder: give the name of a file for the report")
            with _translated(f"no report can be written to {path}"):
                path.parent.mkdir(parents=True, exist_ok=True)
                _try(path)
        if summary := self._summary(environment):
            with _translated(f"{STEP_SUMMARY} is {summary}, which cannot be written"):
                _try(summary)

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
        if summary := self._summary(environment):
            with (
                _translated(f"the report cannot be added to {summary}"),
                summary.open("ab") as file,
            ):
                file.write(markdown(report).encode())

    def _summary(self, environment: Mapping[str, str]) -> Path | None:
        given = environment.get(STEP_SUMMARY) if self.is_annotated else None
        return Path(given) if given else None


def _write(path: Path, content: bytes) -> None:
    """Write a report, whole or not at all: what stood there before stays until then."""
    with _translated(f"the report cannot be written to {path}"):
        if not _is_plain(path):
            path.write_bytes(content)
            return
        # A link stays one.
        target = path.resolve()
        part = _part(target)
        try:
            part.write_bytes(content)
            if target.exists():
                shutil.copymode(target, part)
            os.replace(part, target)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def _try(path: Path) -> None:
    """Find out whether a file can be written, and leave everything as it was.

    Raises:
        OSError: it cannot be.
    """
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    if _is_plain(path):
        part = _part(path.resolve())
        part.touch()
        part.unlink()


def _part(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.part")


def _is_plain(path: Path) -> bool:
    """Return whether a path is a file or nothing yet, and neither a pipe nor a device."""
    return path.is_file() or not path.exists()


@contextmanager
def _translated(fault: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"{fault}: {error.strerror}") from error
