"""``headway eval flips``: the cases that pass under one of two runs only, without a verdict."""

import argparse
from collections.abc import Sequence

import msgspec

from headway.settings import load_sources
from headway_evals.comparisons import check_suites
from headway_evals.desks import find_runs_dir, make_console
from headway_evals.outcomes import EXIT_PASSED
from headway_evals.pairings import Pair, pair_runs
from headway_evals.runs import load_run
from headway_evals.suites import ALL_SCORERS
from headway_evals.sweep_reports import write_flips


def show_flips(arguments: argparse.Namespace) -> int:
    """List the flips between two runs of one suite."""
    runs_dir = find_runs_dir(arguments, load_sources())
    first, second = (load_run(each, runs_dir) for each in (arguments.first, arguments.second))
    check_suites(first, second.run.suite)
    pairs = pair_runs(first, second, arguments.scorer or ALL_SCORERS).pairs
    if arguments.json:
        make_console().file.write(_as_json(pairs))
    else:
        write_flips(make_console(), (first.run.model, second.run.model), pairs)
    return EXIT_PASSED


def _as_json(pairs: Sequence[Pair]) -> str:
    flips = [pair.flip() for pair in pairs if pair.is_flip]
    return msgspec.json.encode(flips).decode() + "\n"
