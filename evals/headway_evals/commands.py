"""``headway eval``, ``headway suite`` and ``headway demo``: their arguments.

The work stands in ``evaluating`` and ``demo.runner``, which are imported when they are needed:
``headway --help`` loads none of it.
"""

import argparse

from headway.commands import Command
from headway_evals import judge_arguments, sweep_commands
from headway_evals.flake_arguments import add_flakes
from headway_evals.importing.arguments import add_export, add_import
from headway_evals.importing.result_arguments import add_results
from headway_evals.judge_arguments import add_agreement, add_judge, add_labels
from headway_evals.shared_arguments import (
    add_cache,
    add_collector,
    add_engine_checks,
    add_margin,
    add_numerics,
    add_reports,
    add_runs_dir,
    add_server,
    add_weights,
    count,
)
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
    add_margin(run)
    run.add_argument(
        "--stop-early",
        action="store_true",
        help="ask cases in a drawn order, and no more of them than the verdict takes",
    )
    add_labels(run)
    add_numerics(run)
    add_weights(run)
    add_engine_checks(run)
    add_server(run)
    add_cache(run)
    add_reports(run)
    add_runs_dir(run)
    add_collector(run)

    rerun = actions.add_parser(
        "rerun",
        help="go on with a run that was broken off, or make one again and compare",
        description="Make a run again: with its suite, its model and its options, but for those "
        "that are given here.",
    )
    rerun.add_argument("run", metavar="RUN", help="a run's id or folder")
    add_engine_checks(rerun)
    add_server(rerun)
    add_runs_dir(rerun)
    add_collector(rerun)

    compare = actions.add_parser("compare", help="judge one run against another")
    compare.add_argument("baseline", metavar="BASELINE_RUN", help="a run's id or folder")
    compare.add_argument("candidate", metavar="CANDIDATE_RUN", help="a run's id or folder")
    add_margin(compare)
    add_labels(compare)
    add_reports(compare)
    add_runs_dir(compare)
    add_collector(compare)

    sweep = add_sweep(actions)
    add_margin(sweep)
    add_labels(sweep)
    add_numerics(sweep)
    add_weights(sweep)
    add_engine_checks(sweep)
    add_server(sweep)
    add_cache(sweep)
    add_runs_dir(sweep)
    add_collector(sweep)

    judge = add_judge(actions)
    add_engine_checks(judge)
    add_server(judge)
    add_cache(judge)
    add_reports(judge)
    add_runs_dir(judge)
    add_collector(judge)

    agreement = add_agreement(actions)
    add_runs_dir(agreement)
    add_collector(agreement)

    add_runs_dir(add_flips(actions))
    add_runs_dir(add_export(actions))
    add_runs_dir(add_results(actions))
    add_runs_dir(actions.add_parser("runs", help="list the runs on this machine"))
    add_models(actions)

    cache = actions.add_parser(
        "cache", help="the answers that are kept, so that none is paid twice"
    )
    cache.add_argument("cache_action", choices=["clear"], help="delete them")


def _configure_suite(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="tell a suite's faults with their lines")
    check.add_argument("suite", metavar="FILE", help=_SUITE_FILE)
    add_runs_dir(check)
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
        type=count,
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
