"""The arguments of ``headway eval import``. It is light: ``headway --help`` loads it."""

import argparse

RESULT_FORMATS = ("lm-eval", "inspect")


def add_results(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> argparse.ArgumentParser:
    """Add the command to those of ``headway eval``, and return its parser."""
    parser = actions.add_parser(
        "import",
        help="take over results of lm-eval or Inspect as runs, to compare them",
        description="Each file becomes a run: lm-eval's samples_TASK_TIME.jsonl, or a log of "
        "Inspect as JSON (`inspect log dump`).",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="a file of results")
    parser.add_argument(
        "--from",
        dest="format",
        choices=RESULT_FORMATS,
        help="the tool that wrote it (default: by the file's name)",
    )
    parser.add_argument("--model", metavar="NAME", help="the model's name, in place of the file's")
    parser.add_argument(
        "--filter", metavar="NAME", help="the one of lm-eval's filters to take (default: all)"
    )
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a column of the documents whose values become slices; may be given again",
    )
    return parser
