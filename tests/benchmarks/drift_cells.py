"""The cells of ``make bench-drift``: worlds without drift, and how often a test alarms in them.

Ours and Evidently's look at the same draws. A cell's seed is its name. Evidently's text test takes
seconds, so that of calls it sees the first draws only.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from itertools import islice
from multiprocessing import get_context
from typing import Literal
from zlib import crc32

import numpy as np
import polars as pl

from headway_measures.descriptors.metrics import Kind
from headway_measures.drift.cards import compare_windows, find_metrics
from headway_measures.drift.metrics_found import TEXT_METRICS
from headway_measures.drift.results import Evidence
from headway_measures.drift.windows import Options, Window
from tests.benchmarks import drift_calls
from tests.benchmarks.drift_evidently import Evidently
from tests.benchmarks.drift_kept import Kept
from tests.benchmarks.results import say
from tests.measures.drift_worlds import SIZES, WORLDS, Draw, alarm_rate, compare_draw, draws_of
from tests.measures.simulations import ALPHA, Rate

Source = Literal["columns", "calls"]

COLUMN, CARD, DATASET = "column", "card", "dataset"
"""The names of what alarms, besides those of the text metrics."""

TEXTS = tuple(metric.name for metric in TEXT_METRICS)

_CHUNK = 100  # draws that Evidently is given at once
_LARGE_WORLDS: tuple[drift_calls.World, ...] = ("calls", "sessions", "same prompts")
"""Whose windows are large, too; a thousand draws of them take half an hour each."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A world and the sizes of its windows.

    Args:
        draws: of ours.
        peer_draws: of them for Evidently; 0 where it is not here.
        is_whole: of calls, whether the whole card is made, and not its tests of texts alone.
    """

    source: Source
    world: str
    n_ref: int
    n_cur: int
    draws: int
    peer_draws: int
    is_whole: bool = False

    @property
    def size(self) -> str:
        """Return its sizes in words."""
        return f"{self.n_ref} v {self.n_cur}"

    @property
    def name(self) -> str:
        """Return what the seed is made of."""
        return f"{self.source}: {self.world}, {self.size}"


@dataclass(frozen=True, slots=True)
class Found:
    """How often each test of a cell alarmed.

    Args:
        ours: by the name of the test.
        theirs: the same of Evidently, of those that it has.
    """

    cell: Cell
    ours: Mapping[str, Rate]
    theirs: Mapping[str, Rate] = field(default_factory=dict)

    @property
    def faults(self) -> tuple[str, ...]:
        """Return the tests whose false alarms are surely more than alpha."""
        return tuple(name for name, rate in self.ours.items() if rate.lower > ALPHA)


def column_cells(draws: int, peer_draws: int) -> list[Cell]:
    """Return every world of columns at every size."""
    return [
        Cell("columns", world, *size, draws, peer_draws)
        for world in WORLDS
        for size in SIZES.values()
    ]


def call_cells(draws: int, peer_draws: int, *, is_whole: bool) -> list[Cell]:
    """Return worlds of calls at windows up to 500, and a short one beside a long reference."""
    places = [(world, 500, 500) for world in _LARGE_WORLDS]
    places += [(world, 100, 100) for world in drift_calls.WORLDS]
    places += [("calls", 500, 100)]
    return [Cell("calls", *place, draws, peer_draws, is_whole) for place in places]


def run_cells(cells: Sequence[Cell], processes: int, kept: Kept | None = None) -> list[Found]:
    """Run cells side by side, those of one world of columns one after the other.

    Args:
        cells: in the order of their results.
        processes: at once.
        kept: finished cells, which are not drawn anew.
    """
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.world if cell.source == "columns" else cell.name, []).append(cell)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        rows = pool.map(partial(run_group, kept=kept), groups.values())
        return [found for group in rows for found in group]


def run_group(cells: Sequence[Cell], kept: Kept | None = None) -> list[Found]:
    """Run cells one after the other."""
    with Evidently() if any(cell.peer_draws for cell in cells) else nullcontext() as peer:
        return [_told(_run_once(cell, peer, kept)) for cell in cells]


def _run_once(cell: Cell, peer: Evidently | None, kept: Kept | None) -> Found:
    rates = kept.find(astuple(cell)) if kept else None
    if rates is not None:
        return Found(cell, *rates)
    found = run_cell(cell, peer)
    if kept:
        kept.add(astuple(cell), found.ours, found.theirs)
    return found


def run_cell(cell: Cell, peer: Evidently | None) -> Found:
    """Return how often the tests of a cell alarm."""
    return (_run_columns if cell.source == "columns" else _run_calls)(cell, peer)


def column_kinds(window: Window, other: Window) -> dict[str, Kind]:
    """Return the kind of each column that a card compares and that stands in the rows."""
    metrics = find_metrics(window.rows, other.rows, Options())
    return {
        each.name: each.kind
        for each in metrics
        if each.name in window.rows.columns and _is_told_apart(window, other, each.name)
    }


def _run_columns(cell: Cell, peer: Evidently | None) -> Found:
    kind = WORLDS[cell.world].kind
    draws = draws_of(cell.world, cell.n_ref, cell.n_cur, cell.draws)
    tests: list[Evidence] = []
    verdicts: list[bool | None] = []
    for chunk in _chunks(draws):
        tests += [each for draw in chunk for each in compare_draw(kind, draw)]
        wanted = chunk[: max(0, cell.peer_draws - len(verdicts))]
        if peer and wanted:
            verdicts += _verdicts(peer, wanted, kind)
    rate = alarm_rate(tests)
    # Where hardly a draw has enough calls for the test, as it says itself, there is no rate.
    ours = {COLUMN: rate} if 2 * rate.draws >= cell.draws else {}
    return Found(cell, ours, _rates({COLUMN: verdicts}))


def _verdicts(peer: Evidently, draws: Sequence[Draw], kind: Kind) -> list[bool | None]:
    """Give Evidently many draws as the columns of one frame."""
    names = {str(number): kind for number in range(len(draws))}
    sides = [
        pl.DataFrame(dict(zip(names, columns, strict=True)))
        for columns in ([draw.ref for draw in draws], [draw.cur for draw in draws])
    ]
    return list(peer.verdicts(sides[0], sides[1], names).values())


def _run_calls(cell: Cell, peer: Evidently | None) -> Found:
    rng = np.random.default_rng(crc32(cell.name.encode()))
    world = next(each for each in drift_calls.WORLDS if each == cell.world)
    options = Options(metrics=None if cell.is_whole else TEXTS)
    ours: dict[str, list[bool]] = {}
    theirs: dict[str, list[bool | None]] = {}
    for number in range(cell.draws):
        ref, cur = drift_calls.draw_windows(world, rng, cell.n_ref, cell.n_cur)
        card = compare_windows(ref, cur, replace(options, seed=int(rng.integers(2**31))))
        for test in card.tests:
            if test.metric in TEXTS and test.p_value is not None:
                ours.setdefault(test.metric, []).append(test.p_value <= ALPHA)
        if cell.is_whole:
            ours.setdefault(CARD, []).append(card.verdict == "drift")
        if peer and number < cell.peer_draws:
            for name, verdict in _alarms(peer, ref, cur, is_whole=cell.is_whole).items():
                theirs.setdefault(name, []).append(verdict)
    rates = {name: Rate(sum(found), len(found)) for name, found in ours.items()}
    return Found(cell, rates, _rates(theirs))


def _alarms(peer: Evidently, ref: Window, cur: Window, *, is_whole: bool) -> dict[str, bool | None]:
    """Return what Evidently says of a draw: the answers, any column, and half of the columns."""
    kinds: dict[str, Kind] = {"answer": "text"}
    if is_whole:
        kinds |= column_kinds(ref, cur)
    verdicts = peer.verdicts(ref.rows, cur.rows, kinds)
    said: dict[str, bool | None] = {"answer_text": verdicts.pop("answer")}
    drifted = [bool(each) for each in verdicts.values()]
    if drifted:
        said |= {COLUMN: any(drifted), DATASET: 2 * sum(drifted) >= len(drifted)}
    return said


def _is_told_apart(window: Window, other: Window, name: str) -> bool:
    """Return whether a column has values on both sides, and more than one; else it has no test."""
    columns = window.rows[name].drop_nulls(), other.rows[name].drop_nulls()
    return bool(columns[0].len() and columns[1].len() and pl.concat(columns).n_unique() > 1)


def _chunks(draws: Iterator[Draw]) -> Iterator[list[Draw]]:
    while chunk := list(islice(draws, _CHUNK)):
        yield chunk


def _rates(verdicts: Mapping[str, Sequence[bool | None]]) -> dict[str, Rate]:
    """Return how often Evidently alarmed where its test ran."""
    told = {name: [each for each in found if each is not None] for name, found in verdicts.items()}
    return {name: Rate(sum(found), len(found)) for name, found in told.items() if found}


def _told(found: Found) -> Found:
    rates = ", ".join(f"{name} {rate.value:.3f}" for name, rate in found.ours.items())
    peers = ", ".join(f"{name} {rate.value:.3f}" for name, rate in found.theirs.items())
    say(f"{found.cell.name}: {rates}" + (f"; Evidently: {peers}" if peers else ""))
    return found
