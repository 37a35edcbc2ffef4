"""The arguments of ``headway suite flakes`` and ``headway suite quarantine``.

The work stands in ``flake_commands``, and is imported when it is needed, as in ``commands``.
"""

from typing import Any

_USUAL_DAYS = 30


def add_flakes(actions: Any) -> None:
    """Add both commands to those of ``headway suite``."""
    flakes = actions.add_parser(
        "flakes", help="list the cases that flip under weights that did not change"
    )
    quarantine = actions.add_parser(
        "quarantine", help="propose the cases that flip too often to be in a gate"
    )
    for parser in (flakes, quarantine):
        parser.add_argument("suite", metavar="SUITE", help="the suite's file")
        parser.add_argument(
            *("--runs-dir", "--out"),
            dest="out",
            metavar="DIR",
            help="the folder of the runs (default: .headway/runs)",
        )
    quarantine.add_argument(
        "--apply", action="store_true", help="write them into the file, which keeps its comments"
    )
    quarantine.add_argument(
        "--days",
        type=int,
        default=_USUAL_DAYS,
        metavar="N",
        help="how long each is left out (default %(default)s)",
    )
