"""``make bench-drift``: drift told where there is none, drift found where planted, and speed.

``columns``, ``texts`` and ``cards`` draw worlds without drift and fail where a false alarm is
surely commoner than the 5 % it may have; Evidently's defaults see the same draws. ``power`` plants
changes at the sizes that theory says are enough, ``speed`` takes the time. Tables go into
docs/drift.md, between the marks of their section. A whole run takes hours: about half of one for
columns and one for texts and cards, which are drawn together, on two idle cores. Finished cells
are kept in .bench/ and not drawn anew as long as no line of headway_measures changes. ``--only
columns`` runs a part, ``--quick`` shows that it works and measures nothing.
"""

import argparse
import datetime
import os
import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks import drift_calls, drift_cells, drift_evidently, drift_powers, drift_speeds
from tests.benchmarks.drift_cells import CARD, COLUMN, DATASET, TEXTS, Cell, Found
from tests.benchmarks.drift_kept import Kept
from tests.benchmarks.peers import ROOT
from tests.benchmarks.results import say, table
from tests.measures.simulations import ALPHA

PAGE = ROOT / "docs" / "drift.md"
SECTIONS = ("columns", "texts", "cards", "power", "speed")
NOT_RUN = "NOT RUN"
KEPT = Kept(ROOT / ".bench" / "drift_cells.jsonl")


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of everything is done.

    Args:
        column_draws: of each cell.
        column_peer_draws: of these, for Evidently.
        call_draws: of each cell of calls.
        peer_draws: of these, for Evidently, which takes seconds for each.
        cells: of each section, the last ones; None for all.
        kept: finished cells, which are not drawn anew.
    """

    column_draws: int = 4_000
    column_peer_draws: int = 1_000
    call_draws: int = 1_000
    peer_draws: int = 20
    processes: int = 2
    cells: int | None = None
    kept: Kept | None = KEPT
    powers: drift_powers.Sizes = drift_powers.FULL
    speeds: drift_speeds.Sizes = drift_speeds.FULL


QUICK = Effort(2, 2, 1, 1, 2, 2, None, drift_powers.QUICK, drift_speeds.QUICK)


def main() -> None:
    """Run the sections and write what they measured; end with 1 where one of them fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, with commas")
    parser.add_argument("--quick", action="store_true", help="tiny; docs/drift.md stays as it is")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(f"no section {', '.join(unknown)}: there are {', '.join(SECTIONS)}")
    # Every process that is started inherits it; two of them with two threads each would fight.
    os.environ["OMP_NUM_THREADS"] = "1"
    effort = QUICK if arguments.quick else Effort()
    faults = []
    for name, lines, found in run(chosen, effort, has_peer=drift_evidently.install()):
        faults += found
        say("\n" + "\n".join(lines) + "\n")
        if not arguments.quick:
            write_section(PAGE, name, [_stand(name), "", *lines])
    for fault in faults:
        say(f"FAILED {fault}")
    if faults and not arguments.quick:
        sys.exit(1)


def run(
    chosen: Sequence[str], effort: Effort, *, has_peer: bool
) -> list[tuple[str, list[str], list[str]]]:
    """Return of each section its name, its lines, and what fails in it."""
    sections = []
    if "columns" in chosen:
        cells = drift_cells.column_cells(effort.column_draws, effort.column_peer_draws * has_peer)
        found = _draw(cells, effort)
        sections.append(("columns", column_lines(found), _faults(found, (COLUMN,))))
    if {"texts", "cards"} & set(chosen):
        cells = drift_cells.call_cells(
            effort.call_draws, effort.peer_draws * has_peer, is_whole="cards" in chosen
        )
        found = _draw(cells, effort)
        if "texts" in chosen:
            sections.append(("texts", text_lines(found), _faults(found, TEXTS)))
        if "cards" in chosen:
            sections.append(("cards", card_lines(found), _faults(found, (CARD,))))
    if "power" in chosen:
        sections.append(("power", *drift_powers.measure(effort.powers, has_peer=has_peer)))
    if "speed" in chosen:
        sections.append(("speed", *drift_speeds.measure(effort.speeds, has_peer=has_peer)))
    return sections


