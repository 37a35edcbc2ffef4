"""Evidently's side of ``make bench-drift``, in a process of its own: its defaults on given frames.

A line of JSON on stdin names two Parquet files and the kind of each column; the answer is a line
on stdout. ``verdicts`` takes each column's test as Evidently itself chooses and decides it, without
the plots it makes of it; ``preset`` runs its ``DataDriftPreset`` whole, and says how long that
took. This module runs where Headway is not.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Mapping
from typing import Any

Kinds = Mapping[str, str]
"""Of each column: ``num``, ``cat`` or ``text``."""


def main() -> None:
    """Answer jobs until there are no more."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    # Its tests warn of small windows and of its own age; the verdicts are what counts here.
    warnings.simplefilter("ignore")
    import pandas as pd

    for line in sys.stdin:
        job: dict[str, Any] = json.loads(line)
        ref, cur = (pd.read_parquet(job[name]) for name in ("ref", "cur"))
        answer = (_preset if job["is_preset"] else _verdicts)(ref, cur, job["kinds"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _verdicts(ref: Any, cur: Any, kinds: Kinds) -> dict[str, bool | None]:
    """Return of each column whether it drifted; None where its test fails."""
    from evidently.legacy.calculations.stattests import get_stattest

    found: dict[str, bool | None] = {}
    for name, kind in kinds.items():
        # As its `get_one_column_drift` prepares a column.
        before, after = (_without_holes(each[name]) for each in (ref, cur))
        try:
            test = get_stattest(before, after, kind, None)
            found[name] = bool(test(before, after, kind, None).drifted)
        except Exception:  # an empty column, say: it costs its own verdict only
            found[name] = None
    return found


def _preset(ref: Any, cur: Any, kinds: Kinds) -> dict[str, float]:
    """Return the seconds of its preset, and how many columns it calls drifted."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(
        numerical_columns=[name for name, kind in kinds.items() if kind == "num"],
        categorical_columns=[name for name, kind in kinds.items() if kind == "cat"],
        text_columns=[name for name, kind in kinds.items() if kind == "text"],
    )
    sides = [Dataset.from_pandas(each[list(kinds)], definition) for each in (cur, ref)]
    started_s = time.perf_counter()
    report = Report([DataDriftPreset()]).run(*sides)
    took_s = time.perf_counter() - started_s
    return {"took_s": took_s, "drifted": report.dict()["metrics"][0]["value"]["count"]}


def _without_holes(column: Any) -> Any:
    infinite = [float("inf"), float("-inf")]
    return column.replace(infinite, float("nan")).dropna()


if __name__ == "__main__":
    main()
