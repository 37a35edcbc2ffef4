"""``make bench-gpu``: how fast a suite is answered on a CUDA device, beside lm-eval's HF backend.

A Llama of the 1B class with random weights, made on the device, in bfloat16; the same tasks, sides
and rounds as in ``bench_evals``. Figures are written as they come, to the folder that ``OUT``
names, or to RESULTS.md once all are there. Without a device it says so and ends with 2;
``--smoke`` runs the same code on the CPU with a tiny model and records nothing. A whole run takes
under ten minutes on an H100. It needs Headway's evals and lm-eval, in one environment or two.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tests.benchmarks import eval_tasks
from tests.benchmarks.eval_peers import (
    HEADWAY_SIDE,
    LM_EVAL_SIDE,
    Answered,
    SideProcess,
    find_versions,
)
from tests.benchmarks.eval_rounds import (
    HEADERS,
    Race,
    compare_measured,
    count_equal,
    run_race,
)
from tests.benchmarks.results import RESULTS, at_least, at_most, record, say, table

_NO_DEVICE = 2
# lm-eval beside itself: what another batch size alone changes in bfloat16.
_BATCH, _OTHER_BATCH = 64, 8


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is done, and on what."""

    shape: eval_tasks.Shape = eval_tasks.LLAMA_1B
    device: str = "cuda"
    dtype: str = "bfloat16"
    shared_items: int = 512
    apart_items: int = 512
    prompts: int = 512
    compared: int = 64
    rounds: int = 3


SMOKE = Sizes(
    eval_tasks.TINY,
    device="cpu",
    shared_items=4,
    apart_items=8,
    prompts=8,
    compared=4,
    rounds=1,
)


@dataclass(frozen=True, slots=True)
class Divergence:
    """What runs over the same items came to: ours, lm-eval's two, and in float32."""

    ours: Answered
    theirs: Answered
    again: Answered
    true: Answered


class Bench:
    """One run.

    Args:
        folder: an empty one.
        out: the folder for figures as they come.
    """

    def __init__(self, folder: Path, sizes: Sizes, out: Path) -> None:
        self._folder = folder
        self._sizes = sizes
        self._out = out

    def run(self, results: Path) -> None:
        """Measure everything and record it."""
        sizes = self._sizes
        dtype = torch.bfloat16 if sizes.dtype == "bfloat16" else torch.float32
        folder = self._folder / "model"
        parameters = eval_tasks.make_model(folder, sizes.shape, dtype=dtype, device=sizes.device)
        # What making it took stays with this process otherwise.
        torch.cuda.empty_cache()
        ours, theirs = (
            SideProcess(side, folder, device=sizes.device, dtype=sizes.dtype)
            for side in (HEADWAY_SIDE, LM_EVAL_SIDE)
        )
        with ours, theirs:
            races = self._race(ours, theirs)
            with SideProcess(LM_EVAL_SIDE, folder, device=sizes.device, dtype="float32") as true:
                measured, written = (
                    self._diverge(ours, theirs, true, items)
                    for items in (
                        eval_tasks.options(sizes.compared),
                        eval_tasks.free(sizes.compared),
                    )
                )
        record(
            "On a GPU, beside lm-eval",
            "make bench-gpu",
            [
                f"{device_name(sizes.device)}, a Llama of {parameters / 1e6:,.0f}M random "
                f"parameters in {sizes.dtype}. {sizes.shared_items} items with five shared "
                f"examples and four options, {sizes.apart_items} that share nothing, "
                f"{sizes.prompts} prompts whose answers have {eval_tasks.SHORTEST} to "
                f"{eval_tasks.LONGEST} tokens, log-normal. Ours is the median of {sizes.rounds} "
                "rounds, lm-eval's the fastest at its best batch size of 8 to 512.",
                "",
                *table(HEADERS, [race.row() for race in races]),
                "",
                *self._bars(races),
                *_say_divergence(measured, written),
                f"- not in the figures: from the start of the process to the first answer "
                f"{ours.load_s:.1f} s for ours, {theirs.load_s:.1f} s for lm-eval",
            ],
            versions=find_versions(),
            results=results,
        )

    def _race(self, ours: SideProcess, theirs: SideProcess) -> list[Race]:
        sizes = self._sizes
        shared = eval_tasks.shared(sizes.shared_items)
        options = len(shared[0].options)
        tasks: list[tuple[str, Sequence[eval_tasks.Item], int]] = [
            ("shared prefix", shared, sizes.shared_items * options),
            ("nothing shared", eval_tasks.apart(sizes.apart_items), sizes.apart_items),
            ("generation", eval_tasks.countdowns(sizes.prompts), sizes.prompts),
        ]
        return [
            run_race(
                name,
                eval_tasks.write_items(self._folder / f"{name}.jsonl", items),
                ours,
                theirs,
                rounds=sizes.rounds,
                count=count,
                on_figure=self._keep,
            )
            for name, items, count in tasks
        ]

    def _diverge(
        self,
        ours: SideProcess,
        theirs: SideProcess,
        true: SideProcess,
        items: Sequence[eval_tasks.Item],
    ) -> Divergence:
        path = eval_tasks.write_items(self._folder / "compared.jsonl", items)
        # lm-eval's log-probabilities come in bfloat16 otherwise, whose rounding hides the rest.
        return Divergence(
            ours.answer(path, 0, is_exact=True),
            theirs.answer(path, _BATCH, is_exact=True),
            theirs.answer(path, _OTHER_BATCH, is_exact=True),
            true.answer(path, _OTHER_BATCH, is_exact=True),
        )

    def _bars(self, races: list[Race]) -> list[str]:
        shared, apart, generation = races
        sizes = self._sizes
        tokens = sum(eval_tasks.lengths(sizes.prompts))
        equal = count_equal(generation.ours[0], generation.theirs[generation.best_batch][0])
        return [
            at_least(
                "log-likelihoods with a shared prefix, times as fast", shared.times_as_fast, 5
            ),
            f"- with nothing shared, times as fast: {apart.times_as_fast:.2f}, no bar",
            at_least("generation, times as fast", generation.times_as_fast, 4),
            f"- ours: {tokens / generation.our_time:,.0f} tokens a second",
            at_least("equal answers of set lengths", equal, sizes.prompts),
        ]

    def _keep(self, figure: str) -> None:
        say(figure)
        with (self._out / "figures.txt").open("a", encoding="utf-8") as file:
            file.write(figure + "\n")


