"""Attention of one token a row that reads keys and values once, however many heads share them.

Under a mask, transformers before 5.23 first copies keys and values for every head that shares
them, at each step: for a model with four heads to one that is most of a step's memory traffic.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

_NAME = "headway_one_token"
# What a few models pass besides, and the plain function knows about.
_UNUSUAL = ("position_bias", "softcap", "s_aux", "cache")


@contextmanager
def one_token_attention(model: Any) -> Iterator[None]:
    """Have a model that attends by sdpa use this room's function for a while."""
    config = model.config.get_text_config()
    before = config._attn_implementation
    if before == "sdpa":
        config._attn_implementation = _NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attend from (rows, heads, 1, size) to (rows, heads of keys, span, size).

    The heads that share keys become the queries of one head.
    """
    if query.shape[2] != 1 or any(others.get(name) is not None for name in _UNUSUAL):
        found: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **others
        )
        return found
    rows, heads, _, size = query.shape
    shared = query.reshape(rows, key.shape[1], heads // key.shape[1], size)
    attended = torch.nn.functional.scaled_dot_product_attention(
        shared, key, value, attn_mask=attention_mask, scale=scaling
    )
    return attended.reshape(rows, 1, heads, value.shape[-1]), None


AttentionInterface.register(_NAME, _attend)
