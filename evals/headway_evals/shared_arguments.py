"""The arguments that several of ``headway eval``'s commands share."""

import argparse
import math


def add_margin(parser: argparse.ArgumentParser) -> None:
    """Add ``--margin``."""
    parser.add_argument(
        "--margin",
        type=_margin,
        help="the drop that still passes: a fraction, or where scores are no shares a number in "
        "their unit or a part of the baseline's mean such as 10%% (default: the suite's); where "
        "there are several gates, that of the first",
    )


def add_reports(parser: argparse.ArgumentParser) -> None:
    """Add where reports are written besides the terminal."""
    reports = parser.add_argument_group("reports, besides the one on the terminal")
    reports.add_argument("--markdown", metavar="FILE", help="write the report as Markdown")
    reports.add_argument("--junit", metavar="FILE", help="write it as JUnit XML, for build servers")
    reports.add_argument("--html", metavar="FILE", help="write it as one HTML file of its own")
    reports.add_argument(
        "--annotations",
        action="store_true",
        help="write GitHub's annotations, and the Markdown to the page of the job",
    )


def add_numerics(parser: argparse.ArgumentParser) -> None:
    """Add how many cases are asked, and by what numerics."""
    parser.add_argument("--limit", type=count, metavar="N", help="only the first N cases")
    parser.add_argument(
        "--device", help="cpu, cuda or cuda:N (default: the GPU where there is one)"
    )
    parser.add_argument("--dtype", help="float32, bfloat16 or float16 (default: suits the device)")
    parser.add_argument(
        "--batch-tokens", type=count, metavar="N", help="the most tokens of a batch"
    )


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Add how the weights of ``hf:`` models are read."""
    parser.add_argument(
        "--quantise",
        choices=["int8", "int4", "nf4"],
        help="weights of hf: models in 8 or 4 bits, by torchao, optimum-quanto or bitsandbytes, "
        "whichever is installed",
    )
    parser.add_argument(
        "--allow-pickle",
        action="store_true",
        help="read pickled weights (.bin) of hf: models that have no safetensors",
    )


def add_engine_checks(parser: argparse.ArgumentParser) -> None:
    """Add the checks of the engine, without a default: a rerun tells what was given."""
    parser.add_argument(
        "--self-check",
        type=_whole,
        default=argparse.SUPPRESS,
        metavar="N",
        help="on how many cases of an hf: model the engine is checked against the plain path "
        "before its answers count; 0 checks none (default 4)",
    )
    parser.add_argument(
        "--noise-floor",
        action="store_true",
        default=argparse.SUPPRESS,
        help="ask an hf: model for everything twice, in other batches, and tell what changes",
    )


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add how servers and functions are asked, without a default as well."""
    group = parser.add_argument_group(
        "openai: and python: models", argument_default=argparse.SUPPRESS
    )
    group.add_argument(
        "--concurrency",
        type=count,
        metavar="N",
        help="how many requests, or calls of an async python: function, are under way at once "
        "(default 16)",
    )
    group.add_argument(
        "--retries",
        type=_whole,
        metavar="N",
        help="how often a request is tried again after a fault that passes (default 5)",
    )
    group.add_argument("--rate", metavar="RATE", help="the most requests, such as 600/min or 10/s")
    group.add_argument(
        "--timeout",
        type=count,
        dest="timeout_s",
        metavar="SECONDS",
        help="the longest wait for a whole answer (default 300)",
    )


def add_cache(parser: argparse.ArgumentParser) -> None:
    """Add what becomes of kept answers."""
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument(
        "--no-cache", dest="cache", action="store_false", help="neither use nor keep answers"
    )
    choice.add_argument(
        "--refresh", action="store_true", help="ask for every answer anew, and keep them"
    )
    parser.add_argument(
        "--cache-functions",
        action="store_true",
        help="keep the answers of python: models too, until the function's file changes",
    )


def add_runs_dir(parser: argparse.ArgumentParser) -> None:
    """Add ``--out``, the folder of the runs."""
    parser.add_argument(
        "--out", metavar="DIR", help="the folder of the runs (default: .headway/runs)"
    )


def add_collector(parser: argparse.ArgumentParser) -> None:
    """Add the collector, and whether it gets runs and verdicts."""
    parser.add_argument("--url", help="the collector's address")
    parser.add_argument("--project", help="the project to read logs from and to publish to")
    parser.add_argument(
        "--publish",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="send runs and verdicts to the collector (default: where one answers)",
    )


def count(text: str) -> int:
    """Return a count of 1 or more.

    Raises:
        ArgumentTypeError: it is none.
    """
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count: give 1 or more, such as 100")
    return value


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a count: give 0 or more, such as 5")
    return int(text)


def _margin(text: str) -> str:
    """Return what may be a margin; of which scores, the suite has to say."""
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a margin: give a fraction, such as 0.05, which is 5 points, or where "
            "scores are no shares a number in their unit, or a part such as 10%"
        )
    return text
