"""The keys and values of the rows that are being decoded, in slots made once.

A row has a slot from its prompt to its last token. Its tokens lie in columns 0, 1, 2 and so on,
whatever the lengths of its neighbours, so that a row can leave and another come in while the
others stay where they are. What lies to the right of a row's length is left over from others and
masked; it must be finite, since a masked NaN is still one.

The taken slots are the first ones: when a row ends, the last one moves into its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from headway_evals.engine.attention import one_token_attention


@dataclass(slots=True)
class _Aim:
    """Where the next step writes and how far it reads."""

    rows: torch.Tensor
    columns: torch.Tensor
    span: int


class _SlotLayer(DynamicLayer):  # type: ignore[misc, no-untyped-call, unused-ignore]
    """One layer's slots: (slots, heads, capacity, size of a head), made when that is known."""

    def __init__(self, slots: int, capacity: int, aim: _Aim) -> None:
        super().__init__()
        self._shape = slots, capacity
        self._aim = aim
        self._is_made = False

    def make(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Make room for keys and values like these, once."""
        if self._is_made:
            return
        slots, capacity = self._shape
        self.dtype, self.device = keys.dtype, keys.device
        self.keys = keys.new_zeros((slots, keys.shape[1], capacity, keys.shape[3]))
        self.values = values.new_zeros((slots, values.shape[1], capacity, values.shape[3]))
        self._is_made = self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write one token a row, (rows, heads, 1, size); return what the rows attend to."""
        self.make(key_states, value_states)
        aim, count = self._aim, len(key_states)
        self.keys[aim.rows, :, aim.columns] = key_states[:, :, 0]
        self.values[aim.rows, :, aim.columns] = value_states[:, :, 0]
        return self.keys[:count, :, : aim.span], self.values[:count, :, : aim.span]

    def get_seq_length(self) -> int:
        return self._aim.span - 1

    def get_mask_sizes(self, *_: Any) -> tuple[int, int]:
        return self._aim.span, 0


class SlotCache(Cache):  # type: ignore[misc, no-untyped-call, unused-ignore]
    """What a model takes as ``past_key_values`` when each row gets one token more.

    Args:
        layers: of the model.
        slots: the most rows at once.
        capacity: the most tokens of a row.
        device: the model's.
    """

    def __init__(self, layers: int, slots: int, capacity: int, device: torch.device) -> None:
        self.slots = slots
        self.capacity = capacity
        self._all_rows = torch.arange(slots, device=device)
        self._aim = _Aim(self._all_rows, self._all_rows, capacity)
        super().__init__(layers=[_SlotLayer(slots, capacity, self._aim) for _ in range(layers)])

    def aim(self, columns: torch.Tensor, span: int) -> None:
        """Have the next step write the first rows' tokens at these columns, (rows,).

        Args:
            columns: each row's length before the token.
            span: how many columns it reads, at least the longest row with its token.
        """
        self._aim.rows = self._all_rows[: len(columns)]
        self._aim.columns = columns
        self._aim.span = span

    def fill(self, first: int, prefilled: DynamicCache) -> None:
        """Take over prefilled rows, from slot ``first`` on."""
        for layer, source in zip(self.layers, prefilled.layers, strict=True):
            layer.make(source.keys, source.values)
            rows, length = slice(first, first + len(source.keys)), source.keys.shape[2]
            layer.keys[rows, :, :length] = source.keys
            layer.values[rows, :, :length] = source.values

    def move(self, source: int, target: int, length: int) -> None:
        """Copy a row's first columns into another slot."""
        for layer in self.layers:
            layer.keys[target, :, :length] = layer.keys[source, :, :length]
            layer.values[target, :, :length] = layer.values[source, :, :length]

    def clear(self, slot: int) -> None:
        """Forget a row that may hold NaN."""
        for layer in self.layers:
            layer.keys[slot] = 0
            layer.values[slot] = 0

    def cut(self, first: int, lengths: Sequence[int]) -> None:
        """Forget what may be NaN behind so many columns of each row, from slot ``first`` on."""
        ends = torch.tensor(lengths, device=self._all_rows.device)
        behind = torch.arange(self.capacity, device=ends.device) >= ends[:, None]
        rows = slice(first, first + len(lengths))
        for layer in self.layers:
            # behind: (rows, 1, capacity, 1).
            layer.keys[rows].masked_fill_(behind[:, None, :, None], 0)
            layer.values[rows].masked_fill_(behind[:, None, :, None], 0)


def step(
    model: Any, cache: SlotCache, tokens: torch.Tensor, columns: torch.Tensor, span: int
) -> torch.Tensor:
    """Give the first rows one token more; return the logits of the next, (rows, vocabulary).

    Args:
        model: a causal language model of transformers that ``fits_slots``.
        cache: of that model.
        tokens: (rows,).
        columns: where each stands in its row, (rows,).
        span: see ``SlotCache.aim``.
    """
    cache.aim(columns, span)
    mask = torch.arange(span, device=columns.device) <= columns[:, None]  # (rows, span)
    if model.config.get_text_config()._attn_implementation == "eager":
        mask = torch.zeros_like(mask, dtype=model.dtype).masked_fill(~mask, -torch.inf)
    with one_token_attention(model):
        logits: torch.Tensor = model(
            input_ids=tokens[:, None],
            attention_mask=mask[:, None, None],
            position_ids=columns[:, None],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
    return logits[:, -1]


def fits_slots(model: Any, longest: int) -> bool:
    """Return whether a model's rows can lie in slots, none longer than this many tokens.

    Each layer must keep the keys and values of every token, which rules out recurrent states and
    windows shorter than the longest row, and attention must take a mask as it is given.
    """
    config = model.config.get_text_config()
    if not getattr(model, "_supports_attention_backend", False):
        return False
    if config._attn_implementation not in ("sdpa", "eager"):
        return False
    layers = DynamicCache(config=config).layers
    return len(layers) == config.num_hidden_layers and all(
        type(layer) is DynamicLayer
        or (type(layer) is DynamicSlidingWindowLayer and layer.sliding_window >= longest)
        for layer in layers
    )
