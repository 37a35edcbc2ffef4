"""The judges of a command: their models from specs, their kept answers, people's labels."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import headway
from headway.errors import HeadwayError
from headway_evals.errors import RunError
from headway_evals.judges.budgets import Budget
from headway_evals.judges.labels import HumanLabel, judge_scorers, labels_of_scores, read_labels
from headway_evals.judges.pairwise import Paired, judge_pairs, pairwise_scorers
from headway_evals.judges.scorers import judges_of, pairwise_of
from headway_evals.judges.scoring import JUDGES, Bench, Keep
from headway_evals.label_corrections import Labels
from headway_evals.models.cache_keys import cache_key_of
from headway_evals.models.requests import Model
from headway_evals.models.specs import ModelOptions, make_model
from headway_evals.runs import RunRecord
from headway_evals.suites import Suite

COLLECTOR = "collector:"
"""What ``--labels`` begins with where people's scores are the collector's: collector:SCORE."""


def judges_in(suite: Suite) -> list[str]:
    """Return the specs of a suite's judges, each once."""
    specs: dict[str, None] = {}
    for case in suite.cases:
        found = (*judges_of(case.scorers).values(), *pairwise_of(case.scorers).values())
        specs.update(dict.fromkeys(each.judge for each in found))
    return list(specs)


@dataclass(frozen=True, slots=True)
class BenchDesk:
    """Finds judges and labels.

    Args:
        options: what a model's spec does not say.
        keep: opens a model's kept answers.
        labels_given: the file of labels, or ``collector:SCORE``; None takes the suite's.
        say: tells what does not keep the rest from going on.
    """

    options: ModelOptions
    keep: Keep
    labels_given: str | None
    say: Callable[[str], None]

    def bench(self, specs: Collection[str], budget: Budget) -> Bench | None:
        """Return the judges; None where there is none to ask.

        Raises:
            ModelError: a spec names nothing that is here.
        """
        if not specs:
            return None
        return Bench({spec: self._model(spec) for spec in specs}, self.keep, budget)

    def pair(
        self,
        baseline: RunRecord,
        candidate: RunRecord,
        suite: Suite | None,
        bench: Bench | None = None,
    ) -> Paired:
        """Ask the judges that compare two runs' answers, where there are such.

        Args:
            baseline: the trusted model's run.
            candidate: the judged model's run.
            suite: says what they may cost; None leaves it to the candidate's run.
            bench: the judges, where they are found already.

        Raises:
            ModelError: a judge cannot answer, or is not here.
        """
        scorers = pairwise_scorers(candidate)
        if bench is None:
            told = candidate.run.settings.get(JUDGES, {}).get("budget", {})
            budget = suite.judging if suite is not None else Budget(**told)
            bench = self.bench({each.judge for each in scorers.values()}, budget)
        if bench is None or not scorers:
            return Paired(baseline, candidate)
        return judge_pairs(baseline, candidate, bench)

    def labels_named(self, suite: Suite | None) -> str | None:
        """Return where people's labels are, by the command or else by the suite."""
        if self.labels_given is None and suite is not None and suite.labels is not None:
            return str(suite.labels)
        return self.labels_given

    def labels(self, records: Sequence[RunRecord], suite: Suite | None = None) -> Labels | None:
        """Return people's labels of runs, None where nobody named any.

        Raises:
            RunError: the collector does not give them.
            SuiteError: the file has faults.
        """
        given = self.labels_named(suite)
        if given is None:
            return None
        if not any(judge_scorers(record) for record in records):
            self.say("labels correct a judge's scores, and no judge scored these runs")
            return None
        if given.startswith(COLLECTOR):
            return Labels(self._of_collector(given.removeprefix(COLLECTOR), records))
        return Labels(read_labels(Path(given)))

    def is_judged_alike(self, record: RunRecord, suite: Suite) -> bool:
        """Return whether a run's judges are those of today, as far as anyone can know."""
        models = record.run.settings.get(JUDGES, {}).get("models", {})
        for spec in judges_in(suite):
            key = cache_key_of(self._model(spec))
            if key is None or models.get(spec, {}).get("cache_key") != key:
                return False
        return True

    def _model(self, spec: str) -> Model:
        # A judge's noise is not what a noise floor is measured of.
        return make_model(spec, replace(self.options, noise_floor=False))

    def _of_collector(self, name: str, records: Sequence[RunRecord]) -> list[HumanLabel]:
        spans = {e.span_id for record in records for e in record.results if e.span_id}
        if not spans:
            raise RunError(
                "people's scores in the collector are of spans, and these runs' answers name none: "
                "log: models do; give a file of labels"
            )
        try:
            client = headway.Client(
                self.options.url, api_key=self.options.api_key, project=self.options.project
            )
            rows = client.scores(name=name, source="human", span=sorted(spans))
            return labels_of_scores(dict(row) for row in rows)
        except HeadwayError as error:
            raise RunError(f"people's scores cannot be read from the collector: {error}") from error