def device_name(device: str) -> str:
    """Return what the device calls itself."""
    return torch.cuda.get_device_name(device) if device == "cuda" else "the CPU"


def main() -> int:
    """Run where there is a device."""
    parser = argparse.ArgumentParser(description="How fast a suite is answered on a GPU.")
    parser.add_argument("--smoke", action="store_true", help="tiny, on the CPU, not recorded")
    smoke = parser.parse_args().smoke
    if not smoke and not torch.cuda.is_available():
        say("bench-gpu needs a CUDA device, and torch sees none here; --smoke runs on the CPU")
        return _NO_DEVICE
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as scratch:
        folder = Path(scratch)
        named = os.environ.get("OUT")
        out = Path(named) if named else folder
        is_kept_here = not smoke and not named
        bench = Bench(folder, SMOKE if smoke else Sizes(), out)
        bench.run(RESULTS if is_kept_here else out / "RESULTS.md")
    return 0


def _say_divergence(measured: Divergence, written: Divergence) -> list[str]:
    """Return how far ours is from lm-eval, beside how far lm-eval is from itself."""
    apart = compare_measured(measured.ours, measured.theirs)
    usual = compare_measured(measured.again, measured.theirs)
    our_fault = compare_measured(measured.ours, measured.true)
    their_fault = compare_measured(measured.theirs, measured.true)
    count = len(written.theirs.found or [])
    return [
        f"- lm-eval at {_BATCH} and at {_OTHER_BATCH}: log-likelihoods differ by "
        f"{usual.mean:.2g} in the mean, by {usual.logprob:.2g} at most",
        at_most("mean difference of ours from lm-eval's", apart.mean, usual.mean),
        at_most("largest difference of ours from lm-eval's", apart.logprob, usual.logprob),
        f"- mean difference from the same model in float32: ours {our_fault.mean:.2g}, "
        f"lm-eval's {their_fault.mean:.2g}",
        f"- of {count} answers that nothing forces, equal: lm-eval at {_BATCH} and at "
        f"{_OTHER_BATCH} {count_equal(written.again, written.theirs)}, ours and lm-eval "
        f"{count_equal(written.ours, written.theirs)}; in float32 and lm-eval "
        f"{count_equal(written.true, written.theirs)}, in float32 and ours "
        f"{count_equal(written.true, written.ours)}",
    ]


if __name__ == "__main__":
    sys.exit(main())
