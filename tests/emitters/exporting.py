"""OpenTelemetry as an application sets it up: spans and log events, over OTLP/HTTP with gzip."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import set_tracer_provider


@contextmanager
def exporting() -> Iterator[TracerProvider]:
    """Export what the block emits to ``OTEL_EXPORTER_OTLP_ENDPOINT``, all of it by the end."""
    tracers, loggers = TracerProvider(), LoggerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(compression=Compression.Gzip)))
    loggers.add_log_record_processor(
        BatchLogRecordProcessor(OTLPLogExporter(compression=Compression.Gzip))
    )
    set_tracer_provider(tracers)
    set_logger_provider(loggers)
    try:
        yield tracers
    finally:
        loggers.shutdown()
        tracers.shutdown()
