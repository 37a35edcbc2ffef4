"""One call of the model over rows of the prefix tree, and the likelihoods that come out of it.

Shapes: a batch has ``rows`` rows of ``width`` tokens over a trunk of ``trunk`` tokens, whose keys
and values are kept once, as (1, heads, trunk, size), and copied for the rows a layer at a time.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer

from headway_evals.engine.prefixes import Bush, Tokens

# At most so many logits are turned to float32 at once.
_LOGITS_AT_ONCE = 2**24


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tokens are measured in a batch.

    Args:
        places: where the model predicts each, counted through all rows of the batch.
        tokens: the tokens themselves.
    """

    places: NDArray[np.integer[Any]]
    tokens: NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Trunk:
    """The keys and values of the beginning that rows share."""

    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    length: int


class Table:
    """The likelihoods of a batch, on their way from the device."""

    def __init__(self, values: torch.Tensor) -> None:
        self._event = torch.cuda.Event() if values.is_cuda else None
        # Asked for at once: later it would queue behind the next batch.
        self._values = values.to("cpu", non_blocking=values.is_cuda)
        if self._event is not None:
            self._event.record()

    def read(self) -> NDArray[np.float32]:
        """Return (measured tokens, 2): each one's log-probability, and 1 where it is likeliest."""
        if self._event is not None:
            self._event.synchronize()
        values: NDArray[np.float32] = self._values.numpy()
        return values


class _TrunkLayer(DynamicLayer):
    """Sets the trunk before the keys and values of every row, and keeps neither."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.dtype, self.device = keys.dtype, keys.device
        self.keys, self.values = keys, values
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> Any:
        rows = len(key_states)
        return (
            torch.cat([self.keys.expand(rows, -1, -1, -1), key_states], dim=-2),
            torch.cat([self.values.expand(rows, -1, -1, -1), value_states], dim=-2),
        )


class Forwards:
    """Calls one model.

    Args:
        model: a causal language model of transformers, in eval mode.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._head = model.get_output_embeddings()
        self.can_share = _can_share(model)

    @torch.inference_mode()
    def grow(self, trunk: Trunk | None, ids: Tokens, wanted: Wanted) -> tuple[Trunk, Table]:
        """Return the trunk that has these tokens on top, and what is measured in them."""
        cache = DynamicCache(config=self._model.config)
        below = 0 if trunk is None else trunk.length
        for number, (keys, values) in enumerate(trunk.layers if trunk else ()):
            cache.update(keys, values, number)
        size = len(ids)
        batch = _Batch(
            ids=ids[None],
            depths=np.arange(below, below + size, dtype=np.int32)[None],
            ends=np.full((1, size), size, np.int32),
        )
        table = self._call(batch, cache, below, wanted)
        layers = tuple((layer.keys, layer.values) for layer in cache.layers)
        return Trunk(layers, below + size), table

    @torch.inference_mode()
    def measure(self, trunk: Trunk | None, rows: Sequence[Sequence[Bush]], wanted: Wanted) -> Table:
        """Return what is measured in rows of bushes that stand on the trunk."""
        if trunk is None:
            return self._call(_side_by_side(rows), None, 0, wanted)
        cache = Cache(layers=[_TrunkLayer(keys, values) for keys, values in trunk.layers])
        return self._call(_side_by_side(rows), cache, trunk.length, wanted)

    def _call(self, batch: "_Batch", cache: Any, below: int, wanted: Wanted) -> Table:
        device = self._model.device
        inputs: dict[str, Any] = {"input_ids": _on(device, batch.ids)}
        if below or not batch.is_plain:
            inputs["position_ids"] = _on(device, batch.depths)
            inputs["attention_mask"] = _mask(_on(device, batch.ends), below, self._model.dtype)
        if cache is not None:
            inputs["past_key_values"] = cache

        # Logits come out of one layer, the last but for what some models do with each of them;
        # it is given the places that are measured instead of all.
        places, which = np.unique(wanted.places, return_inverse=True)
        picked = _on(device, places if len(places) else np.zeros(1, np.int64))
        hook = self._head.register_forward_pre_hook(
            lambda _, inputs: (inputs[0].flatten(0, 1)[picked][None], *inputs[1:])
        )
        try:
            logits = self._model(**inputs, use_cache=cache is not None).logits[0]
        finally:
            hook.remove()
        return Table(_likelihoods(logits, _on(device, which), _on(device, wanted.tokens)))


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows side by side, each (rows, width); see ``Bush`` for what is in them."""

    ids: Tokens
    depths: Tokens
    ends: Tokens
    is_plain: bool = True  # each row one chain from depth 0: what a causal model does by itself


def _side_by_side(rows: Sequence[Sequence[Bush]]) -> _Batch:
    """Return rows padded on the right, where no token sees it."""
    width = max(sum(len(bush.ids) for bush in row) for row in rows)
    shape = (len(rows), width)
    ids, depths = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    # A token of padding ends where it stands: it sees itself, since attention to nothing is NaN.
    ends = np.broadcast_to(np.arange(1, width + 1, dtype=np.int32), shape).copy()
    for number, row in enumerate(rows):
        start = 0
        for bush in row:
            end = start + len(bush.ids)
            ids[number, start:end] = bush.ids
            depths[number, start:end] = bush.depths
            ends[number, start:end] = bush.ends + start
            start = end
    is_plain = all(len(row) == 1 and row[0].is_chain for row in rows)
    return _Batch(ids, depths, ends, is_plain)


def _mask(ends: torch.Tensor, below: int, dtype: torch.dtype) -> torch.Tensor:
    """Return what is added to attention, (rows, 1, width, trunk + width).

    A token sees the whole trunk, and in its row each token that it continues: one that stands
    before it, or is itself, and has not ended.
    """
    rows, width = ends.shape
    place = torch.arange(width, device=ends.device)
    is_seen = (place[None, :] <= place[:, None]) & (place[:, None] < ends[:, None, :])
    mask = torch.zeros((rows, 1, width, below + width), dtype=dtype, device=ends.device)
    mask[..., below:].masked_fill_(~is_seen[:, None], torch.finfo(dtype).min)
    return mask


def _likelihoods(logits: torch.Tensor, which: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Return (measured tokens, 2) from (places, vocabulary); see ``Table.read``."""
    sums, best = [], []
    for some in logits.split(max(1, _LOGITS_AT_ONCE // logits.shape[-1])):
        values = some.float()
        sums.append(values.logsumexp(dim=-1))
        best.append(values.argmax(dim=-1))
    logprobs = logits[which, tokens].float() - torch.cat(sums)[which]
    return torch.stack([logprobs, (torch.cat(best)[which] == tokens).float()], dim=1)


def _on(device: torch.device, values: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, np.int64)).to(device, non_blocking=True)


def _can_share(model: Any) -> bool:
    """Return whether a mask of ours and keys and values kept from before give what rows give."""
    config = model.config.get_text_config(decoder=True)
    layers = DynamicCache(config=config).layers
    return (
        # Other kernels take no mask.
        getattr(config, "_attn_implementation", None) in ("sdpa", "eager")
        # Windows, recurrent states and the like are more than keys and values side by side.
        and all(type(layer) is DynamicLayer for layer in layers)
        # Where positions come from the order or from the mask, a tree has none.
        and "position_ids" in inspect.signature(model.forward).parameters
        and not getattr(config, "alibi", False)
    )
