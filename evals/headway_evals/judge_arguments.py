"""The arguments of ``headway eval judge`` and ``agreement``, and what runs them."""

import argparse
from typing import Any


def add_judge(actions: Any) -> argparse.ArgumentParser:
    """Add ``judge`` to the actions, and return its parser for what it shares with others."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "judge",
        help="have a model judge a run that was made",
        description="Judge the answers of a run by a rubric, as a new run beside it.",
    )
    parser.add_argument("run", metavar="RUN", help="a run's id or folder")
    parser.add_argument("--judge", required=True, metavar="SPEC", help="the judge, any model")
    parser.add_argument("--rubric", required=True, metavar="TEXT", help="what a good answer is")
    parser.add_argument("--scale", default="1-5", help="1-5, another range, or yes-no")
    parser.add_argument("--name", default="rubric", help="what the score is called")
    parser.add_argument("--chat", action="store_true", help="ask in the judge's chat template")
    parser.add_argument("--max-calls", type=int, metavar="N", help="the most calls of the judge")
    parser.add_argument("--max-cost-usd", type=float, metavar="USD", help="the most it may cost")
    add_labels(parser)
    return parser


def add_agreement(actions: Any) -> argparse.ArgumentParser:
    """Add ``agreement`` to the actions, and return its parser."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "agreement", help="tell how far a run's judge and people agree"
    )
    parser.add_argument("run", metavar="RUN", help="a run's id or folder")
    parser.add_argument("--scorer", help="the judge's scorer (default: the run's first)")
    add_labels(parser)
    return parser


def add_labels(parser: argparse.ArgumentParser) -> None:
    """Add ``--labels``."""
    parser.add_argument(
        "--labels",
        metavar="FILE",
        help="what people say of answers, JSON a line: {id, label}; or collector:SCORE, their "
        "scores of that name (default: the suite's labels)",
    )


def judge_run(arguments: argparse.Namespace) -> int:
    """Judge a run."""
    from headway_evals import judge_commands

    return judge_commands.judge_run(arguments)


def show_agreement(arguments: argparse.Namespace) -> int:
    """Tell how far a judge and people agree."""
    from headway_evals import judge_commands

    return judge_commands.show_agreement(arguments)
