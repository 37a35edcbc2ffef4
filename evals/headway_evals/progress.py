"""How far a run is: a bar on a terminal, a line now and then anywhere else.

A file or a pipe gets a line at the start, at the end, and every ten seconds between:
``triage-v2 on triage: 210 of 600 cases, 1,430 tokens/s, 26 s left``.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from headway_measures.scores import counted, shortened

LINE_EVERY_S = 10.0

# Room for "12000/1000000, 12,345 tokens/s, 12 h 59 min left".
_NUMBERS_WIDTH = 48


class Tally:
    """What is done of a number of cases, and how fast.

    Args:
        total: how many there are.
        clock: seconds.
        show: called after each case.
    """

    def __init__(self, total: int, clock: Callable[[], float], show: Callable[[], None]) -> None:
        self.total = total
        self.done = 0
        self.kept = 0
        self._tokens = 0
        self._clock = clock
        self._started = clock()
        self._show = show

    @property
    def elapsed_s(self) -> float:
        """Return how long it has taken so far."""
        return self._clock() - self._started

    def advance(self, tokens: int = 0, *, is_kept: bool = False) -> None:
        """Count a case.

        Args:
            tokens: how many it took.
            is_kept: whether it was were answered earlier; that tells nothing of the speed.
        """
        self.done += 1
        self.kept += is_kept
        self._tokens += 0 if is_kept else tokens
        self._show()

    def speed(self, elapsed_s: float) -> str:
        """Return the tokens a second, "" where none were counted."""
        if not self._tokens or elapsed_s <= 0:
            return ""
        return f"{self._tokens / elapsed_s:,.0f} tokens/s"

    def time_left(self, elapsed_s: float) -> str:
        """Return how long the rest takes at this pace, "" where there is none to go by."""
        asked = self.done - self.kept
        if not asked or self.done == self.total:
            return ""
        return f"{_duration((self.total - self.done) * elapsed_s / asked)} left"


@contextmanager
def progress(
    title: str, total: int, console: Console, clock: Callable[[], float] = time.monotonic
) -> Iterator[Tally]:
    """Show the progress of ``total`` cases; tell what it yields of each.

    Args:
        title: what is being done.
        total: how many cases there are.
        console: where it is shown; standard error, so that reports can be piped.
        clock: seconds.
    """
    if console.is_terminal:
        # Where there is little room the title gives way, and not the time left.
        bar_width = min(40, console.width // 5)
        shown = shortened(title, max(8, console.width - bar_width - _NUMBERS_WIDTH))
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}", markup=False),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(shown, total=total, pace="")
            tally = Tally(
                total, clock, lambda: bar.update(task, completed=tally.done, pace=_pace(tally))
            )
            yield tally
    else:
        console.print(Text(f"{title}: {counted(total, 'case')}"))
        lines = _Lines(title, console)
        tally = Tally(total, clock, lambda: lines.show(tally))
        yield tally
    elapsed_s = tally.elapsed_s
    words = [f"done in {elapsed_s:.1f} s", tally.speed(elapsed_s)]
    if tally.kept:
        words.insert(1, f"{tally.kept} of {counted(total, 'case')} were answered earlier")
    console.print(Text(f"{title}: {', '.join(filter(None, words))}"))


class _Lines:
    """Where nothing can be drawn over, a line is enough every few seconds."""

    def __init__(self, title: str, console: Console) -> None:
        self._title = title
        self._console = console
        self._next_s = LINE_EVERY_S

    def show(self, tally: Tally) -> None:
        elapsed_s = tally.elapsed_s
        if elapsed_s < self._next_s or tally.done == tally.total:
            return
        self._next_s = elapsed_s + LINE_EVERY_S
        words = [f"{tally.done} of {counted(tally.total, 'case')}", _pace(tally)]
        self._console.print(Text(f"{self._title}: {', '.join(filter(None, words))}"))


def _pace(tally: Tally) -> str:
    elapsed_s = tally.elapsed_s
    return ", ".join(filter(None, [tally.speed(elapsed_s), tally.time_left(elapsed_s)]))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
