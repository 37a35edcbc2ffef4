"""Sending runs and verdicts to a collector, where the dashboard shows them."""

import msgspec

from headway.apis import ApiClient
from headway_evals.outcomes import Comparison
from headway_evals.runs import RunRecord


def publish_run(api: ApiClient, record: RunRecord, project: str) -> None:
    """Send a run with its results.

    Raises:
        ApiError: nobody answered, or the collector said no.
    """
    # Clusters matter to a comparison and weights to a verdict on a case, and both are made here;
    # the wire does not know them.
    results = [
        msgspec.structs.replace(result, cluster=None, weighing=None) for result in record.results
    ]
    api.post("/v1/runs", {"run": record.run, "results": results}, project=project)


def publish_comparison(api: ApiClient, comparison: Comparison, project: str) -> None:
    """Send a verdict.

    Raises:
        ApiError: nobody answered, or the collector said no.
    """
    api.post("/v1/comparisons", comparison, project=project)
