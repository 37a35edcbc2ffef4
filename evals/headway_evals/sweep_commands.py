"""The arguments of ``headway eval sweep``, ``flips`` and ``models``, and what runs them.

The work is imported when it is needed, as in ``commands``.
"""

import argparse
from typing import Any


def add_sweep(actions: Any) -> argparse.ArgumentParser:
    """Add ``sweep`` to the actions, and return its parser for what it shares with ``run``."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "sweep",
        help="judge many candidates against one baseline, adapters on one loaded base",
        description="Run every candidate on a suite, and judge each against the baseline. Exit "
        "code: 0 where at least one passed or improved; else 2 where one could not be judged; else "
        "1 where all regressed; else 3.",
    )
    parser.add_argument("suite", metavar="SUITE", help="the suite's file, YAML or JSONL")
    group = parser.add_argument_group("candidates")
    group.add_argument("--base", metavar="SPEC", help="hf:PATH, which adapters are merged into")
    group.add_argument(
        "--adapter",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATH",
        help="adapters of the base",
    )
    group.add_argument("--adapters", metavar="DIR", help="a folder: each adapter in it")
    group.add_argument(
        "--model", action="append", default=[], metavar="SPEC", help="any other model; repeatable"
    )
    parser.add_argument(
        "--baseline",
        metavar="SPEC_OR_RUN",
        help="what to compare with: a model, or an earlier run (default: the base alone)",
    )
    parser.add_argument(
        "--stop-early",
        action="store_true",
        help="ask each candidate no more cases than its verdict takes",
    )
    return parser


def add_flips(actions: Any) -> argparse.ArgumentParser:
    """Add ``flips`` to the actions, and return its parser."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "flips", help="list the cases that pass under one of two runs only"
    )
    parser.add_argument("first", metavar="RUN_A", help="a run's id or folder")
    parser.add_argument("second", metavar="RUN_B", help="a run's id or folder")
    parser.add_argument("--scorer", help="by this scorer alone (default: a case passes by all)")
    parser.add_argument("--json", action="store_true", help="print them as JSON")
    return parser


def add_models(actions: Any) -> argparse.ArgumentParser:
    """Add ``models`` to the actions, and return its parser."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "models", help="list what can be used here, and why the rest cannot"
    )
    parser.add_argument(
        "--in",
        dest="folder",
        metavar="DIR",
        help="also the checkpoints and adapters in this folder",
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    return parser


def run_sweep(arguments: argparse.Namespace) -> int:
    """Run a sweep."""
    from headway_evals import sweeping

    return sweeping.run_sweep(arguments)


def show_flips(arguments: argparse.Namespace) -> int:
    """List flips."""
    from headway_evals import flips

    return flips.show_flips(arguments)


def show_models(arguments: argparse.Namespace) -> int:
    """List what can be used here."""
    from headway_evals import models_listed

    return models_listed.show_models(arguments)
