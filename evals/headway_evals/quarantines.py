"""Cases in quarantine: known to flake, and out of the gates until a day.

    quarantine:
      refund-3: {until: 2026-12-31, reason: flips in 4 of 9 runs of the same weights}
    cases:
      - {id: refund-9, input: "…", quarantine: 2026-12-31}

Through the day named a case is in no gate and in every report; from the next on it counts again,
and it is said that it does. Days are those of UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from headway_evals.documents import MarkedDict
from headway_evals.runs import RunRecord
from headway_evals.sections import Section
from headway_evals.wordings import listed
from headway_measures.scores import counted, shown

QUARANTINE = "quarantine"
"""The key of a suite and of a case, and the setting of a run."""


class Quarantine(msgspec.Struct, frozen=True):
    """Until when a case is out of the gates, that day included, and why."""

    until: date
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ward:
    """The cases in quarantine on a day, and those whose time is over, by their ids."""

    inside: Mapping[str, Quarantine]
    lapsed: Mapping[str, Quarantine]

    @classmethod
    def of(cls, record: RunRecord, today: date) -> "Ward":
        """Return those of a run, by its suite as it was then."""
        found = record.run.settings.get(QUARANTINE)
        try:
            known = msgspec.convert(found or {}, dict[str, Quarantine])
        except msgspec.ValidationError:  # of a run that something else wrote
            known = {}
        return cls(
            {case_id: each for case_id, each in known.items() if today <= each.until},
            {case_id: each for case_id, each in known.items() if today > each.until},
        )

    def note(self, case_ids: Sequence[str], failing: int) -> str:
        """Return what is to be said of cases that are left out, "" where none is.

        Args:
            case_ids: those of the run's cases that are in quarantine.
            failing: how many of them pass for the baseline and fail for the candidate.
        """
        if not case_ids:
            return ""
        told = f"in quarantine, and in no gate: {listed(list(case_ids))}"
        return f"{told}; {failing} passed before and fail now" if failing else told

    def warnings(self) -> tuple[str, ...]:
        """Return what is to be said of cases whose time is over."""
        if not self.lapsed:
            return ()
        days = [f"{case_id} ({each.until})" for case_id, each in self.lapsed.items()]
        return (
            f"the quarantine of {counted(len(days), 'case')} is over, so that the gates count "
            f"them again: {listed(days)}; mend the case, or set another day",
        )


def read_quarantines(section: Section, case_ids: Sequence[str]) -> dict[str, Quarantine]:
    """Return the quarantines that stand at the suite, by the case's id.

    Args:
        section: the mapping under ``quarantine``.
        case_ids: those there are.
    """
    found = {}
    known = set(case_ids)
    for case_id in section.values:
        if case_id not in known:
            section.fault(case_id, f"names case {case_id!r}, which the suite does not have")
        quarantine = read_quarantine(section, case_id)
        if quarantine is not None:
            found[case_id] = quarantine
    return found


def read_quarantine(section: Section, key: str) -> Quarantine | None:
    """Return the quarantine under a key: a day, or ``{until: a day, reason: text}``."""
    given = section.values.get(key)
    if given is None:
        return None
    reason = ""
    if isinstance(given, MarkedDict):
        inner = Section(given, section.path, f"{section.title}: {key}", section.faults)
        inner.check_keys(("until", "reason"))
        reason = inner.get("reason", str, "")
        given = inner.values.get("until")
    try:
        until = date.fromisoformat(given if isinstance(given, str) else "")
    except ValueError:
        section.fault(
            key,
            f"has {key} {shown(given)}, which is no day to end at: write it as 2026-12-31, or "
            "{until: 2026-12-31, reason: …}",
        )
        return None
    return Quarantine(until, reason)
