"""OTLP's messages with their attributes left unread.

On the wire a message and a string of bytes look the same. So the schema here is that of
opentelemetry-proto, but for every list of attributes, whose items it calls bytes: those that were
seen before need not be parsed again.
"""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

# Each after those that it rests upon.
_FILES = (common_pb2, resource_pb2, trace_pb2, logs_pb2, trace_service_pb2, logs_service_pb2)


def _build_pool() -> DescriptorPool:
    pool = DescriptorPool()
    for each in _FILES:
        file = FileDescriptorProto.FromString(each.DESCRIPTOR.serialized_pb)
        _close_attributes(file.message_type)
        pool.Add(file)
    return pool


def _close_attributes(messages: Iterable[DescriptorProto]) -> None:
    for message in messages:
        _close_attributes(message.nested_type)
        for field in message.field:
            if field.name == "attributes":
                field.type = FieldDescriptorProto.TYPE_BYTES
                field.ClearField("type_name")


def _get_class(name: str) -> Any:
    return GetMessageClass(_pool.FindMessageTypeByName(f"opentelemetry.proto.{name}"))


_pool = _build_pool()
TraceRequest = _get_class("collector.trace.v1.ExportTraceServiceRequest")
LogsRequest = _get_class("collector.logs.v1.ExportLogsServiceRequest")
Span = _get_class("trace.v1.Span")
LogRecord = _get_class("logs.v1.LogRecord")
Resource = _get_class("resource.v1.Resource")
Scope = _get_class("common.v1.InstrumentationScope")
