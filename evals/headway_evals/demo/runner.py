"""``headway demo``: a product with models in it, on a temporary database, from start to verdict.

Collector and dashboard start as ``headway up`` starts them. The shipped models answer a simulated
fortnight of customer mail in batches; the answers go, call by call, through a support desk that
is decorated with ``@headway.observe``. Then both candidates are judged against the base, by the
very commands that a user would type.
"""

import argparse
import functools
import random
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

import headway
from headway import cli
from headway.apis import ApiClient
from headway.errors import CommandError
from headway.launching import Plan, Stack, termination_as_interrupt
from headway_evals.demo.desk import SimulatedClock, SupportDesk
from headway_evals.demo.messages import prompt_for
from headway_evals.demo.traffic import (
    AFTER_RELEASE,
    BEFORE_RELEASE,
    DAYS,
    RELEASE_DAY,
    SHIFT_DAY,
    Arrival,
    find_day_starts,
    plan_fortnight,
)
from headway_evals.models.requests import Completion, Generate, Model, Request
from headway_evals.models.specs import ModelOptions, make_model

PROJECT = "triage-demo"
SUITE = Path(__file__).parent / "suites" / "triage.yaml"
BASE = "hf:triage-base"
CANDIDATES = ("triage-v2", "triage-v3")
MODELS = (BASE.partition(":")[2], *CANDIDATES)
MAX_NEW_TOKENS = 96
FLUSH_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gate said of one candidate."""

    candidate: str
    comparison: dict[str, Any]
    exit_code: int

    @property
    def sentence(self) -> str:
        """Return the outcome in a line."""
        verdict = self.comparison["overall"]["verdict"]
        worse = [
            each["slice"] for each in self.comparison["slices"] if each["verdict"] == "regressed"
        ]
        if worse:
            verdict += f" overall, regressed in {', '.join(worse)}"
        return f"{self.candidate}: {verdict} (exit code {self.exit_code})"


def run_demo(arguments: argparse.Namespace) -> int:
    """Run the demo, and keep serving until Ctrl-C unless told ``--once``.

    Raises:
        CommandError: a port is taken, or one of the processes did not start.
    """
    console = Console(soft_wrap=True)
    started = time.monotonic()
    with TemporaryDirectory(prefix="headway-demo-") as name, termination_as_interrupt():
        folder = Path(name)
        plan = Plan(
            db=str(folder / "demo.duckdb"),
            collector_port=arguments.collector_port,
            ui_port=arguments.ui_port,
            label="demo traffic",
        )
        try:
            console.print("Starting collector and dashboard ...")
            with Stack(plan) as stack:
                # Held to the end, so that the base beneath them is loaded once.
                # Batches as small as a server's under light load: a call's latency is its batch's.
                options = ModelOptions(batch_tokens=2_048)
                models = {name: make_model(_spec(name), options) for name in MODELS}
                end_ns = time.time_ns()
                arrivals = plan_fortnight(random.Random(arguments.seed), arguments.calls, end_ns)
                log_calls(console, stack.collector_url, models, folder, arrivals)
                outcomes = _judge_candidates(console, stack, folder)
                _say_what_to_look_at(console, stack.ui_url, arrivals, end_ns, outcomes)
                console.print(f"Ready after {time.monotonic() - started:.0f} s.")
                if arguments.once:
                    return 0
                console.print("Serving until Ctrl-C; the database is temporary.")
                return stack.wait()
        except KeyboardInterrupt:
            console.print("\nStopped.")
            return 0


def log_calls(
    console: Console,
    url: str,
    models: Mapping[str, Model],
    folder: Path,
    arrivals: Sequence[Arrival],
) -> None:
    """Let the models answer each message, and log what the support desk makes of it.

    Args:
        console: where progress is shown.
        url: the collector's.
        models: by the names that the arrivals have.
        folder: where the journal stands meanwhile.
        arrivals: in order of time.

    Raises:
        CommandError: the collector did not take all calls in time.
    """
    clock = SimulatedClock()
    headway.init(
        project=PROJECT,
        url=url,
        journal_dir=folder / "journal",
        environment="demo",
        clock_ns=clock,
    )
    desk = SupportDesk(clock)
    with _progress(console) as progress:
        completions = _answer(models, arrivals, progress)
        for arrival in progress.track(arrivals, description="Logging call by call"):
            desk.receive(arrival, completions[id(arrival)])
    if not headway.flush(timeout_s=FLUSH_TIMEOUT_S):
        raise CommandError(f"the collector did not take all calls in time: {headway.stats()}")
    headway.shutdown()


def _answer(
    models: Mapping[str, Model], arrivals: Sequence[Arrival], progress: Progress
) -> dict[int, Completion]:
    """Let each model answer its share of the messages, in batches."""
    completions: dict[int, Completion] = {}
    for name in sorted({arrival.model for arrival in arrivals}):
        share = [arrival for arrival in arrivals if arrival.model == name]
        task = progress.add_task(f"{name} answers", total=len(share))
        requests = [
            Request(
                case_id=str(number),
                input=arrival.message.text,
                prompt=prompt_for(arrival.message.text),
                ask=Generate(MAX_NEW_TOKENS, ("\n",)),
            )
            for number, arrival in enumerate(share)
        ]
        tick = functools.partial(_advance, progress, task)
        answered = models[name].generate(requests, tick)
        completions |= {id(arrival): each for arrival, each in zip(share, answered, strict=True)}
    return completions


def _judge_candidates(console: Console, stack: Stack, folder: Path) -> list[Outcome]:
    runs = folder / "runs"
    # Nothing is left behind in the working folder.
    common = ["--url", stack.collector_url, "--project", PROJECT, "--publish", "--no-cache"]
    _type(console, ["eval", "run", str(SUITE), "--model", BASE, "--out", str(runs), *common])
    (base_run,) = [path.parent for path in runs.glob("**/run.json")]
    api = ApiClient(stack.collector_url)
    outcomes = []
    for name in CANDIDATES:
        command = ["eval", "run", str(SUITE), "--model", _spec(name)]
        command += ["--baseline", str(base_run), "--out", str(runs), *common]
        code = _type(console, command)
        latest = api.get("/v1/comparisons", {"project": PROJECT, "limit": 1})["comparisons"][0]
        comparison = api.get(f"/v1/comparisons/{latest['comparison_id']}")
        outcomes.append(Outcome(name, comparison, code))
    return outcomes


def _type(console: Console, arguments: Sequence[str]) -> int:
    """Run a ``headway`` command here, as if typed; 0, 1 and 3 are verdicts, 2 is a fault."""
    console.rule()
    console.print(f"$ headway {shlex.join(arguments)}", highlight=False)
    code = cli.main(arguments)
    if code == cli.EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    if code == cli.EXIT_ERROR:
        raise CommandError("the demo cannot go on; the message is above")
    return code


def _say_what_to_look_at(
    console: Console,
    url: str,
    arrivals: Sequence[Arrival],
    end_ns: int,
    outcomes: Sequence[Outcome],
) -> None:
    begin, shift, release, end = find_day_starts(end_ns, [0, SHIFT_DAY, RELEASE_DAY, DAYS])
    scope = f"project={PROJECT}&range=30d"
    console.rule("What to look at")
    lines = [
        f"{len(arrivals):,} calls logged, as many traces of a retriever, a model and a guardrail.",
        *(outcome.sentence for outcome in outcomes),
        "",
        f"Overview      {url}/?{scope}",
        f"  From {shift:%d %B} on delivery mail takes over: the input shifted.",
        f"  From {release:%d %B} on {AFTER_RELEASE} answers: valid JSON becomes rarer.",
        f"Broken calls  {url}/traces?{scope}&show=All%20spans&request_model={AFTER_RELEASE}"
        "&tag=kind:refund",
        f"Quality       {url}/quality?{scope}&score=valid_json",
        f"  {BEFORE_RELEASE} against {AFTER_RELEASE}: by how much, and how sure that is.",
        f"Drift         {url}/drift?{scope}",
        '  "Draw the map": each metric of each day against the first days. Or compare:',
        f"  the shift   {drift_url(url, begin, shift, release)}",
        f"  the release {drift_url(url, shift, release, end)}",
        *(
            f"{outcome.candidate}     {url}/evals?project={PROJECT}"
            f"&comparison={outcome.comparison['comparison_id']}"
            for outcome in outcomes
        ),
    ]
    for line in lines:
        console.print(line, highlight=False)


def drift_url(url: str, *ends: datetime) -> str:
    """Return where the time between the first two ends is compared with that up to the third."""
    start, cut, end = (f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in ends)
    windows = {"reference": f"start={start}&end={cut}", "current": f"start={cut}&end={end}"}
    return f"{url}/drift?{urlencode({'project': PROJECT, **windows}, safe=':')}"


def _advance(progress: Progress, task: TaskID, _index: int, _completion: Completion) -> None:
    progress.advance(task)


def _spec(name: str) -> str:
    return BASE if BASE.endswith(f":{name}") else f"{BASE}+{name}"


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