def column_lines(found: Sequence[Found]) -> list[str]:
    """Return the tables of columns: ours, then Evidently's, worlds by sizes."""
    by_place = {(each.cell.world, each.cell.size): each for each in found}
    sizes = list(dict.fromkeys(each.cell.size for each in found))
    worlds = list(dict.fromkeys(each.cell.world for each in found))

    def rows(*, is_ours: bool) -> list[list[str]]:
        return [
            [world, *(_say(by_place[world, size], COLUMN, is_ours=is_ours) for size in sizes)]
            for world in worlds
        ]

    return [
        f"{_draws(found)} Ours, p at most {ALPHA:.0%}:",
        "",
        *table(["world", *sizes], rows(is_ours=True)),
        "",
        "Evidently's defaults:",
        "",
        *table(["world", *sizes], rows(is_ours=False)),
        "",
        _highest(found, (COLUMN,)),
    ]


def text_lines(found: Sequence[Found]) -> list[str]:
    """Return the table of texts: each test of ours, and Evidently's of the answers."""
    names = [name.replace("_", " ") for name in TEXTS]
    rows = [
        [
            f"{drift_calls.WORLDS[world]}, {each.cell.size}",
            *(_say(each, name, is_ours=True) for name in TEXTS),
            _say(each, "answer_text", is_ours=False),
        ]
        for world in drift_calls.WORLDS
        for each in found
        if each.cell.world == world
    ]
    heads = ["world", *names, "Evidently, answers"]
    return [_draws(found), "", *table(heads, rows), "", _highest(found, TEXTS)]


def card_lines(found: Sequence[Found]) -> list[str]:
    """Return the table of whole cards."""
    rows = [
        [
            f"{drift_calls.WORLDS[world]}, {each.cell.size}",
            _say(each, CARD, is_ours=True),
            _say(each, COLUMN, is_ours=False),
            _say(each, DATASET, is_ours=False),
        ]
        for world in drift_calls.WORLDS
        for each in found
        if each.cell.world == world
    ]
    heads = ["world", "any drift on the card", "Evidently: any column", "Evidently: the data set"]
    return [_draws(found), "", *table(heads, rows), "", _highest(found, (CARD,))]


def write_section(page: Path, name: str, lines: Sequence[str]) -> None:
    """Put lines between the marks of a section, in place of what stood there.

    Raises:
        ValueError: where the page has no such marks.
    """
    begin, end = f"<!-- bench-drift: {name} -->", f"<!-- end of {name} -->"
    text = page.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{page} has no place for {name}: put {begin} and {end} in it")
    section = "\n".join([begin, *lines, end])
    page.write_text(pattern.sub(lambda _: section, text), encoding="utf-8")


def _draw(cells: Sequence[Cell], effort: Effort) -> list[Found]:
    """Return what cells came to, or of the last ones of them."""
    chosen = cells[-effort.cells :] if effort.cells else cells
    return drift_cells.run_cells(chosen, effort.processes, effort.kept)


def _say(found: Found, name: str, *, is_ours: bool) -> str:
    """Return a rate, bold where it is surely too high; a dash where nothing was tested."""
    rate = (found.ours if is_ours else found.theirs).get(name)
    if rate is None:
        return "–" if is_ours or found.cell.peer_draws else NOT_RUN
    said = f"{100 * rate.value:.1f} %"
    return f"**{said}**" if rate.lower > ALPHA else said


def _draws(found: Sequence[Found]) -> str:
    cell = found[0].cell
    peer = f"the first {cell.peer_draws:,} by Evidently" if cell.peer_draws else "Evidently not run"
    if cell.peer_draws == cell.draws:
        peer = "Evidently on the same"
    return (
        f"{cell.draws:,} draws a cell, {peer}. **Bold**: surely (99 %) more than {ALPHA:.0%}. "
        "A dash: the test says that it is not enough data, or there is nothing to test."
    )


def _highest(found: Sequence[Found], names: Sequence[str]) -> str:
    """Return the worst of ours by its bound, which decides."""
    rates = [
        (rate.lower, each.cell.name, rate)
        for each in found
        for name, rate in each.ours.items()
        if name in names
    ]
    if not rates:
        return "No test of ours had enough data."
    lower, cell, rate = max(rates, key=lambda each: each[0])
    return (
        f"The highest 99 % lower bound of ours is {lower:.2%}, in {cell} "
        f"({rate.count} of {rate.draws:,})."
    )


def _faults(found: Sequence[Found], names: Sequence[str]) -> list[str]:
    return [
        f"{each.cell.name}: {name} alarms in {each.ours[name].value:.1%} of draws"
        for each in found
        for name in each.faults
        if name in names
    ]


def _stand(name: str) -> str:
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return (
        f"{today}, {os.cpu_count()} cores, Python {platform.python_version()}, headway "
        f"{version('headway')}, {', '.join(drift_evidently.EVIDENTLY.requirements)}. "
        f"`make bench-drift ARGS='--only {name}'`"
    )


if __name__ == "__main__":
    main()
