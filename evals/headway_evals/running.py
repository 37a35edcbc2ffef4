"""Running models for ``headway eval``: each is found first, then run or an equal run taken."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from headway_evals.caching import AnswerCache
from headway_evals.desks import Desk
from headway_evals.early_stops import NOT_ASKED, early_stop_of
from headway_evals.errors import RunError
from headway_evals.executions import execute, new_run_id
from headway_evals.judge_desks import judges_in
from headway_evals.judges.notes import is_unjudged
from headway_evals.judges.scoring import Bench
from headway_evals.manifests import OPTIONS, Manifest, commit_of
from headway_evals.models.cache_keys import cache_key_of
from headway_evals.models.requests import Model
from headway_evals.models.specs import idle_flags, make_model
from headway_evals.progress import progress
from headway_evals.runs import CACHE_KEY, Result, RunRecord, find_equal, is_finished, load_run
from headway_evals.stopping import Stopping
from headway_evals.suites import Case, Suite
from headway_evals.summaries import environment
from headway_measures.function_scorers import FunctionScorer
from headway_measures.scores import counted
from headway_measures.usage_scorers import Latency
from headway_measures.weights import parts_of


@dataclass(frozen=True, slots=True)
class Task:
    """What models are run on: a suite, the file it stands in, and how many of its cases."""

    suite: Suite
    path: str
    limit: int | None = None

    @property
    def cases(self) -> tuple[Case, ...]:
        """Return the cases to run."""
        return self.suite.cases[: self.limit]


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs models on a task.

    Args:
        desk: what the command works with.
        task: what models are run on.
        bench: the judges where several runs share them and their budget; None gives each run its
            own.
        remembered: what every run remembers besides.
    """

    desk: Desk
    task: Task
    bench: Bench | None = None
    remembered: Mapping[str, Any] = field(default_factory=dict)

    def candidate(self, spec: str, *, earlier: str | None = None) -> Callable[[], RunRecord]:
        """Find a model, and return what runs it.

        Args:
            spec: what names it.
            earlier: the id of a run that stands for it, if model and judges are still the same.
        """
        model = self._make_model(spec)
        return lambda: self._find_earlier(model, earlier) or self._execute(model, spec)

    def stoppable(self, spec: str) -> Callable[[Stopping | None], RunRecord]:
        """Find a model, and return what runs it to its end, or until the verdict is certain."""
        model = self._make_model(spec)
        self._find_bench()
        return lambda stopping: self._execute(model, spec, stopping)

    def baseline(self, spec: str) -> Callable[[], RunRecord]:
        """Find a model, and return what runs it, or finds the equal run that was made earlier."""
        model = self._make_model(spec)
        return lambda: self._find_equal(model) or self._execute(model, spec)

    def _find_bench(self) -> Bench | None:
        if self.bench is not None:
            return self.bench.for_run()
        suite = self.task.suite
        return self.desk.judges.bench(judges_in(suite), suite.judging)

    def _make_model(self, spec: str) -> Model:
        # Drafts make whoever comes later faster.
        drafts = not is_timed(self.task.suite)
        model = make_model(spec, replace(self.desk.options, drafts=drafts))
        idle = idle_flags(spec, self.desk.options)
        if idle is not None:
            self.desk.say(idle)
        return model

    def _execute(self, model: Model, spec: str, stopping: Stopping | None = None) -> RunRecord:
        task, suite = self.task, self.task.suite
        folder = self.desk.runs_dir / new_run_id(suite.name, model.name, datetime.now(UTC))
        title = f"{model.name} on {suite.name}"
        bench = self._find_bench()
        with (
            self.desk.keep(model) as cache,
            self._farewell(title, len(task.cases), cache) as count,
            progress(title, len(task.cases), self.desk.status) as tally,
        ):

            def on_result(result: Result, *, is_kept: bool) -> None:
                count(result)
                tally.advance(result.output_tokens or result.input_tokens or 0, is_kept=is_kept)

            record = execute(
                suite,
                model,
                folder,
                cases=task.cases,
                cache=cache,
                manifest=self._manifest(spec, model.settings, stopping),
                on_result=on_result,
                on_fault=self.desk.warn,
                settings={"spec": spec, "limit": task.limit, **self.remembered},
                stopping=stopping,
                bench=bench,
            )
        stop = early_stop_of(record.run)
        if stop is not None and stop.is_stopped:
            asked = sum(each.error != NOT_ASKED for each in record.results)
            told = f"the verdict is certain after {asked:,} of {counted(stop.total, 'case')}"
            self.desk.status.print(Text(f"{title}: {told}, the others are not asked"))
        if is_finished(record.folder):
            self.desk.status.print(Text(f"run {record.run.run_id} in {record.folder}"))
        return record

    def _find_equal(self, model: Model) -> RunRecord | None:
        desk, task = self.desk, self.task
        key = cache_key_of(model) if desk.is_cached and not desk.is_refreshed else None
        if key is None:
            return None
        case_ids = [case.case_id for case in task.cases]
        record = find_equal(desk.runs_dir, task.suite.version, key, case_ids)
        if record is not None and desk.judges.is_judged_alike(record, task.suite):
            told = f"run {record.run.run_id} of {record.run.started_at[:19]} has all its answers"
            self.desk.status.print(Text(f"{model.name} on {task.suite.name}: {told}"))
            return record
        return None

    def _find_earlier(self, model: Model, run_id: str | None) -> RunRecord | None:
        """Return a run that was made earlier, if it is of these cases, this model and judges.

        One that a budget left cases of is none: the present one may judge more.
        """
        if run_id is None:
            return None
        try:
            record = load_run(run_id, self.desk.runs_dir)
        except RunError:  # it was deleted
            return None
        task, settings, key = self.task, record.run.settings, cache_key_of(model)
        told = (record.run.suite_version, settings.get("limit"), settings.get(CACHE_KEY))
        if key is None or told != (task.suite.version, task.limit, key):
            return None
        is_whole = not any(is_unjudged(each.error) for each in record.results)
        is_alike = self.desk.judges.is_judged_alike(record, task.suite)
        return record if is_whole and is_alike else None

    @contextmanager
    def _farewell(
        self, title: str, total: int, cache: AnswerCache | None
    ) -> Iterator[Callable[[Result], None]]:
        """Tell whoever stops a run what is left of it; what it yields hears of each result."""
        done = kept = 0

        def count(result: Result) -> None:
            nonlocal done, kept
            done += 1
            kept += result.error is None

        try:
            yield count
        except KeyboardInterrupt:
            told = f"{done:,} of {counted(total, 'case')} were done, and no answers are kept"
            if cache is not None and cache.is_on:
                again = "asks for all of them anew" if self.desk.is_refreshed else "goes on"
                told = f"{kept:,} of {counted(total, 'answer')} are kept, the same command {again}"
            self.desk.say(f"{title}: stopped: {told}")
            raise

    def _manifest(self, spec: str, model: Mapping[str, Any], stopping: Stopping | None) -> Manifest:
        task, folder = self.task, self.desk.options.folder
        # What the model found for itself, where it was left to, is to be found again.
        found = {name: model.get(name) for name in ("device", "dtype", "batch_tokens")}
        given = {name: getattr(self.desk.options, name) for name in OPTIONS}
        return Manifest(
            suite=task.path,
            suite_version=task.suite.version,
            spec=spec,
            limit=task.limit,
            **{**given, **found},
            working_folder=str(folder),
            commit=commit_of((folder / task.path).parent),
            environment=environment(),
            case_count=len(task.cases),
            order_seed=None if stopping is None else stopping.seed,
        )


def is_timed(suite: Suite) -> bool:
    """Return whether any of a suite's scorers asks how long an answer took."""
    # Cases share their scorers, each of which is looked at once.
    scorers = {id(each): each for case in suite.cases for each in case.scorers.values()}
    parts = (part for each in scorers.values() for part in parts_of(each))
    return any(
        isinstance(part, Latency)
        or (isinstance(part, FunctionScorer) and "latency_ms" in part.arguments)
        for part in parts
    )
