"""What an import took over, and what it could not: by name and count, each with its lines.

Every importer is a function ``(path, options, report) -> list[ImportedSuite]``. Whatever a file
says and a suite of ours cannot goes into the report; nothing is dropped in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SHOWN_PLACES = 5


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the command line says to an importer.

    Args:
        allow_code: whether Python that a file names may become part of a suite or be run by the
            import, and files outside its folder may be read.
        fields: our key, and the file's own column for it; for tables.
        data: a file to read cases from in place of one that cannot be had here.
        judge: the spec of the model that judges where the file has a model judge.
    """

    allow_code: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)
    data: Path | None = None
    judge: str | None = None


@dataclass(frozen=True, slots=True)
class Omission:
    """One thing that was not taken over.

    Args:
        feature: its name, the same for all of its kind, such as ``assert type javascript``.
        reason: why, and what to do.
        path: the file.
        line: its line there; 0 where no line is known.
    """

    feature: str
    reason: str
    path: str
    line: int = 0

    @property
    def place(self) -> str:
        """Return where it stands, such as ``config.yaml:12``."""
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, slots=True)
class ImportedSuite:
    """A suite that was made of someone's file.

    Args:
        name: its name, which is the name of its file too.
        document: what the suite's file says, in the keys of ``docs/suites.md``; plain data.
        modules: files that have to stand beside the suite, such as Python that its scorers call.
    """

    name: str
    document: dict[str, Any]
    modules: tuple[Path, ...] = ()


@dataclass(slots=True)
class ImportReport:
    """Gathers what is to be told about an import.

    Attributes:
        omissions: what was not taken over.
        notes: what was understood in a way that its author may want to know, or has to do next.
    """

    omissions: list[Omission] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def omit(self, feature: str, reason: str, path: str, line: int = 0) -> None:
        """Note something that is not taken over; one place is noted once."""
        omission = Omission(feature, reason, path, line)
        if not line or omission not in self.omissions:
            self.omissions.append(omission)

    def note(self, text: str) -> None:
        """Note something once."""
        if text not in self.notes:
            self.notes.append(text)

    def counts(self) -> dict[str, int]:
        """Return how often each feature was left out, the most frequent first."""
        counts: dict[str, int] = {}
        for omission in self.omissions:
            counts[omission.feature] = counts.get(omission.feature, 0) + 1
        return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))

    def lines(self) -> list[str]:
        """Return the omissions as lines for a reader: name, count, reason and places."""
        told: list[str] = []
        for feature, count in self.counts().items():
            those = [each for each in self.omissions if each.feature == feature]
            places = list(dict.fromkeys(each.place for each in those))
            more = len(places) - _SHOWN_PLACES
            where = ", ".join(places[:_SHOWN_PLACES]) + (f" and {more} more" if more > 0 else "")
            for reason in dict.fromkeys(each.reason for each in those):
                told.append(f"{feature} ({count}): {reason}")
            told.append(f"    at {where}")
        return told
