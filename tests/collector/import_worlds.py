"""Files to import, the command that does it, and what it left with the collector."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headway.apis import ApiClient
from headway.cli import main

Run = Callable[..., int]


def make_run(api: ApiClient) -> Run:
    """Return what runs ``headway import`` into that collector, and returns its exit code."""

    def run_import(path: Path, *maps: str, options: tuple[str, ...] = ()) -> int:
        mapped = [part for each in maps for part in ("--map", each)]
        return main(["import", str(path), "--project", "p", "--url", api.url, *mapped, *options])

    return run_import


def read_spans(api: ApiClient, **params: str) -> list[dict[str, Any]]:
    return list(api.pages("/v1/spans", "spans", {"order": "asc", "content": "full", **params}))


def write_calls(path: Path, count: int) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["when", "question"])
        writer.writerows([1_700_000_000 + n, f"question {n}"] for n in range(count))
    return path
