"""What the writer counts of its own work; nobody else adds to it.

Counts only grow while the process lives, so that whoever reads them between two additions is at
most one behind.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from headway.records import IngestAnswer
from headway_collector.store.batches import Batch

OTHER_REASON = "other"

# What reasons say, most telling first; they quote values, so they are no labels themselves.
_REASONS = (
    ("not_replayable", re.compile(r"only its beginning was kept")),
    ("mapping_failed", re.compile(r"the collector failed on it")),
    ("too_deep", re.compile(r"nested too deeply")),
    (
        "too_many",
        re.compile(r"has \d+ (attributes|values|events)|events and \d+ links"),
    ),
    ("too_large", re.compile(r"\d+ (bytes|characters); \d+ are allowed|are over \d+ bytes")),
    ("bad_field", re.compile(r"^(Object|Expected|Invalid) ")),
    ("not_text", re.compile(r"UTF-8")),
    ("not_json", re.compile(r"not JSON")),
    ("no_span", re.compile(r"belongs to no span|gen_ai\.response\.id|evaluation needs")),
    ("bad_time", re.compile(r"1970 to 2200|before (its )?start|has no end|past 2200")),
    ("bad_id", re.compile(r"(trace|span)[_ ]id|the id |client_id|score_id")),
    ("erased", re.compile(r"erased|tombstone")),
    ("bad_field", re.compile(r"`\$|Object |JSON |Invalid |Expected | is |must (be|not)|needs one")),
)
REASONS = (*dict.fromkeys(name for name, _ in _REASONS), OTHER_REASON)
"""All words for why something is refused, so that there are never more."""


def classify(reason: str) -> str:
    """Return the word, one of ``REASONS``, for a reason."""
    return next((name for name, said in _REASONS if said.search(reason)), OTHER_REASON)


@dataclass(slots=True)
class WriterTally:
    """What was written since the start, in rows and in seconds.

    Args:
        rejected: by the words of ``REASONS``.
        last_commit_s: the monotonic time of the last commit, None before the first.
    """

    commits: int = 0
    commit_failures: int = 0
    commit_rows: int = 0
    commit_s: float = 0.0
    checkpoints: int = 0
    checkpoint_failures: int = 0
    checkpoint_s: float = 0.0
    accepted: int = 0
    duplicates: int = 0
    replayed_batches: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    last_commit_s: float | None = None

    def add_commit(self, rows: int, seconds: float, now_s: float) -> None:
        """Count a commit that is on disk."""
        self.commits += 1
        self.commit_rows += rows
        self.commit_s += seconds
        self.last_commit_s = now_s

    def add_answers(self, batches: Iterable[Batch], answers: Sequence[IngestAnswer]) -> None:
        """Count what became of batches; a replay has been counted before."""
        for batch, answer in zip(batches, answers, strict=True):
            if answer.is_replay:
                self.replayed_batches += 1
                continue
            self.accepted += answer.accepted
            self.duplicates += answer.duplicates
            for reject in batch.rejects:
                word = classify(reject.reason)
                self.rejected[word] = self.rejected.get(word, 0) + reject.count
