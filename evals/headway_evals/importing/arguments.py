"""The arguments of ``headway suite import`` and ``headway eval export``.

The work stands in ``command_lines`` and in ``run_exports``.
"""

import argparse
from typing import Any

from headway_evals.importing.formats import FORMATS


def add_import(actions: Any) -> None:
    """Add the command to those of ``headway suite``."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "import",
        help="make a suite of another tool's file",
        description="Make suites of another tool's file. What is not supported is listed by name "
        "and count, with its lines.",
    )
    parser.add_argument("file", metavar="FILE", help="the other tool's file")
    parser.add_argument(
        "--from", dest="format", required=True, choices=list(FORMATS), help="whose file it is"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="the suite's file, or a folder where there are several (default: to the terminal)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="write nothing where not all can be imported"
    )
    parser.add_argument(
        "--allow-code",
        action="store_true",
        help="take over Python that the file names, and run it where the import needs it; read "
        "files outside its folder",
    )
    parser.add_argument(
        "--map",
        action="append",
        type=_mapping,
        metavar="KEY=COLUMN",
        help="which column is our key, such as expected=label",
    )
    parser.add_argument("--data", metavar="FILE", help="read the cases from this file instead")
    parser.add_argument(
        "--judge",
        metavar="SPEC",
        help="the model that judges, any model, where the file has a model judge "
        "(default: the one that the file names)",
    )


def add_export(actions: Any) -> argparse.ArgumentParser:
    """Add the command to those of ``headway eval``, and return it."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "export", help="write a run for another tool: promptfoo's results, or JUnit XML"
    )
    parser.add_argument("run", metavar="RUN", help="a run's id or folder")
    parser.add_argument("--format", required=True, choices=["promptfoo", "junit"], help="whose")
    parser.add_argument("--to", metavar="FILE", help="the file (default: to the terminal)")
    return parser


def _mapping(text: str) -> tuple[str, str]:
    key, sign, column = text.partition("=")
    if not (key and sign and column):
        raise argparse.ArgumentTypeError(f"{text!r} is no KEY=COLUMN, such as expected=label")
    return key, column
