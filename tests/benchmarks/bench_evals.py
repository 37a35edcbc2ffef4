"""``make bench-evals``: how fast a suite is answered on a CPU, beside lm-eval's HF backend.

One run, the same model and task files, the same torch and transformers, each side alone while the
other waits; lm-eval at its best batch size of 8 to 512, and by its fastest round. Loading is
measured apart. A benchmark and no test: a bar that is missed is printed. A whole run takes about
20 minutes; ``--only generation`` runs a part, ``--quick`` shows that it works and measures nothing.
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from tests.benchmarks import eval_tasks
from tests.benchmarks.eval_peers import (
    HEADWAY_SIDE,
    LM_EVAL_SIDE,
    SideProcess,
    find_python,
    find_versions,
)
from tests.benchmarks.eval_rounds import (
    HEADERS,
    compare_measured,
    count_equal,
    run_race,
)
from tests.benchmarks.eval_sweeps import (
    count_alike,
    make_adapters,
    run_separately,
    run_swept,
)
from tests.benchmarks.results import RESULTS, Section, at_least, at_most, record, say, table

_AGREEMENT_ITEMS = 64


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything is done.

    Args:
        shared_items: with four options each.
        apart_items: with one each.
        prompts: to be answered.
        rounds: of each side.
        adapters: in a sweep.
        swept_cases: that each of them answers; None is the whole suite.
    """

    shape: eval_tasks.Shape = eval_tasks.SMALL
    shared_items: int = 128
    apart_items: int = 256
    prompts: int = 256
    rounds: int = 3
    adapters: int = 8
    swept_cases: int | None = None


QUICK = Sizes(
    eval_tasks.TINY,
    shared_items=4,
    apart_items=8,
    prompts=8,
    rounds=1,
    adapters=2,
    swept_cases=8,
)


class Bench:
    """One run: a folder with the tasks and the random model, and both sides over it.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        self.folder = folder
        self.sizes = sizes
        self._model = folder / "model"
        self.parameters = eval_tasks.make_model(self._model, sizes.shape)

    def sides(self, model: Path | None = None) -> tuple[SideProcess, SideProcess]:
        """Return both sides with a model loaded, the random one where none is given."""
        ours, theirs = (
            SideProcess(side, model or self._model, device="cpu", dtype="float32")
            for side in (HEADWAY_SIDE, LM_EVAL_SIDE)
        )
        return ours, theirs

    @property
    def model_line(self) -> str:
        """What the model is."""
        return f"A Llama of {self.parameters / 1e6:.0f}M random parameters in float32."


def likelihoods(bench: Bench) -> Section:
    """Options after examples that all items share, and texts that share nothing."""
    sizes = bench.sizes
    shared = eval_tasks.write_items(
        bench.folder / "shared.jsonl", eval_tasks.shared(sizes.shared_items)
    )
    apart = eval_tasks.write_items(
        bench.folder / "apart.jsonl", eval_tasks.apart(sizes.apart_items)
    )
    ours, theirs = bench.sides()
    with ours, theirs:
        options = len(eval_tasks.shared(1)[0].options)
        races = [
            run_race(name, path, ours, theirs, rounds=sizes.rounds, count=count)
            for name, path, count in (
                ("shared prefix", shared, sizes.shared_items * options),
                ("nothing shared", apart, sizes.apart_items),
            )
        ]
    gaps = [
        compare_measured(race.ours[0], race.theirs[race.best_batch][0]).logprob for race in races
    ]
    return Section(
        "Log-likelihoods on a CPU, beside lm-eval",
        [
            f"{bench.model_line} *Shared prefix*: {sizes.shared_items} items, five examples "
            f"before each, four options of several tokens. *Nothing shared*: "
            f"{sizes.apart_items} items with one continuation each. Ours is the median of "
            f"{sizes.rounds} rounds, lm-eval's the fastest at its best batch size.",
            "",
            *table(HEADERS, [race.row() for race in races]),
            "",
            at_least("with a shared prefix, times as fast", races[0].times_as_fast, 3),
            f"- with nothing shared, times as fast: {races[1].times_as_fast:.2f}, no bar",
            at_most("largest difference of a log-likelihood", max(gaps), 1e-3),
            _loads(ours, theirs),
            f"- The machine was at least {min(race.idle for race in races):.0%} idle before "
            "the rounds.",
        ],
    )


def generation(bench: Bench) -> Section:
    """Answers whose lengths are set by the prompts."""
    sizes = bench.sizes
    items = eval_tasks.countdowns(sizes.prompts)
    path = eval_tasks.write_items(bench.folder / "countdowns.jsonl", items)
    ours, theirs = bench.sides()
    with ours, theirs:
        race = run_race("generation", path, ours, theirs, rounds=sizes.rounds, count=sizes.prompts)
    tokens = sum(eval_tasks.lengths(sizes.prompts))
    equal = count_equal(race.ours[0], race.theirs[race.best_batch][0])
    return Section(
        "Generation on a CPU, beside lm-eval",
        [
            f"{bench.model_line} {sizes.prompts} prompts, greedy, answers of "
            f"{eval_tasks.SHORTEST} to {eval_tasks.LONGEST} tokens, log-normal, {tokens:,} in "
            "all; the prompt's last token sets the length, which neither side knows before. "
            f"Ours is the median of {sizes.rounds} rounds, lm-eval's the fastest at its best "
            "batch size.",
            "",
            *table(HEADERS, [race.row()]),
            "",
            at_least("times as fast", race.times_as_fast, 1.5),
            f"- ours: {tokens / race.our_time:,.0f} tokens a second",
            at_least("equal answers", equal, sizes.prompts),
            _loads(ours, theirs),
            f"- The machine was at least {race.idle:.0%} idle before the rounds.",
        ],
    )


def agreement(bench: Bench) -> Section:
    """The demo's trained model, whose answers nothing forces."""
    count = min(_AGREEMENT_ITEMS, bench.sizes.apart_items)
    options = eval_tasks.write_items(bench.folder / "options.jsonl", eval_tasks.options(count))
    triages = eval_tasks.write_items(bench.folder / "triages.jsonl", eval_tasks.triages(count))
    ours, theirs = bench.sides(eval_tasks.TRIAGE)
    with ours, theirs:
        measured = compare_measured(ours.answer(options, 0), theirs.answer(options, 16))
        equal = count_equal(ours.answer(triages, 0), theirs.answer(triages, 16))
    return Section(
        "The same answers as lm-eval",
        [
            f"triage-base in float32, {count} messages: four options after each, then up to 48 "
            "tokens written, greedy.",
            "",
            at_most("largest difference of a log-likelihood", measured.logprob, 1e-3),
            at_most(
                f"options of {measured.count} that only one side finds likeliest",
                measured.greedy,
                0,
            ),
            at_least("equal answers", equal, count),
        ],
    )


