"""How fast calls are described, and how fast two windows of 50,000 become a card.

Each figure comes from a process of its own, with as many threads as it may have: one for the
descriptors, two for the card and for Evidently's preset on the same frames. The frames hold stored
descriptors, as the product's jobs read them; answers are 1.5 KB of varied English, none twice.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from headway_measures.descriptors.describing import describe
from headway_measures.drift.cards import compare_windows
from headway_measures.drift.windows import Options, Window
from tests.benchmarks import drift_calls
from tests.benchmarks.drift_cells import column_kinds
from tests.benchmarks.drift_evidently import Evidently
from tests.benchmarks.peers import ROOT
from tests.benchmarks.prose import piece
from tests.benchmarks.results import at_least, at_most, say

DESCRIPTORS_A_SECOND = 2_500
CARD_S = 20.0
OF_EVIDENTLY = 0.5

_WARM_UP = 512
_CHANGED = 0.1  # of the answers of the current window
_THREADS = ("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Args:
        described: calls.
        rows: a side of the card.
        rounds: of each figure; the median counts.
        patience_s: with Evidently, each time; one that had not ended counts as having just done so.
    """

    described: int = 20_000
    rows: int = 50_000
    rounds: int = 3
    patience_s: float = 300.0


FULL = Sizes()
QUICK = Sizes(600, 300, 1)


def measure(sizes: Sizes, *, has_peer: bool) -> tuple[list[str], list[str]]:
    """Return the lines of what was measured; a missed bar is printed and fails nothing."""
    say("describing ...")
    rates = [_own("describe", sizes.described, 1)["a_second"] for _ in range(sizes.rounds)]
    lines = [
        at_least(
            "calls described a second, one thread, 1 KB prompts and 1 KB answers",
            float(np.median(rates)),
            DESCRIPTORS_A_SECOND,
        )
    ]
    with tempfile.TemporaryDirectory(prefix="headway-drift-") as folder:
        say("making frames ...")
        _own("frames", sizes.rows, 2, folder)
        say("comparing ...")
        found = [_own("card", sizes.rows, 2, folder) for _ in range(sizes.rounds)]
        card_s = float(np.median([each["took_s"] for each in found]))
        size = f"{sizes.rows:,} v {sizes.rows:,}"
        changed = f"{_CHANGED:.0%} of the answers changed"
        lines.append(at_most(f"seconds of a card, {size}, {changed}, two threads", card_s, CARD_S))
        if not has_peer:
            return [*lines, "- Evidently's preset: NOT RUN"], []
        say("comparing with Evidently ...")
        peer = _preset(Path(folder), sizes.patience_s)
    lines += [
        f"- Evidently's preset on the same columns: {_ended(peer['columns'], sizes)}; with the "
        f"drawn answers as a text column, which the card compares too: "
        f"{_ended(peer['texts'], sizes)}",
        at_most(
            "the card's seconds over Evidently's",
            card_s / (peer["texts"] or sizes.patience_s),
            OF_EVIDENTLY,
        ),
    ]
    return lines, []


def main() -> None:
    """Measure one thing and print it as JSON."""
    parser = argparse.ArgumentParser(description="One figure, in a process of its own.")
    parser.add_argument("what", choices=("describe", "frames", "card"))
    parser.add_argument("count", type=int)
    parser.add_argument("folder", nargs="?", type=Path, default=Path())
    arguments = parser.parse_args()
    made = {"describe": _describe, "frames": _frames, "card": _card}[arguments.what]
    sys.stdout.write(json.dumps(made(arguments.count, arguments.folder)) + "\n")


def _describe(count: int, _: Path) -> dict[str, float]:
    frame = pl.DataFrame(
        {
            "prompt": [piece(number, 1_024) for number in range(count)],
            "answer": [piece(number + 3, 1_024) for number in range(count)],
            "finish_reason": "stop",
        }
    )
    describe(frame[:_WARM_UP])
    started_s = time.perf_counter()
    describe(frame)
    return {"a_second": count / (time.perf_counter() - started_s)}


def _frames(count: int, folder: Path) -> dict[str, float]:
    """Write both windows' rows as they are stored, texts in a drawn sample only."""
    rng = np.random.default_rng(50_000)
    for day, name in enumerate(("ref", "cur")):
        numbers = range(day * count, (day + 1) * count)
        sizes = rng.lognormal(np.log(1_400), 0.35, count).clip(60, 8_000).astype(int).tolist()
        given = [piece(7 * number, size) for number, size in zip(numbers, sizes, strict=True)]
        if day:
            is_changed = (rng.random(count) < _CHANGED).tolist()
            given = [
                f"{drift_calls.TEMPLATES[0]} {text}" if is_hit else text
                for text, is_hit in zip(given, is_changed, strict=True)
            ]
        asked = [piece(7 * number + 3, 600) for number in numbers]
        window = drift_calls.make_window(
            rng, *drift_calls.describe_calls(asked, given), np.arange(count), day
        )
        drawn = rng.permutation(count) < Options().text_rows
        texts = [
            pl.when(pl.Series(drawn)).then(pl.col(each)).alias(each)
            for each in ("prompt", "answer")
        ]
        window.rows.with_columns(texts).write_parquet(folder / f"{name}.parquet")
    return {}


def _card(_: int, folder: Path) -> dict[str, float]:
    windows = _read(folder)
    started_s = time.perf_counter()
    card = compare_windows(*windows, Options())
    return {"took_s": time.perf_counter() - started_s, "findings": len(card.findings)}


def _preset(folder: Path, patience_s: float) -> dict[str, float | None]:
    """Return the seconds of Evidently's preset, without texts and with them; None: not ended."""
    ref, cur = _read(folder)
    columns = column_kinds(ref, cur)
    found: dict[str, float | None] = {}
    for name, kinds in (("columns", columns), ("texts", {**columns, "answer": "text"})):
        with Evidently(threads=2) as peer:
            told = peer.preset(ref.rows, cur.rows, kinds, patience_s=patience_s)
        found[name] = told["took_s"] if told else None
    return found


def _ended(took_s: float | None, sizes: Sizes) -> str:
    return f"not ended after {sizes.patience_s:.0f} s" if took_s is None else f"{took_s:.1f} s"


def _read(folder: Path) -> tuple[Window, Window]:
    rows = [pl.read_parquet(folder / f"{name}.parquet") for name in ("ref", "cur")]
    queries = [drift_calls.query_of(day) for day in (0, 1)]
    ref, cur = (Window(query, each, each.height) for query, each in zip(queries, rows, strict=True))
    return ref, cur


def _own(what: str, count: int, threads: int, folder: str = ".") -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.drift_speeds", what, str(count), folder],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, **dict.fromkeys(_THREADS, str(threads))},
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
