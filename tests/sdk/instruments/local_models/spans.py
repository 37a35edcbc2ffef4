"""What the tests of local models look at: the one span there is, and its fields as data."""

from typing import Any

import msgspec

from headway.records import Span
from headway.testing import Captured

LENGTH = {"max_new_tokens": 6, "do_sample": False}


def only(captured: Captured) -> Span:
    """Return the one span there is."""
    (span,) = captured.spans
    return span


def read(raw: msgspec.Raw) -> Any:
    """Return a raw field as data."""
    return msgspec.json.decode(raw)


def texts(raw: msgspec.Raw) -> list[str]:
    """Return the texts of messages."""
    return [message["parts"][0]["content"] for message in read(raw)]


def settings_of(model: Any) -> dict[str, Any]:
    """Return the settings of a model, without where it was loaded from."""
    settings: dict[str, Any] = model.config.to_dict()
    settings.pop("_name_or_path", None)
    return settings
