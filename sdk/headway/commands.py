"""What a part gives the ``headway`` command: a name, a line of help, arguments, and a run.

Parts register a ``Command`` under the entry-point group ``headway.commands``. Importing the
module that holds it must be cheap and must not need the part's extra: heavy imports belong in
``run``, so that ``headway --help`` is quick and a missing extra gives a line, not a traceback.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand of ``headway``.

    Args:
        name: the word after ``headway``.
        summary: one line for ``headway --help``.
        extra: the extra of the distribution that it needs, or "" for the bare install.
        configure: adds the arguments to the subcommand's parser.
        run: does the work and returns the exit code.
    """

    name: str
    summary: str
    extra: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
