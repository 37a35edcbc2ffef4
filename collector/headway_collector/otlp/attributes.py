"""Attributes in protobuf to plain values, each pair parsed once however often it is sent.

Of the attributes of a span, most say to the byte what those of another span said: the model, the
server, a temperature. Looking such a pair up takes a tenth of the time of parsing it.
"""

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from headway_collector.otlp.telemetry import Attributes

# Long ones are texts, which do not come twice.
_LONGEST_REMEMBERED = 128
_MOST_REMEMBERED = 8192


def read_attributes(pairs: Iterable[bytes]) -> Attributes:
    """Return what ``KeyValue`` messages say. Values are shared, and nobody may change them.

    Raises:
        DecodeError: one of them cannot be parsed, or a text in it is not UTF-8.
    """
    return dict(map(_pairs.__getitem__, pairs))


def read_sound_attributes(pairs: Iterable[bytes]) -> tuple[Attributes, int]:
    """Return what those messages say that can be parsed, and how many cannot."""
    attributes: Attributes = {}
    dropped_count = 0
    for pair in pairs:
        try:
            attributes |= read_attributes([pair])
        except DecodeError:
            dropped_count += 1
    return attributes, dropped_count


def read_value(message: AnyValue) -> Any:
    """Return what an ``AnyValue`` says."""
    which = message.WhichOneof("value")
    if which == "array_value":
        return [read_value(each) for each in message.array_value.values]
    if which == "kvlist_value":
        return {pair.key: read_value(pair.value) for pair in message.kvlist_value.values}
    return None if which is None else getattr(message, which)


class _Pairs(dict[bytes, tuple[str, Any]]):
    """To a ``KeyValue`` its key and value; those that are short are remembered."""

    def __missing__(self, raw: bytes) -> tuple[str, Any]:
        message = KeyValue.FromString(raw)
        value = message.value
        # Touching a field costs more than parsing it did; the usual attribute is a text.
        pair = (message.key, value.string_value or read_value(value))
        if len(raw) <= _LONGEST_REMEMBERED:
            if len(self) >= _MOST_REMEMBERED:
                self.clear()
            self[raw] = pair
        return pair


_pairs = _Pairs()