def sweep(bench: Bench) -> Section:
    """Adapters on one loaded base, beside a process for each."""
    sizes = bench.sizes
    adapters = make_adapters(bench.folder / "adapters", sizes.adapters)
    ratios, cpu_ratios, alike, lines, asked = [], [], [], [], 0
    for number in range(sizes.rounds):
        folder = bench.folder / f"sweep-{number}"
        apart = run_separately(folder / "apart", adapters, limit=sizes.swept_cases)
        say(f"sweep: {sizes.adapters} runs {apart.took_s:.1f} s")
        swept = run_swept(folder / "swept", adapters, limit=sizes.swept_cases)
        say(f"sweep: one sweep {swept.took_s:.1f} s, {swept.took_s / apart.took_s:.3f} of it")
        ratios.append(swept.took_s / apart.took_s)
        cpu_ratios.append(swept.cpu_s / apart.cpu_s)
        alike.append(count_alike(apart, swept))
        asked = sum(map(len, apart.results.values()))
        lines.append(f"{apart.took_s:.1f} and {swept.took_s:.1f}")
    return Section(
        f"A sweep of {sizes.adapters} adapters, beside as many runs",
        [
            f"triage-base on its suite, {asked // sizes.adapters} cases each, LoRA adapters of "
            "rank 4 with random weights. Processes of the command as it is typed, one after "
            "another, without kept answers; seconds of the runs and of the sweep: "
            f"{'; '.join(lines)}.",
            "",
            at_most("time of the sweep over that of the runs, median", median(ratios), 1 / 3),
            f"- the same of the processors' time: {median(cpu_ratios):.3f}, no bar",
            at_least(f"cases of {asked} with equal output and scores", min(alike), asked),
        ],
    )


def _loads(ours: SideProcess, theirs: SideProcess) -> str:
    return (
        f"- not in the figures: from the start of the process to the first answer "
        f"{ours.load_s:.1f} s for ours, {theirs.load_s:.1f} s for lm-eval"
    )


SECTIONS: Mapping[str, Callable[[Bench], Section]] = {
    each.__name__: each for each in (agreement, likelihoods, generation, sweep)
}
# The others need lm-eval.
_ALONE = {"sweep"}


def main() -> None:
    """Run the sections and record what they measured."""
    parser = argparse.ArgumentParser(description="How fast a suite is answered on a CPU.")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, with commas")
    parser.add_argument("--quick", action="store_true", help="small; RESULTS.md stays as it is")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(f"no section {', '.join(unknown)}: there are {', '.join(SECTIONS)}")
    versions = {name: version(name) for name in ("headway", "torch", "transformers")}
    if set(chosen) - _ALONE:
        say("installing lm-eval where it is missing ...")
        find_python(LM_EVAL_SIDE)
        versions = find_versions()
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as scratch:
        results = Path(scratch) / "RESULTS.md" if arguments.quick else RESULTS
        bench = Bench(Path(scratch), QUICK if arguments.quick else Sizes())
        for name in chosen:
            section = SECTIONS[name](bench)
            command = f"make bench-evals ARGS='--only {name}'"
            record(section.title, command, section.lines, versions=versions, results=results)


if __name__ == "__main__":
    main()
