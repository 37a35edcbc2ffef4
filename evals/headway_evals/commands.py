"""``headway eval``, ``headway suite`` and ``headway demo``: their arguments.

The work stands in ``evaluating`` and ``demo.runner``, which are imported when they are needed:
``headway --help`` loads none of it.
"""

import argparse
import math

from headway.commands import Command
from headway_evals import judge_arguments, sweep_commands
from headway_evals.flake_arguments import add_flakes
from headway_evals.importing.arguments import add_export, add_import
from headway_evals.importing.result_arguments import add_results
from headway_evals.judge_arguments import add_agreement, add_judge, add_labels
from headway_evals.sweep_commands import add_flips, add_models, add_sweep

_SUITE_FILE = "the suite's file, YAML or JSONL"
_SPECS = (
    "hf:PATH, hf:PATH+ADAPTER, python:module:function, log:key=value,…, openai:MODEL@URL or "
    "vllm:PATH"
)


def _configure_eval(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    run = actions.add_parser("run", help="run a model on a suite and, against a baseline, judge it")
    run.add_argument("suite", metavar="SUITE", help=_SUITE_FILE)
    run.add_argument("--model", required=True, metavar="SPEC", help=_SPECS)
    run.add_argument(
        "--baseline", metavar="SPEC_OR_RUN", help="what to compare with: a model, or an earlier run"
    )
    _add_margin(run)
    run.add_argument(
        "--stop-early",
        action="store_true",
        help="ask cases in a drawn order, and no more of them than the verdict takes",
    )
    add_labels(run)
    _add_numerics(run)
    _add_weights(run)
    _add_engine_checks(run)
    _add_server(run)
    _add_cache(run)
    _add_reports(run)
    _add_runs_dir(run)
    _add_collector(run)

    rerun = actions.add_parser(
        "rerun",
        help="go on with a run that was broken off, or make one again and compare",
        description="Make a run again: with its suite, its model and its options, but for those "
        "that are given here.",
    )
    rerun.add_argument("run", metavar="RUN", help="a run's id or folder")
    _add_engine_checks(rerun)
    _add_server(rerun)
    _add_runs_dir(rerun)
    _add_collector(rerun)

    compare = actions.add_parser("compare", help="judge one run against another")
    compare.add_argument("baseline", metavar="BASELINE_RUN", help="a run's id or folder")
    compare.add_argument("candidate", metavar="CANDIDATE_RUN", help="a run's id or folder")
    _add_margin(compare)
    add_labels(compare)
    _add_reports(compare)
    _add_runs_dir(compare)
    _add_collector(compare)

    sweep = add_sweep(actions)
    _add_margin(sweep)
    _add_numerics(sweep)
    _add_weights(sweep)
    _add_engine_checks(sweep)
    _add_server(sweep)
    _add_cache(sweep)
    _add_runs_dir(sweep)
    _add_collector(sweep)

    judge = add_judge(actions)
    _add_engine_checks(judge)
    _add_server(judge)
    _add_cache(judge)
    _add_reports(judge)
    _add_runs_dir(judge)
    _add_collector(judge)

    agreement = add_agreement(actions)
    _add_runs_dir(agreement)
    _add_collector(agreement)

    _add_runs_dir(add_flips(actions))
    _add_runs_dir(add_export(actions))
    _add_runs_dir(add_results(actions))
    _add_runs_dir(actions.add_parser("runs", help="list the runs on this machine"))
    add_models(actions)

    cache = actions.add_parser(
        "cache", help="the answers that are kept, so that none is paid twice"
    )
    cache.add_argument("cache_action", choices=["clear"], help="delete them")


def _configure_suite(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="tell a suite's faults with their lines")
    check.add_argument("suite", metavar="FILE", help=_SUITE_FILE)
    _add_runs_dir(check)
    add_import(actions)
    add_flakes(actions)


def _configure_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="stop when all is shown, do not serve")
    parser.add_argument(
        "--collector-port",
        type=int,
        default=4318,
        metavar="PORT",
        help="the collector's port; 0 takes a free one (default %(default)s)",
    )
    parser.add_argument(
        "--ui-port",
        type=int,
        default=8501,
        metavar="PORT",
        help="the dashboard's port; 0 takes a free one (default %(default)s)",
    )
    parser.add_argument(
        "--calls",
        type=_count,
        default=2400,
        metavar="N",
        help="how many calls to make (default %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=7, help="what chance starts from")


def _run_eval(arguments: argparse.Namespace) -> int:
    from headway_evals import evaluating

    actions = {
        "run": evaluating.run_suite,
        "rerun": evaluating.rerun,
        "compare": evaluating.compare_runs,
        "cache": evaluating.clear_cache,
        "runs": evaluating.show_runs,
        "export": _export,
        "import": _import_results,
        "sweep": sweep_commands.run_sweep,
        "flips": sweep_commands.show_flips,
        "judge": judge_arguments.judge_run,
        "agreement": judge_arguments.show_agreement,
        "models": sweep_commands.show_models,
    }
    return actions[arguments.action](arguments)


def _export(arguments: argparse.Namespace) -> int:
    from headway_evals.run_exports import export_run

    return export_run(arguments)


def _import_results(arguments: argparse.Namespace) -> int:
    from headway_evals.importing.run_commands import run

    return run(arguments)


def _run_suite(arguments: argparse.Namespace) -> int:
    from headway_evals import evaluating, flake_commands
    from headway_evals.importing.command_lines import run

    if arguments.action == "import":
        return run(arguments)
    if arguments.action == "flakes":
        return flake_commands.show_flakes(arguments)
    if arguments.action == "quarantine":
        return flake_commands.propose_quarantine(arguments)
    return evaluating.check_suite(arguments)


def _run_demo(arguments: argparse.Namespace) -> int:
    from headway_evals.demo.runner import run_demo

    return run_demo(arguments)


def _add_margin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--margin",
        type=_margin,
        help="the drop that still passes: a fraction, or where scores are no shares a number in "
        "their unit or a part of the baseline's mean such as 10%% (default: the suite's); where "
        "there are several gates, that of the first",
    )


