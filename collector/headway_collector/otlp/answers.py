"""What OTLP answers: an export's success, all or in part, and every no as ``google.rpc.Status``.

An answer speaks the encoding of its request. Exporters retry on 429, 502, 503 and 504 alone, and
most never look into an answer; what was refused therefore stands in the table ``rejects`` as well.
"""

from typing import Any, Literal, NamedTuple

import msgspec
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

Signal = Literal["traces", "logs", "metrics"]
MediaType = Literal["application/x-protobuf", "application/json"]

PROTOBUF: MediaType = "application/x-protobuf"
JSON: MediaType = "application/json"

PATHS = ("/v1/traces", "/v1/logs", "/v1/metrics")

_SHOWN_REASONS = 20
# An answer may have 4 MiB; twenty reasons, each quoting a sender's value, stay far below.
_REASON_CHARS = 500

# The numbers of google.rpc.Code for our statuses.
_CODES = {400: 3, 404: 5, 405: 12, 413: 8, 415: 3, 422: 3, 429: 8, 500: 13, 503: 14}
_UNKNOWN = 2


class Outcome(NamedTuple):
    """How many items were refused, and what to tell about them, or about the others."""

    rejected: int = 0
    message: str = ""


def find_media_type(content_type: str) -> MediaType | None:
    """Return which of the two encodings a ``Content-Type`` names, or None."""
    named = content_type.partition(";")[0].strip().lower()
    if named == PROTOBUF:
        return PROTOBUF
    return JSON if named == JSON else None


def describe_refused(reasons: list[str]) -> str:
    """Return the first reasons as one text, and how many more there are."""
    shown = [each[:_REASON_CHARS] for each in reasons[:_SHOWN_REASONS]]
    if len(reasons) > _SHOWN_REASONS:
        shown.append(f"and {len(reasons) - _SHOWN_REASONS} more")
    return "; ".join(shown)


def encode_outcome(signal: Signal, media_type: MediaType, outcome: Outcome) -> bytes:
    """Return the ``Export…ServiceResponse``; ``partial_success`` is set only where it says more."""
    if media_type == JSON:
        return msgspec.json.encode(_describe_outcome(signal, outcome))
    if signal == "traces":
        traces = ExportTraceServiceResponse()
        if any(outcome):
            traces.partial_success.rejected_spans = outcome.rejected
            traces.partial_success.error_message = outcome.message
        return traces.SerializeToString()
    if signal == "logs":
        logs = ExportLogsServiceResponse()
        if any(outcome):
            logs.partial_success.rejected_log_records = outcome.rejected
            logs.partial_success.error_message = outcome.message
        return logs.SerializeToString()
    metrics = ExportMetricsServiceResponse()
    if any(outcome):
        metrics.partial_success.rejected_data_points = outcome.rejected
        metrics.partial_success.error_message = outcome.message
    return metrics.SerializeToString()
