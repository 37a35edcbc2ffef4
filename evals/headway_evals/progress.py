"""How far a run is: a bar on a terminal, a line at the start and the end anywhere else."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

Advance = Callable[[], None]


@contextmanager
def progress(
    title: str, total: int, console: Console, clock: Callable[[], float] = time.monotonic
) -> Iterator[Advance]:
    """Show the progress of ``total`` pieces; call what it yields after each.

    Args:
        title: what is being done.
        total: how many pieces there are.
        console: where it is shown; standard error, so that reports can be piped.
        clock: seconds.
    """
    started = clock()
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as shown:
            task = shown.add_task(title, total=total)
            yield lambda: shown.advance(task)
    else:
        console.print(Text(f"{title}: {total} cases"))
        yield lambda: None
    console.print(Text(f"{title}: done in {clock() - started:.1f} s"))
