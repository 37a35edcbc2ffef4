"""No instrumentation: an application that sets GenAI attributes on spans of its own."""

from opentelemetry.trace import SpanKind, Status, StatusCode

from tests.emitters.exporting import exporting

if __name__ == "__main__":
    with exporting() as tracers:
        tracer = tracers.get_tracer("shop", "1.2")
        with tracer.start_as_current_span("handle", attributes={"session.id": "s1"}) as root:
            root.add_event("accepted", {"queue": "mail"})
            with tracer.start_as_current_span("chat support-7b", kind=SpanKind.CLIENT) as span:
                span.set_attributes(
                    {
                        "gen_ai.operation.name": "chat",
                        "gen_ai.provider.name": "acme",
                        "gen_ai.request.model": "support-7b",
                        "gen_ai.response.finish_reasons": ["length"],
                        "gen_ai.usage.input_tokens": 31,
                        "app.ratio": 0.5,
                        "app.flag": True,
                        "app.list": [1, 2, 3],
                    }
                )
                span.record_exception(TimeoutError("no answer in 5 s"))
                span.set_status(Status(StatusCode.ERROR, "timed out"))
