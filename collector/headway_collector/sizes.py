"""Whether records are within the caps: of a record, of a field, of the number of attributes.

A record that is not is refused alone, with the field, its size and the limit.
"""

from collections.abc import Iterable

import msgspec

from headway.records import Loss, PromptVersion, Record, Score, Span
from headway_collector.limits import Caps

JSON_FIELDS = ("input", "output", "params", "prompt_variables", "attributes")
TEXT_FIELDS = ("status_message", "error_stack")
_SCORE_FIELDS = ("value", "comment")

_objects = msgspec.json.Decoder(dict[str, msgspec.Raw])

# The shortest attribute: `"":1,`.
_ATTRIBUTE_BYTES = 5
# So many keys in all are refused without making objects of them to see which are the outer ones.
_TOO_MANY = 20


def may_exceed(size_bytes: int, caps: Caps) -> bool:
    """Whether records of so many bytes together may hold one that is over a cap of bytes."""
    return size_bytes > min(caps.record_bytes, caps.field_bytes)


def may_have_too_many(spans: Iterable[Span], caps: Caps) -> bool:
    """Whether one of the spans may have more attributes than it should."""
    least_bytes = _ATTRIBUTE_BYTES * caps.attributes
    return any(len(memoryview(span.attributes)) > least_bytes for span in spans)


def find_size_fault(record: Record | Loss, caps: Caps, besides_bytes: int = 0) -> str | None:
    """Return which part of the record is too large, or None.

    Args:
        record: as it would be kept.
        caps: what is allowed.
        besides_bytes: what is kept beside its fields.
    """
    if isinstance(record, Span):
        return _find_span_fault(record, caps, besides_bytes)
    if isinstance(record, Score):
        sizes = {name: _measure(getattr(record, name)) for name in _SCORE_FIELDS}
        return _find_large(sizes, caps)
    if isinstance(record, PromptVersion):
        return _find_large({"template": len(memoryview(record.template))}, caps)
    return None


def say_record_too_large(size_bytes: int, caps: Caps) -> str:
    """Return why a record of so many bytes is refused."""
    return f"the record has {size_bytes} bytes; {caps.record_bytes} are allowed"


def say_too_many_attributes(count: int, most: int) -> str:
    """Return why a record of so many attributes is refused."""
    return f"it has {count} attributes; {most} are allowed"


def _find_span_fault(span: Span, caps: Caps, besides_bytes: int) -> str | None:
    sizes = {name: len(memoryview(getattr(span, name))) for name in JSON_FIELDS}
    sizes |= {name: _measure(getattr(span, name)) for name in TEXT_FIELDS}
    if sum(sizes.values()) + besides_bytes <= min(caps.field_bytes, caps.record_bytes):
        return _find_many(span, caps)
    fault = _find_large(sizes, caps)
    if fault is not None:
        return fault
    total_bytes = sum(sizes.values()) + besides_bytes
    if total_bytes > caps.record_bytes:
        return say_record_too_large(total_bytes, caps)
    return _find_many(span, caps)


def _find_large(sizes: dict[str, int], caps: Caps) -> str | None:
    for name, size_bytes in sizes.items():
        if size_bytes > caps.field_bytes:
            return f"{name} has {size_bytes} bytes; {caps.field_bytes} are allowed"
    return None


def _find_many(span: Span, caps: Caps) -> str | None:
    if not may_have_too_many([span], caps):
        return None
    raw = bytes(span.attributes)
    # Quotes within texts are escaped, so this counts keys, those of inner objects too.
    keys = raw.count(b'":') - raw.count(b'\\":')
    if keys > caps.attributes:
        if keys <= _TOO_MANY * caps.attributes:
            keys = len(_objects.decode(raw)) if raw.startswith(b"{") else 0
        if keys > caps.attributes:
            return say_too_many_attributes(keys, caps.attributes)
    return None


def _measure(value: object) -> int:
    """Return the bytes of a text in UTF-8; other values are small."""
    if not isinstance(value, str):
        return 0
    return len(value) if value.isascii() else len(value.encode(errors="replace"))
