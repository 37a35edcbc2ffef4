"""One side of ``make bench-evals`` in a process of its own: Headway, or lm-eval's HF backend.

Both load the same folder and read the same task files. A line of JSON on stdin says what to do:
``{"items": FILE, "batch": 32, "is_exact": false}``. The answer is a line on stdout: the seconds
that the side's own call took, and what came out, in the order of the file. Headway is called as
its runner calls it, with its defaults; lm-eval by the two methods that its tasks end in, so that
neither side's reading of tasks and reckoning of scores is in the figure. This module runs where
Headway is not.
"""

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

Item = dict[str, Any]
"""See ``Measuring`` and ``Writing`` in ``eval_tasks``."""


class Side(Protocol):
    """Answers items: for texts written the text, for each option its logprob and is_greedy."""

    def measure(self, items: Sequence[Item], batch: int) -> list[list[tuple[float, bool]]]:
        """Return how likely the options are."""

    def write(self, items: Sequence[Item], batch: int) -> list[str]:
        """Return the texts."""

    def be_exact(self, is_exact: bool) -> None:
        """Round log-probabilities no more than is needed, or as the side does by itself."""


class Headway:
    """Ours: it plans its batches itself."""

    def __init__(self, folder: str, device: str, dtype: str) -> None:
        from headway_evals.models.checkpoints import Checkpoint

        self._model = Checkpoint(Path(folder), device=device, dtype=dtype)

    def measure(self, items: Sequence[Item], batch: int) -> list[list[tuple[float, bool]]]:
        from headway_evals.models.requests import Choices

        asks = [(item["context"], Choices(tuple(item["options"]))) for item in items]
        return [
            [(value.logprob, value.is_greedy) for value in completion.likelihoods]
            for completion in self._ask(asks)
        ]

    def write(self, items: Sequence[Item], batch: int) -> list[str]:
        from headway_evals.models.requests import Generate

        asks = [
            (item["prompt"], Generate(item["max_new_tokens"], tuple(item["stop"])))
            for item in items
        ]
        return [completion.text or "" for completion in self._ask(asks)]

    def be_exact(self, is_exact: bool) -> None:
        pass  # always

    def _ask(self, asks: Sequence[tuple[str, Any]]) -> list[Any]:
        from headway_evals.models.requests import Request

        requests = [
            Request(f"item-{number}", prompt, prompt, ask)
            for number, (prompt, ask) in enumerate(asks)
        ]
        completions = self._model.generate(requests, lambda index, completion: None)
        faults = [each.error for each in completions if each.error]
        if faults:
            raise RuntimeError(f"{len(faults)} items failed, the first with: {faults[0]}")
        return list(completions)


class LmEval:
    """Theirs; when it is to be exact, with its softmax in float32, which is not its default."""

    def __init__(self, folder: str, device: str, dtype: str) -> None:
        from lm_eval.models.huggingface import HFLM

        self._model = HFLM(pretrained=folder, device=device, dtype=dtype, batch_size=1)

    def measure(self, items: Sequence[Item], batch: int) -> list[list[tuple[float, bool]]]:
        pairs = [(item["context"], option) for item in items for option in item["options"]]
        found = iter(self._ask("loglikelihood", pairs, batch))
        return [[next(found) for _ in item["options"]] for item in items]

    def write(self, items: Sequence[Item], batch: int) -> list[str]:
        pairs = [
            (
                item["prompt"],
                {"until": item["stop"], "max_gen_toks": item["max_new_tokens"], "do_sample": False},
            )
            for item in items
        ]
        return list(self._ask("generate_until", pairs, batch))

    def be_exact(self, is_exact: bool) -> None:
        import torch

        self._model.softmax_dtype = torch.float32 if is_exact else None

    def _ask(self, method: str, pairs: Sequence[tuple[str, Any]], batch: int) -> Any:
        from lm_eval.api.instance import Instance

        instances = [
            Instance(method, doc={}, arguments=pair, idx=number)
            for number, pair in enumerate(pairs)
        ]
        self._model.batch_size_per_gpu = batch
        return getattr(self._model, method)(instances, disable_tqdm=True)


SIDES: dict[str, Callable[[str, str, str], Side]] = {"headway": Headway, "lm-eval": LmEval}


def main() -> None:
    """Load, say how long that took with one item answered, and do what stdin says."""
    started_s = time.perf_counter()
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("folder")
    parser.add_argument("device")
    parser.add_argument("dtype")
    arguments = parser.parse_args()
    # What libraries print goes where complaints go.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    side = SIDES[arguments.side](arguments.folder, arguments.device, arguments.dtype)
    side.write([{"prompt": "Hello", "max_new_tokens": 2, "stop": ["\n\n"]}], 1)
    answers.write(json.dumps({"took_s": time.perf_counter() - started_s}) + "\n")
    for line in sys.stdin:
        answers.write(json.dumps(_do(side, json.loads(line))) + "\n")


def _do(side: Side, job: dict[str, Any]) -> dict[str, Any]:
    import torch

    lines = Path(job["items"]).read_text(encoding="utf-8").splitlines()
    items = [json.loads(line) for line in lines]
    side.be_exact(job["is_exact"])
    call = side.measure if "options" in items[0] else side.write
    started_s = time.perf_counter()
    try:
        found = call(items, job["batch"])
    except torch.OutOfMemoryError:
        found = None
    took_s = time.perf_counter() - started_s
    # The other side's process shares the device.
    gc.collect()
    torch.cuda.empty_cache()
    return {"took_s": took_s, "found": found}


if __name__ == "__main__":
    main()
