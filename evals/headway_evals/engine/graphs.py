"""Steps of a few shapes, recorded as CUDA graphs.

A step of a small model is hundreds of kernels that each take longer to launch than to run. A
graph launches them at once, but its shapes and addresses are fixed: rows are filled up to a power
of two, spans come rounded, and what goes in is copied into the same place each time.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch

_LEAST_ROWS = 8
_LOGGER = logging.getLogger(__name__)

Steps = Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]
"""From tokens and columns, (rows,) both, and a span to logits: see ``slots.step``."""


@dataclass(frozen=True, slots=True)
class _Graph:
    graph: torch.cuda.CUDAGraph
    logits: torch.Tensor


class GraphedSteps:
    """Does what the steps do, from graphs; where a model cannot be recorded, from the steps.

    Args:
        steps: for one cache, which must outlive the graphs.
        slots: the most rows.
        device: a CUDA device.
    """

    def __init__(self, steps: Steps, slots: int, device: torch.device) -> None:
        self._steps = steps
        self._slots = slots
        self._tokens = torch.zeros(slots, dtype=torch.long, device=device)
        self._columns = torch.zeros(slots, dtype=torch.long, device=device)
        self._pool = torch.cuda.graph_pool_handle()
        self._graphs: dict[tuple[int, int], _Graph] = {}
        self._can_record = True

    def __call__(self, tokens: torch.Tensor, columns: torch.Tensor, span: int) -> torch.Tensor:
        """Return the logits, (rows, vocabulary), which hold until the next call."""
        if not self._can_record:
            return self._steps(tokens, columns, span)
        count = len(tokens)
        rows = min(max(_LEAST_ROWS, 1 << (count - 1).bit_length()), self._slots)
        # Slots without a row write their first column, which the next row there overwrites.
        for place, given in ((self._tokens, tokens), (self._columns, columns)):
            place[:count] = given
            place[count:rows] = 0
        graph = self._graphs.get((rows, span))
        if graph is None:
            try:
                graph = self._record(rows, span)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                self._can_record = False
                reason = str(error).partition("\n")[0]
                _LOGGER.warning("decoding goes on without CUDA graphs: %s", reason)
                return self._steps(tokens, columns, span)
            self._graphs[rows, span] = graph
        graph.graph.replay()
        return graph.logits[:count]

    def _record(self, rows: int, span: int) -> _Graph:
        tokens, columns = self._tokens[:rows], self._columns[:rows]
        # Twice beforehand, as torch asks: libraries make their workspaces, the cache its slots.
        # A step may be repeated, since it writes the same keys and values again.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                self._steps(tokens, columns, span)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            logits = self._steps(tokens, columns, span)
        return _Graph(graph, logits)
