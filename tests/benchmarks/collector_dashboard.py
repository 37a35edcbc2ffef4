"""What the dashboard asks: its own functions, without its caches, over HTTP.

As a program, ``python -m tests.benchmarks.collector_dashboard URL`` asks it all in a loop, as a
dashboard does that somebody keeps reloading, until it is ended; each answer adds a byte to stdout.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamlit.logger import set_log_level

from headway_ui import filters as ui_filters
from headway_ui import mixes, queries
from headway_ui.panels import MODEL
from headway_ui.scopes import Bucket

SCORE = "helpful"
# Those of the overview; a view cannot be imported, since it draws itself.
MEASURES = (
    "count",
    "errors",
    "error_rate",
    "latency_p50_ms",
    "latency_p95_ms",
    "total_tokens",
    "cost_usd",
)
_CALLS = {"kind": ["llm"]}

Question = Callable[[], object]


@dataclass(frozen=True, slots=True)
class View:
    """What somebody looks at: a window of one project (None: all), in buckets.

    Args:
        start: the beginning of the window, None for all there is.
        end: its end, None for now.
        trace_id: a trace that is opened.
    """

    project: str | None
    bucket: Bucket
    start: str | None = None
    end: str | None = None
    trace_id: str | None = None

    @property
    def filters(self) -> dict[str, Any]:
        """The window as the API's parameters."""
        filters = {"project": self.project, "start": self.start, "end": self.end}
        return {key: value for key, value in filters.items() if value is not None}


def connect(url: str) -> None:
    """Let the dashboard's queries go to a collector."""
    # Without a Streamlit around them, the caches say so at every call.
    set_log_level("ERROR")
    os.environ["HEADWAY_URL"] = url


def list_questions(view: View) -> Mapping[str, Question]:
    """Return every question of Overview and Traces by what it is for."""
    window = view.filters
    calls = {**window, **_CALLS}
    scored = [f"score:{SCORE}", f"score_count:{SCORE}"]
    bucket = view.bucket

    def list_two_pages() -> object:
        first = queries.spans(window)
        return queries.spans(window, cursor=first.next_cursor)

    questions: dict[str, Question] = {
        "projects": queries.projects,
        "overview: facets": lambda: queries.facets(window, mixes.FIELDS),
        "overview: totals": lambda: queries.totals(calls, MEASURES),
        "overview: trend": lambda: queries.metrics(calls, MEASURES, bucket=bucket),
        "overview: score names": lambda: queries.score_names(window),
        "overview: models": lambda: queries.metrics(calls, [*MEASURES, *scored], by=[MODEL]),
        "overview: volume": lambda: queries.metrics(calls, ["count"], by=[MODEL], bucket=bucket),
        "overview: mix": lambda: queries.metrics(calls, ["count"], by=["tag"], bucket=bucket),
        "overview: quality": lambda: queries.metrics(calls, scored, by=[MODEL], bucket=bucket),
        "overview: spending": lambda: queries.metrics(
            calls, ["cost_usd"], by=[MODEL], bucket=bucket
        ),
        "overview: errors": lambda: queries.metrics(
            {**calls, "status": ["error"]}, ["count"], by=["error_type"], bucket=bucket
        ),
        "overview: losses": lambda: queries.losses(window),
        "traces: facets": lambda: queries.facets(window, ui_filters.FIELDS),
        "traces: two pages": list_two_pages,
        "traces: failed ones": lambda: queries.spans({**window, "status": ["error"]}),
        "traces: slow ones": lambda: queries.spans({**window, "min_duration_ms": 1500}),
    }
    if view.trace_id is not None:
        opened = view.trace_id
        questions["traces: one trace"] = lambda: queries.trace(opened)
    return questions


def time_ms(question: Question) -> float:
    """Return how long an answer takes that is not cached."""
    queries.forget()
    started_s = time.perf_counter()
    question()
    return (time.perf_counter() - started_s) * 1e3


def main(arguments: Sequence[str]) -> None:
    """Ask for the last hour of everything, again and again."""
    connect(arguments[0])
    while True:
        for question in list_questions(View(None, "minute", start="-1h")).values():
            time_ms(question)
            sys.stdout.write(".")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
