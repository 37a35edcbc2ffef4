"""How likely a model finds texts, with every beginning that texts share computed once.

The rows of a suite form a prefix tree (see ``prefixes``). Its trunks go through the model once
each and are kept as keys and values while something stands on them; its bushes go through in
batches, several to a row over a shared trunk, under a mask that shows each token its ancestors and
nothing else. Logits are made only where a token is measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from headway_evals.engine.budgets import Budget, OutOfMemory, within_memory
from headway_evals.engine.forwards import Forwards, Trunk
from headway_evals.engine.passages import Encoded, Item, Measured, PassageEncoder
from headway_evals.engine.prefixes import Limits, PrefixTree, Span, lay_out
from headway_evals.engine.tallies import OnMeasured, Tally
from headway_evals.packing import pack

# Above its stem, a bush of more tokens would spend more on the mask than it saves.
_BUSH_TOKENS = 256
# Rows over a trunk are filled up to its length, or to this where it is shorter: the trunk is
# copied for each row, while each token of a row is masked from the row's other bushes.
_ROW_TOKENS = 128
# What another call of the model costs, in tokens: on a GPU that is the launching of kernels.
_CPU_FORWARD_TOKENS = 64
_GPU_FORWARD_TOKENS = 2_048
# Logits that go with one token of the budget: a vocabulary of so many counts like the token.
_LOGITS_A_TOKEN = 2**14


@dataclass(frozen=True, slots=True)
class _Task:
    """Spans that stand on a trunk.

    Args:
        stem: the trunk is to be grown up to here first; there is one span then.
    """

    trunk: Trunk | None
    spans: list[Span]
    stem: int | None = None


class Likelihoods:
    """Measures with one model.

    Args:
        model: a causal language model of transformers, in eval mode.
        tokenizer: its tokenizer.
        budget: the tokens of a batch, the trunk below each row included.
        context: how many tokens the model sees at once; what its configuration says.

    Attributes:
        computed_tokens: how many went through the model so far, padding not counted.
    """

    def __init__(
        self, model: Any, tokenizer: Any, budget: Budget, *, context: int | None = None
    ) -> None:
        config = model.config.get_text_config(decoder=True)
        context = context or getattr(config, "max_position_embeddings", None) or 2**31
        self._encoder = PassageEncoder(tokenizer, context)
        self._forwards = Forwards(model)
        self._budget = budget
        self._vocabulary = int(config.vocab_size)
        is_gpu = model.device.type == "cuda"
        self._forward_tokens = _GPU_FORWARD_TOKENS if is_gpu else _CPU_FORWARD_TOKENS
        self.computed_tokens = 0

    def measure(self, items: Sequence[Item], on_measured: OnMeasured) -> None:
        """Measure every item.

        Work that does not fit in memory halves the budget.

        Raises:
            OutOfMemory: not even the least of it fits.
        """
        encoded = list(self._encoder.encode(items))
        doubtful: list[int] = []

        def sort_out(index: int, measured: Measured) -> None:
            if measured.error is None or encoded[index].error is not None:
                on_measured(index, measured)
            else:
                doubtful.append(index)

        self._run(encoded, sort_out, is_sharing=self._forwards.can_share)
        # A NaN reaches everything in its row, whatever the mask says: zero times NaN is NaN.
        # By itself each item shows whether it was its own.
        self._run(
            [encoded[index] for index in doubtful],
            lambda place, measured: on_measured(doubtful[place], measured),
            is_sharing=False,
        )

    def _run(
        self, encoded: Sequence[Encoded], on_measured: OnMeasured, *, is_sharing: bool
    ) -> None:
        tally = Tally(encoded, on_measured)
        if not tally.rows:
            return
        tree = PrefixTree(tally.rows)
        tally.plant(tree)
        tasks = [_Task(None, [tree.root] if is_sharing else tree.leaves())]
        while tasks:
            task = tasks.pop()
            if task.stem is not None:
                tasks.append(self._grow(tree, tally, task, task.stem))
            elif is_sharing:
                division = tree.divide(task.spans, self._limits())
                tasks += [_Task(task.trunk, [span], stem) for span, stem in division.trunks]
                tasks += self._climb(tree, tally, replace(task, spans=division.bushes))
            else:
                tasks += self._climb(tree, tally, task)
        tally.settle()

    def _grow(self, tree: PrefixTree, tally: Tally, task: _Task, stem: int) -> _Task:
        """Grow a trunk, and return what stands on it."""
        (span,) = task.spans
        ids = tree.rows[span.first][span.depth : stem]
        asked = tally.asked_in_trunk(span, stem)
        try:
            trunk, table = within_memory(lambda: self._forwards.grow(task.trunk, ids, asked.wanted))
        except OutOfMemory:
            self._budget.halve()
            return _Task(task.trunk, task.spans)  # to be divided again, in smaller pieces
        tally.expect(table, asked)
        self.computed_tokens += len(ids)
        return _Task(trunk, tree.parts(span, stem, stem))

    def _climb(self, tree: PrefixTree, tally: Tally, task: _Task) -> list[_Task]:
        """Measure bushes, and return what is left to do."""
        batches = self._batches(tree, tally, task)
        for number, rows in enumerate(batches):
            bushes = [[lay_out(tree, span) for span in row] for row in rows]
            asked = tally.asked_in_rows(rows, bushes)
            try:
                table = within_memory(
                    partial(self._forwards.measure, task.trunk, bushes, asked.wanted)
                )
            except OutOfMemory:
                self._budget.halve()
                rest = [span for batch in batches[number:] for row in batch for span in row]
                return [_Task(task.trunk, rest)]
            tally.expect(table, asked)
            self.computed_tokens += sum(len(bush.ids) for row in bushes for bush in row)
        return []

    def _batches(self, tree: PrefixTree, tally: Tally, task: _Task) -> list[list[list[Span]]]:
        """Return batches of rows of bushes."""
        if task.trunk is None:
            # A row that does not fork needs no mask, unless one that does is beside it.
            below = 0
            groups = [
                [[span] for span in task.spans if (span.last - span.first > 1) is is_forked]
                for is_forked in (True, False)
            ]
        else:
            below = task.trunk.length
            groups = [_filled(tree, task.spans, max(_ROW_TOKENS, below))]

        def cost(row: list[Span]) -> int:
            tokens = below + sum(tree.token_count(span) for span in row)
            logits = sum(tally.count_in(span) for span in row) * self._vocabulary
            return max(tokens, logits // _LOGITS_A_TOKEN)

        return [
            [rows[place] for place in batch]
            for rows in groups
            for batch in pack([cost(row) for row in rows], self._budget.tokens)
        ]

    def _limits(self) -> Limits:
        return Limits(
            bush_tokens=min(_BUSH_TOKENS, self._budget.tokens),
            stem_tokens=self._budget.tokens,
            forward_tokens=self._forward_tokens,
        )


def _filled(tree: PrefixTree, spans: Sequence[Span], tokens: int) -> list[list[Span]]:
    """Return rows of spans of like size, as many as ``tokens`` hold."""
    rows: list[list[Span]] = []
    room = 0
    for span in sorted(spans, key=tree.token_count, reverse=True):
        count = tree.token_count(span)
        if not rows or count > room:
            rows.append([])
            room = tokens
        rows[-1].append(span)
        room -= count
    return rows
