"""What an answer depends on, as a key: the same key, the same answer.

A model that can promise that names its weights and numerics in an attribute ``cache_key``. A
model without one, such as a log, is asked each time.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from headway_evals.models.requests import Generate, Request

ENGINE = 2
"""Counts the engine's numerics: raise it with a change after which the same weights may answer
the same request otherwise, and no earlier answer is taken for a present one."""


def model_key(digest: str, numerics: Mapping[str, Any]) -> str:
    """Return the key of a model's answers.

    Args:
        digest: of its weights, adapter, tokenizer and templates.
        numerics: what else decides an answer: dtype, device, versions.
    """
    return _digest({"digest": digest, "numerics": dict(numerics), "engine": ENGINE})


def cache_key_of(model: object) -> str | None:
    """Return the key of a model's answers, or None where they must not be kept."""
    key: str | None = getattr(model, "cache_key", None)
    return key


def request_key(model: str, request: Request) -> str:
    """Return the key of one answer.

    Args:
        model: the model's key.
        request: what was asked. Its case matters only to draws, which depend on it.
    """
    ask = request.ask
    is_drawn = isinstance(ask, Generate) and ask.temperature > 0
    return _digest(
        {
            "model": model,
            "prompt": request.prompt,
            "kind": type(ask).__name__,
            "ask": ask,
            "case": request.case_id if is_drawn else None,
        }
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()
