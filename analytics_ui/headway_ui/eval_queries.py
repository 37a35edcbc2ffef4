"""What the Evals pages ask the collector: suites, runs, their results, and verdicts on pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headway_ui.queries import Page, ask, ask_or_none, segment

RESULTS_A_PAGE = 50
MOST_CANDIDATES = 200
_MOST_VERDICTS = 20


@dataclass(frozen=True, slots=True)
class Results:
    """A page of a run's results.

    Args:
        total: how many results the filters let through, on all pages.
        next_cursor: None on the last page.
    """

    items: list[dict[str, Any]]
    total: int
    next_cursor: str | None


def suites(project: str | None) -> list[dict[str, Any]]:
    """Return the suites that have runs, the latest run first."""
    return list(ask("/v1/suites", {"project": project})["suites"])


def history(project: str | None, suite: str, models: Sequence[str] = ()) -> dict[str, Any]:
    """Return the latest runs of a suite with their rates, and the cases that flip most."""
    query = {"project": project, "suite": suite, "model": list(models)}
    return dict(ask("/v1/suites/history", query))


def comparisons(
    project: str | None, limit: int, suites: Sequence[str] = (), verdicts: Sequence[str] = ()
) -> Page:
    """Return the newest published comparisons."""
    narrowed = {"suite": list(suites), "verdict": list(verdicts)}
    answer = ask("/v1/comparisons", {"project": project, "limit": limit, **narrowed})
    return Page(answer["comparisons"], answer["next_cursor"])


def comparison(comparison_id: str) -> dict[str, Any] | None:
    """Return one comparison with its slices and flips, or None where there is none."""
    return ask_or_none(f"/v1/comparisons/{segment(comparison_id)}")


def verdicts_between(baseline: str, candidate: str) -> list[dict[str, Any]]:
    """Return the published comparisons of one run with another, the newest first."""
    query = {"baseline_run_id": baseline, "candidate_run_id": candidate, "limit": _MOST_VERDICTS}
    return list(ask("/v1/comparisons", query)["comparisons"])


def verdicts_on(run_id: str) -> list[dict[str, Any]]:
    """Return the published comparisons in which a run is the candidate, the newest first."""
    query = {"candidate_run_id": run_id, "limit": _MOST_VERDICTS}
    return list(ask("/v1/comparisons", query)["comparisons"])


def runs(
    project: str | None, limit: int, suites: Sequence[str] = (), models: Sequence[str] = ()
) -> Page:
    """Return the newest runs, without their results."""
    narrowed = {"suite": list(suites), "model": list(models)}
    answer = ask("/v1/runs", {"project": project, "limit": limit, **narrowed})
    return Page(answer["runs"], answer["next_cursor"])


def sweep(project: str | None, sweep_id: str) -> list[dict[str, Any]]:
    """Return the runs of a sweep that were published, at most ``MOST_CANDIDATES``."""
    query = {"project": project, "sweep_id": sweep_id, "limit": MOST_CANDIDATES}
    return list(ask("/v1/runs", query)["runs"])


def summary(run_id: str) -> dict[str, Any] | None:
    """Return a run with its pass rates, without its results; None where there is no such run."""
    return ask_or_none(f"/v1/runs/{segment(run_id)}/summary")


def results(
    run_id: str,
    filters: Mapping[str, Any],
    cursor: str | None = None,
    limit: int = RESULTS_A_PAGE,
) -> Results:
    """Return a page of a run's results.

    Args:
        run_id: of a run that there is.
        filters: ``passed``, ``scorer``, ``tag``, ``case_id``, ``q``; those of no value do nothing.
        cursor: where the page begins.
        limit: of the rows of a page.
    """
    query = {name: value for name, value in filters.items() if value not in (None, "", [])}
    path = f"/v1/runs/{segment(run_id)}/results"
    answer = ask(path, {**query, "cursor": cursor, "limit": limit})
    return Results(answer["results"], answer["total"], answer["next_cursor"])


def flips(baseline: str, candidate: str) -> dict[str, Any] | None:
    """Return the cases that passed in one of two runs only; None where one of them is gone."""
    return ask_or_none(f"/v1/runs/{segment(candidate)}/flips", {"baseline": baseline})
