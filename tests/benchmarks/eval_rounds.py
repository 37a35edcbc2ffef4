"""Both sides on one task file: lm-eval's best batch size, then rounds of the two in turn."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.eval_peers import Answered, SideProcess
from tests.benchmarks.results import say
from tests.benchmarks.sdk_rounds import wait_until_idle

BATCHES = (8, 16, 32, 64, 128, 256, 512)
# The others are tried only beside the best of these.
_FIRST_TRIED = (8, 32, 128, 512)


@dataclass(slots=True)
class Race:
    """What the rounds over one task file gave.

    Args:
        name: of the task, for the lines that say how far it is.
        ours: by round.
        theirs: by batch size, then by round; no rounds where it did not fit in memory.
        idle: the smallest share of the machine that was idle before a round.
    """

    name: str
    ours: list[Answered] = field(default_factory=list)
    theirs: dict[int, list[Answered]] = field(default_factory=dict)
    idle: float = 1.0

    @property
    def best_batch(self) -> int:
        """The batch size at which lm-eval was fastest."""
        return min((size for size in self.theirs if self.theirs[size]), key=self.their_time)

    @property
    def our_time(self) -> float:
        """The median of our rounds, in seconds."""
        return statistics.median(each.took_s for each in self.ours)

    @property
    def times_as_fast(self) -> float:
        """Our median beside the fastest round of theirs at any batch size."""
        return self.their_time(self.best_batch) / self.our_time

    def their_time(self, batch: int) -> float:
        """Return the fastest round of theirs at a batch size, in seconds."""
        return min(each.took_s for each in self.theirs[batch])

    def row(self) -> list[str]:
        """Return the race as a row under ``HEADERS``."""
        sizes = ", ".join(
            f"{size}: {self.their_time(size):.1f}" if rounds else f"{size}: out of memory"
            for size, rounds in sorted(self.theirs.items())
        )
        rounds = " ".join(f"{each.took_s:.2f}" for each in self.ours)
        best = f"{self.their_time(self.best_batch):.2f} ({self.best_batch})"
        return [self.name, f"{self.our_time:.2f}", rounds, best, f"{self.times_as_fast:.2f}", sizes]


HEADERS = ("task", "ours s", "rounds", "lm-eval s (batch)", "times", "lm-eval s by batch")


def run_race(
    name: str,
    items: Path,
    ours: SideProcess,
    theirs: SideProcess,
    *,
    rounds: int,
    count: int,
    on_figure: Callable[[str], None] = say,
) -> Race:
    """Run both sides over a task file.

    Args:
        rounds: of ours, and of lm-eval at its best batch size.
        count: the rows that lm-eval makes of the file; a batch is never larger.
    """
    race = Race(name)

    def run(side: str, batch: int) -> Answered:
        race.idle = min(race.idle, wait_until_idle())
        answered = (ours if side == "headway" else theirs).answer(items, batch)
        told = "out of memory" if answered.found is None else f"{answered.took_s:.2f} s"
        on_figure(f"{name}: {side}{f' at {batch}' if batch else ''} {told}")
        return answered

    def try_batch(batch: int) -> None:
        answered = run("lm-eval", batch)
        race.theirs.setdefault(batch, [])
        if answered.found is not None:
            race.theirs[batch].append(answered)

    race.ours.append(run("headway", 0))
    for batch in tried_first(count):
        try_batch(batch)
    for batch in neighbours(race.best_batch, count):
        if batch not in race.theirs:
            try_batch(batch)
    for _ in range(rounds - 1):
        race.ours.append(run("headway", 0))
        try_batch(race.best_batch)
    return race


def tried_first(count: int) -> list[int]:
    """Return batch sizes to begin with, none far above the number of rows."""
    return [size for size in _FIRST_TRIED if size < 4 * count or size == BATCHES[0]]


def neighbours(batch: int, count: int) -> Sequence[int]:
    """Return the batch sizes beside this one that are not larger than all rows need."""
    place = BATCHES.index(batch)
    beside = (*BATCHES[max(0, place - 1) : place], *BATCHES[place + 1 : place + 2])
    return [size for size in beside if size < 2 * count]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two answers to the same items are apart.

    Args:
        logprob: the largest difference of an option's log-probability.
        mean: its mean.
        greedy: options on whose being the likeliest they differ.
        count: options compared.
    """

    logprob: float
    mean: float
    greedy: int
    count: int


def compare_measured(one: Answered, other: Answered) -> Agreement:
    """Return how far the likelihoods of two answers are apart."""
    pairs = [
        (first, second)
        for mine, theirs in zip(one.found or [], other.found or [], strict=True)
        for first, second in zip(mine, theirs, strict=True)
    ]
    gaps = [abs(first[0] - second[0]) for first, second in pairs]
    differing = sum(bool(first[1]) != bool(second[1]) for first, second in pairs)
    return Agreement(max(gaps), statistics.fmean(gaps), differing, len(pairs))


def count_equal(one: Answered, other: Answered) -> int:
    """Return how many of the written texts are equal."""
    pairs = zip(one.found or [], other.found or [], strict=True)
    return sum(mine == theirs for mine, theirs in pairs)
