"""Finding things in ten million spans: the dashboard's queries, a span by id, and text search."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from headway.apis import ApiClient, Params
from headway_ui.scopes import Bucket
from tests.benchmarks.collector_dashboard import (
    Question,
    View,
    connect,
    list_questions,
    time_ms,
)
from tests.benchmarks.collector_sections import Bench, percentile
from tests.benchmarks.collector_servers import HEADWAY, Server
from tests.benchmarks.collector_store import DAY_NS, RARE_WORD, Built, build_store
from tests.benchmarks.results import Section, at_most, say, table
from tests.benchmarks.sdk_rounds import wait_until_idle

# The largest project, a middling one, a small one, and all of them.
_PROJECTS = (None, "project-00", "project-04", "project-16")
_IDS_A_REPEAT = 5
_WORDS = ("string", RARE_WORD, "zyzzyva")
_HITS = 50


@dataclass(frozen=True, slots=True)
class Opened:
    """The large store, a collector that serves it, and how it is asked."""

    built: Built
    server: Server
    api: ApiClient


Times = Mapping[str, Sequence[float]]
"""Milliseconds of each question."""


def queries(bench: Bench) -> Section:
    """Every query of the dashboard, and a span by its id."""
    with _opened(bench) as opened:
        built = opened.built
        day = _time_dashboard(bench, built, built.before_end(DAY_NS))
        say("dashboard, last day: measured")
        whole = _time_dashboard(bench, built, None)
        say("dashboard, all: measured")
        ids = _time_ids(bench, opened)
        peak_mb = opened.server.peak_mb()
    rows = [[name, *_cells(day[name]), *_cells(whole[name])] for name in day]
    return Section(
        "Queries beside many spans",
        [
            f"{built.rows:,} spans over 30 days in 20 projects, 2 KB of text each. Every query of "
            "Overview and Traces over HTTP, for all projects, the largest, a middling and a "
            f"small one, {bench.sizes.repeats} times each; milliseconds.",
            "",
            *table(["query", "last day p50", "p95", "all p50", "p95"], rows),
            "",
            *table(["a span by id", "p50", "p95"], [[name, *_cells(ids[name])] for name in ids]),
            "",
            at_most("slowest query's p95, last day, ms", _worst(day), 300),
            at_most("slowest query's p95, all, ms", _worst(whole), 1_000),
            at_most(
                "span by id with its time, p95, ms", percentile(ids["with its time"], 0.95), 20
            ),
            at_most("span by id without, p95, ms", percentile(ids["without"], 0.95), 150),
            f"- most memory of the server: {peak_mb:,.0f} MB",
        ],
    )


def search(bench: Bench) -> Section:
    """Words in the texts: one that stands everywhere, a rare one, and one that is nowhere."""
    with _opened(bench) as opened:
        day = opened.built.before_end(DAY_NS)
        hour = opened.built.before_end(DAY_NS // 24)
        exact = _time_words(bench, opened, day, "exact")
        folded_hour = _time_words(bench, opened, hour, "folded")
        folded_day = _time_words(bench, opened, day, "folded")
    found = {
        "exact, last day": exact,
        "folded, last hour": folded_hour,
        "folded, last day": folded_day,
    }
    rows = [
        [what, word, *_cells(times)]
        for what, words in found.items()
        for word, times in words.items()
    ]
    return Section(
        "Search beside many spans",
        [
            f"{opened.built.rows:,} spans, 2 KB of text each; the newest {_HITS} hits over HTTP, "
            f"{bench.sizes.repeats} times each; milliseconds. *string* is a frequent word, "
            f"*{RARE_WORD}* stands in one of 50,000 spans, *zyzzyva* in none.",
            "",
            *table(["search", "word", "p50", "p95"], rows),
            "",
            at_most("exact word, last day, ms", _worst(exact), 500),
            at_most("folded, last hour, ms", _worst(folded_hour), 500),
            at_most("folded, last day, ms", _worst(folded_day), 3_000),
        ],
    )


@contextmanager
def _opened(bench: Bench) -> Iterator[Opened]:
    built = build_store(bench.cache, bench.sizes.store_rows)
    wait_until_idle()
    with bench.folder() as folder, Server(HEADWAY, built.database, folder) as server:
        connect(server.url)
        yield Opened(built, server, ApiClient(server.url, timeout_s=120.0))


def _time_dashboard(bench: Bench, built: Built, start: str | None) -> Times:
    bucket: Bucket = "hour" if start else "day"
    chance = random.Random(1)
    times: dict[str, list[float]] = {}
    for _ in range(bench.sizes.repeats):
        for project in _PROJECTS:
            trace_id = built.trace_id(chance.randrange(built.rows))
            view = View(project, bucket, start=start, trace_id=trace_id)
            for name, question in list_questions(view).items():
                times.setdefault(name, []).append(time_ms(question))
    return times


def _time_ids(bench: Bench, opened: Opened) -> Times:
    built, chance = opened.built, random.Random(2)
    rows = [chance.randrange(built.rows - 1) for _ in range(bench.sizes.repeats * _IDS_A_REPEAT)]
    wholes = [{"span_id": built.span_id(row), "content": "full"} for row in rows]
    timed = [
        {**whole, "start": built.time(row), "end": built.time(row + 1)}
        for row, whole in zip(rows, wholes, strict=True)
    ]
    return {
        "with its time": [time_ms(_asking_one(opened.api, each)) for each in timed],
        "without": [time_ms(_asking_one(opened.api, each)) for each in wholes],
    }


def _asking_one(api: ApiClient, parameters: Mapping[str, str]) -> Question:
    def ask() -> None:
        spans = api.get("/v1/spans", parameters)["spans"]
        if [span["span_id"] for span in spans] != [parameters["span_id"]]:
            raise RuntimeError(f"{parameters} found {len(spans)} spans")

    return ask


def _time_words(bench: Bench, opened: Opened, start: str, match: str) -> Times:
    def asking(word: str) -> Callable[[], object]:
        parameters: Params = {"q": word, "match": match, "start": start, "limit": _HITS}
        return lambda: opened.api.get("/v1/spans", parameters)

    return {word: [time_ms(asking(word)) for _ in range(bench.sizes.repeats)] for word in _WORDS}


def _cells(times: Sequence[float]) -> list[str]:
    return [f"{percentile(times, share):.1f}" for share in (0.5, 0.95)]


def _worst(times: Times) -> float:
    return max(percentile(each, 0.95) for each in times.values())
