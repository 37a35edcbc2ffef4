"""``headway drift``: two windows compared by the collector, with an exit code for scripts.

    headway drift --ref 'start=-14d&end=-7d' --cur 'start=-7d' --fail-on answer

The exit code is 0 where nothing drifted, 1 where something did, 2 where it could not be found out
for a fault, and 3 where there is not enough data to say.
"""

import argparse
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

from headway.apis import ApiClient
from headway.commands import Command
from headway.errors import ApiError, CommandError
from headway.records import DEFAULT_PROJECT, DEFAULT_URL
from headway.settings import load_sources

EXIT_DRIFT = 1
EXIT_TOO_LITTLE = 3

ANY = "drift"
_SIDES = ("prompt", "answer", "call", "score")
# Equal values say something of the windows from as many units on as a test of them takes.
_LEAST_EQUAL = 30
_FORMATS = ("text", "json", "markdown", "html")
_ENDINGS = {".json": "json", ".md": "markdown", ".html": "html"}
_COLUMNS = 80
_POLL_S = 0.25
_TIMEOUT_S = 60.0


def ask(
    client: ApiClient,
    path: str,
    body: dict[str, Any],
    project: str | None,
    on_progress: Callable[[dict[str, Any]], None] = lambda job: None,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[str, dict[str, Any]]:
    """Have a card computed, and return its id and the result of its job, when that is done.

    Args:
        client: the collector.
        path: ``/v1/drift``, or that of a replay.
        body: what is asked.
        project: of the calls.
        on_progress: called with the job each time it is looked at.
        sleep: waits between looks.

    Raises:
        CommandError: the job failed or was cancelled.
        ApiError: the collector refused, or cannot be reached.
    """
    asked = client.post(path, body, project=project)
    if asked["job_id"] is None:
        return asked["card_id"], {}
    while True:
        job = client.get(f"/v1/jobs/{asked['job_id']}")
        on_progress(job)
        if job["state"] == "done":
            return asked["card_id"], job["result"]
        if job["state"] not in ("queued", "running"):
            reason = job["error"] or f"it was {job['state']}"
            raise CommandError(f"the comparison came to nothing: {reason}")
        sleep(_POLL_S)


def find_exit_code(card: dict[str, Any], fail_on: list[str]) -> int:
    """Return the exit code for a card.

    Args:
        card: as the collector returns it.
        fail_on: ``drift`` for any, a side, or the name of a metric.

    Raises:
        CommandError: a metric is none of the card's.
    """
    known = {test["metric"] for test in card["tests"]}
    for name in fail_on:
        if name not in (ANY, *_SIDES, *known):
            shown = ", ".join(sorted(known)) or "nothing"
            raise CommandError(f"--fail-on {name}: this card compares {shown}")
    # Of drifts that say the same, one is a finding; each of them is a test.
    if any(test["state"] == "drift" and _is_meant(test, fail_on) for test in card["tests"]):
        return EXIT_DRIFT
    is_small = ANY in fail_on and card["verdict"] == "not_enough_data"
    is_tried = any(_is_tried(test) for test in card["tests"] if _is_meant(test, fail_on))
    return 0 if is_tried and not is_small else EXIT_TOO_LITTLE


def show_card(card: dict[str, Any]) -> str:
    """Return a card as lines for a terminal."""
    lines = [_wrap(card["headline"]), ""]
    lines += [_wrap(finding["sentence"], "- ") for finding in card["findings"]]
    lines += [""] if card["findings"] else []
    states = [test["state"] for test in card["tests"]]
    counts = [
        (states.count("drift"), "drifted"),
        (states.count("no_drift"), "did not"),
        (states.count("identical"), "with nothing to compare"),
        (states.count("not_enough_data"), "without enough data"),
        (states.count("failed"), "failed"),
    ]
    told = ", ".join(f"{count} {words}" for count, words in counts if count)
    sizes = f"{card['n_ref']:,} calls before, {card['n_cur']:,} after"
    measures = "measure" if len(states) == 1 else "measures"
    lines.append(_wrap(f"{sizes}; {len(states)} {measures}: {told or 'none'}"))
    lines += [
        _wrap(
            f"no call is in the window {when}: look at its times and at "
            + _name_filters(card[side])
        )
        for side, count, when in (("reference", "n_ref", "before"), ("current", "n_cur", "after"))
        if not card[count]
    ]
    lines += map(_wrap, card["notes"])
    lines.append(f"card {card['card_id']}")
    return "\n".join(lines) + "\n"


def _name_filters(query: dict[str, Any]) -> str:
    return ", ".join(f"{name} {' or '.join(values)}" for name, values in query["filters"])


def explain_exit(card: dict[str, Any], fail_on: list[str], exit_code: int) -> str | None:
    """Return why the exit code is another than the card's words make expect, if it is."""
    asked = ", ".join(fail_on)
    if exit_code == EXIT_TOO_LITTLE and (ANY not in fail_on or card["verdict"] == "no_drift"):
        return f"--fail-on {asked}: not enough data to say (exit code {exit_code})"
    if exit_code == 0 and card["verdict"] == "drift":
        return f"--fail-on {asked}: what drifted is something else (exit code 0)"
    return None


def _wrap(text: str, bullet: str = "") -> str:
    """Return a text in lines that any terminal shows whole; names of metrics are not broken."""
    return textwrap.fill(
        text,
        _COLUMNS,
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _is_meant(test: dict[str, Any], fail_on: list[str]) -> bool:
    return ANY in fail_on or test["side"] in fail_on or test["metric"] in fail_on


def _is_tried(test: dict[str, Any]) -> bool:
    counts: list[int] = [test[name] for name in ("n_ref", "n_cur", "units_ref", "units_cur")]
    state: str = test["state"]
    return state == "no_drift" or (state == "identical" and min(counts) >= _LEAST_EQUAL)


def parse_filters(option: str, text: str) -> dict[str, list[str]]:
    """Return the filters of a query string.

    Raises:
        CommandError: it is none.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    except ValueError as error:
        raise CommandError(
            f"{option} {text!r} is not of the form name=value&name=value, "
            "such as 'start=-14d&end=-7d'"
        ) from error
    filters: dict[str, list[str]] = {}
    for name, value in pairs:
        filters.setdefault(name, []).append(value)
    return filters


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ref", metavar="FILTERS", help="the calls before, such as 'start=-14d&end=-7d'"
    )
    parser.add_argument("--cur", metavar="FILTERS", help="the calls after, such as 'start=-7d'")
    parser.add_argument(
        "--filter",
        metavar="FILTERS",
        action="append",
        default=[],
        help="of both, such as 'request_model=m'; may repeat",
    )
    parser.add_argument("--project", help=f"whose calls (default {DEFAULT_PROJECT})")
    parser.add_argument(
        "--fail-on",
        metavar="WHAT",
        action="append",
        default=[],
        help=f"exit with 1 only if this drifted: {ANY} (anything, the default), "
        f"{', '.join(_SIDES)}, or a metric by name; may repeat",
    )
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        help="of the card (default by the ending of --out: .json, .md, .html; else text)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write the card")
    parser.add_argument(
        "--pair",
        choices=("auto", "never", "prompt"),
        help="compare the same prompts with each other",
    )
    parser.add_argument(
        "--unit",
        choices=("session", "trace", "user", "row"),
        help="what is independent of each other (default session)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of all that is drawn (default 0)")
    parser.add_argument("--alpha", type=float, help="the rate of false alarms (default 0.05)")
    parser.add_argument(
        "--segment-by",
        metavar="FIELD",
        action="append",
        help="look for whom it holds by this column or attribute:KEY too; may repeat",
    )
    parser.add_argument(
        "--metric", dest="metrics", metavar="NAME", action="append", help="only this; may repeat"
    )
    parser.add_argument(
        "--replay",
        metavar="CARD_ID",
        help="compute a card again, and say whether the same bytes come out",
    )
    parser.add_argument("--url", help=f"the collector (default {DEFAULT_URL})")


def _run(arguments: argparse.Namespace) -> int:
    sources = load_sources()
    url = sources.get("url", arguments.url, DEFAULT_URL)
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"the collector's URL is {url!r}: give one such as {DEFAULT_URL}")
    client = ApiClient(url, api_key=sources.get("api_key", None, "") or None, timeout_s=_TIMEOUT_S)
    project = sources.get("project", arguments.project, DEFAULT_PROJECT)
    try:
        if arguments.replay is not None:
            return _replay(client, arguments.replay)
        return _compare(client, project, arguments)
    except ApiError as error:
        raise CommandError(str(error)) from error


def _compare(client: ApiClient, project: str, arguments: argparse.Namespace) -> int:
    card_id, _ = ask_shown(client, "/v1/drift", _make_body(arguments), project)
    path = f"/v1/drift/{card_id}"
    card = client.get(path)
    # A metric that is misspelt is told before anything is written.
    fail_on = arguments.fail_on or [ANY]
    exit_code = find_exit_code(card, fail_on)
    form = arguments.format or _ENDINGS.get(getattr(arguments.out, "suffix", ""), "text")
    is_text = form == "text"
    shown = show_card(card).encode() if is_text else client.download(path, {"format": form})
    if arguments.out is None:
        sys.stdout.buffer.write(shown)
        sys.stdout.buffer.flush()
    else:
        try:
            arguments.out.write_bytes(shown)
        except OSError as error:
            raise CommandError(f"--out {arguments.out} cannot be written: {error}") from error
        sys.stderr.write(f"{_wrap(card['headline'])}\ncard {card_id} is in {arguments.out}\n")
    if (reason := explain_exit(card, fail_on, exit_code)) is not None:
        sys.stderr.write(f"headway: {reason}\n")
    return exit_code


def _make_body(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.ref is None or arguments.cur is None:
        raise CommandError(
            "say which calls to compare, for example --ref 'start=-14d&end=-7d' --cur 'start=-7d'"
        )
    # NaN has no form in JSON, and would be refused as nothing at all.
    if arguments.alpha is not None and not 0 < arguments.alpha < 1:
        raise CommandError(f"--alpha {arguments.alpha}: give a rate between 0 and 1, such as 0.05")
    options = {
        name: value
        for name in ("pair", "unit", "seed", "alpha", "segment_by", "metrics")
        if (value := getattr(arguments, name)) is not None
    }
    return {
        "reference": parse_filters("--ref", arguments.ref),
        "current": parse_filters("--cur", arguments.cur),
        "filters": parse_filters("--filter", "&".join(arguments.filter)),
        "options": options,
    }


def _replay(client: ApiClient, card_id: str) -> int:
    _, result = ask_shown(client, f"/v1/drift/{quote(card_id, safe='')}/replay", {}, None)
    if result["is_same"]:
        sys.stdout.write(f"card {card_id}: the same bytes\n")
        return 0
    reasons = {
        "data": "the calls are no longer the same",
        "versions": "it was computed by other versions",
        "result": "the same calls and versions came to something else",
        "card": "it is gone",
    }
    told = " and ".join(reasons[name] for name in result["differs"])
    changes = "".join(f"\n- {change}" for change in result["changes"])
    sys.stdout.write(f"{_wrap(f'card {card_id}: other bytes, since {told}')}{changes}\n")
    return EXIT_DRIFT


def ask_shown(
    client: ApiClient, path: str, body: dict[str, Any], project: str | None
) -> tuple[str, dict[str, Any]]:
    """Ask, and show on a terminal how far the collector is."""
    # Here and not above: `headway --help` must be quick, and work without the collector's extra.
    from rich.console import Console
    from rich.progress import Progress

    with Progress(
        console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as progress:
        task = progress.add_task("asking", total=None)

        def show(job: dict[str, Any]) -> None:
            words = job["stage"] or job["state"]
            progress.update(
                task, description=words, completed=job["done"], total=job["total"] or None
            )

        return ask(client, path, body, project, show)


DRIFT = Command(
    name="drift",
    summary="Compare two windows of calls: what drifted, since when, for whom and why.",
    extra="collector",
    configure=_configure,
    run=_run,
)
