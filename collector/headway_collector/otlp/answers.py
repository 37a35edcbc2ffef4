"""What OTLP answers: an export's success, all or in part, and every no as ``google.rpc.Status``.

An answer speaks the encoding of its request. Exporters retry on 429, 502, 503 and 504 alone, and
most never look into an answer; what was refused therefore stands in the table ``rejects`` as well.
"""

from dataclasses import dataclass
from typing import Any, Literal

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
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
"""Where exporters post to; whoever GETs one of them asks for something else."""

# An answer may have 4 MiB; these stay far below.
_SHOWN_REASONS = 20
_REASON_CHARS = 500

_ANSWERS: dict[Signal, Any] = {
    "traces": ExportTraceServiceResponse,
    "logs": ExportLogsServiceResponse,
    "metrics": ExportMetricsServiceResponse,
}
_REJECTED: dict[Signal, str] = {
    "traces": "rejected_spans",
    "logs": "rejected_log_records",
    "metrics": "rejected_data_points",
}
# Of google.rpc.Code, for the statuses that this collector has.
_CODES = {
    400: 3,
    401: 16,
    403: 7,
    404: 5,
    405: 12,
    413: 8,
    415: 3,
    422: 3,
    429: 8,
    500: 13,
    503: 14,
}
_UNKNOWN_CODE = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many items were refused; what there is to say about those, or about the others."""

    rejected: int = 0
    message: str = ""


def find_media_type(content_type: str) -> MediaType | None:
    """Return which of the two encodings a ``Content-Type`` names, or None."""
    named = content_type.partition(";")[0].strip().lower()
    if named == PROTOBUF:
        return PROTOBUF
    return JSON if named == JSON else None


def join_reasons(reasons: list[str]) -> str:
    """Return the first of the reasons as one text, and how many more there are."""
    shown = [each[:_REASON_CHARS] for each in reasons[:_SHOWN_REASONS]]
    if len(reasons) > _SHOWN_REASONS:
        shown.append(f"and {len(reasons) - _SHOWN_REASONS} more")
    return "; ".join(shown)


def encode_outcome(signal: Signal, media_type: MediaType, outcome: Outcome) -> bytes:
    """Return an ``Export…ServiceResponse``; ``partial_success`` is unset where all is well."""
    answer = _ANSWERS[signal]()
    if outcome.rejected or outcome.message:
        partial = answer.partial_success
        setattr(partial, _REJECTED[signal], outcome.rejected)
        partial.error_message = outcome.message
    return _encode(answer, media_type)


def encode_refusal(http_status: int, media_type: MediaType, message: str) -> bytes:
    """Return the ``google.rpc.Status`` of a request that gets no for an answer."""
    status = Status(code=_CODES.get(http_status, _UNKNOWN_CODE), message=message)
    if http_status == 400:
        fault = BadRequest.FieldViolation(field="body", description=message)
        status.details.add().Pack(BadRequest(field_violations=[fault]))
    return _encode(status, media_type)


def _encode(message: Message, media_type: MediaType) -> bytes:
    if media_type == JSON:
        text: str = MessageToJson(message, indent=None, ensure_ascii=False)
        return text.encode()
    raw: bytes = message.SerializeToString()
    return raw