def _add_reports(parser: argparse.ArgumentParser) -> None:
    reports = parser.add_argument_group("reports, besides the one on the terminal")
    reports.add_argument("--markdown", metavar="FILE", help="write the report as Markdown")
    reports.add_argument("--junit", metavar="FILE", help="write it as JUnit XML, for build servers")
    reports.add_argument("--html", metavar="FILE", help="write it as one HTML file of its own")
    reports.add_argument(
        "--annotations",
        action="store_true",
        help="write GitHub's annotations, and the Markdown to the page of the job",
    )


def _add_numerics(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=_count, metavar="N", help="only the first N cases")
    parser.add_argument(
        "--device", help="cpu, cuda or cuda:N (default: the GPU where there is one)"
    )
    parser.add_argument("--dtype", help="float32, bfloat16 or float16 (default: suits the device)")
    parser.add_argument(
        "--batch-tokens", type=_count, metavar="N", help="the most tokens of a batch"
    )


def _add_weights(parser: argparse.ArgumentParser) -> None:
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


# Without a default of their own, so that a rerun can tell what was given.
def _add_engine_checks(parser: argparse.ArgumentParser) -> None:
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


def _add_server(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "openai: and python: models", argument_default=argparse.SUPPRESS
    )
    group.add_argument(
        "--concurrency",
        type=_count,
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
        type=_count,
        dest="timeout_s",
        metavar="SECONDS",
        help="the longest wait for a whole answer (default 300)",
    )


def _add_cache(parser: argparse.ArgumentParser) -> None:
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


def _add_runs_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", metavar="DIR", help="the folder of the runs (default: .headway/runs)"
    )


def _add_collector(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="the collector's address")
    parser.add_argument("--project", help="the project to read logs from and to publish to")
    parser.add_argument(
        "--publish",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="send runs and verdicts to the collector (default: where one answers)",
    )


def _count(text: str) -> int:
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


EVAL = Command(
    name="eval",
    summary="Run models on suites, and judge candidates against a baseline.",
    extra="evals",
    configure=_configure_eval,
    run=_run_eval,
)
SUITE = Command(
    name="suite",
    summary="Check suite files, and import other tools'.",
    extra="evals",
    configure=_configure_suite,
    run=_run_suite,
)
DEMO = Command(
    name="demo",
    summary="Show everything on made-up traffic of a small model.",
    extra="all",
    configure=_configure_demo,
    run=_run_demo,
)
