"""A request in protobuf cut into its items, unread, for when it cannot be read as a whole.

A text that is not UTF-8, which some languages' exporters send, spoils the parsing of all that
stands around it. On the wire a message and a string of bytes look the same, so a schema that calls
the items bytes finds where each begins and ends, and each is then read by itself.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass


class Fragment(NamedTuple):
    """Items of one resource and scope; all parts as they stand on the wire."""

    resource: bytes
    resource_schema_url: bytes
    scope: bytes
    scope_schema_url: bytes
    items: list[bytes]


def split(body: bytes) -> Iterator[Fragment]:
    """Cut an export of spans or log records, whose messages number their fields alike.

    Raises:
        DecodeError: it is not protobuf, or not an export.
    """
    for group in _Request.FromString(body).groups:
        for part in group.parts:
            yield Fragment(
                group.head, group.schema_url, part.head, part.schema_url, list(part.parts)
            )


def count_items(body: bytes) -> int:
    """Return how many spans or log records an export holds.

    Raises:
        DecodeError: it is not protobuf, or not an export.
    """
    groups = _Request.FromString(body).groups
    return sum(len(part.parts) for group in groups for part in group.parts)


def _build_request() -> Any:
    file = FileDescriptorProto(name="headway/fragments.proto", package="headway", syntax="proto3")
    file.message_type.append(_describe("Part", items=None))
    file.message_type.append(_describe("Group", items=".headway.Part"))
    request = DescriptorProto(name="Request")
    _add_field(request, "groups", 1, of=".headway.Group", is_repeated=True)
    file.message_type.append(request)
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("headway.Request"))


def _describe(name: str, items: str | None) -> DescriptorProto:
    """Return ``ResourceSpans`` or ``ScopeSpans``: both are a head, what is under it, and a URL."""
    message = DescriptorProto(name=name)
    _add_field(message, "head", 1)
    _add_field(message, "parts", 2, of=items, is_repeated=True)
    _add_field(message, "schema_url", 3)
    return message


def _add_field(
    message: DescriptorProto,
    name: str,
    number: int,
    *,
    of: str | None = None,
    is_repeated: bool = False,
) -> None:
    kinds = FieldDescriptorProto
    message.field.add(
        name=name,
        number=number,
        type=kinds.TYPE_BYTES if of is None else kinds.TYPE_MESSAGE,
        type_name=of,
        label=kinds.LABEL_REPEATED if is_repeated else kinds.LABEL_OPTIONAL,
    )


_Request = _build_request()
