"""One run of one SDK: how long a logged call takes beside the same call unlogged.

Run by ``bench_sdk.py`` as ``python sdk_worker.py headway|opentelemetry URL CALLS FOLDER``, each in
the virtual environment that has that SDK; prints a line of JSON. It imports nothing of ours
besides the SDK under test, since the peer's environment has nothing of ours.
"""

import json
import pydoc_data.topics
import sys
import time
from collections.abc import Callable

MARK = "one-logged-call"
SIZE = 1024
_TEXT = "".join(pydoc_data.topics.topics.values())


def piece(number: int) -> str:
    """Return 1 KB of real prose, another for each number."""
    start = number * 617 % (len(_TEXT) - SIZE)
    return _TEXT[start : start + SIZE]


def bare(question: str) -> str:
    """Stand for the model: hand back a text that is there already."""
    return _TEXT[: SIZE + len(question) - SIZE]


def with_headway(url: str, folder: str) -> tuple[Callable[[str], str], Callable[[], object]]:
    """Return the function under Headway's decorator, and the flush."""
    import headway  # the peer's environment does not have it

    headway.init(project="bench", url=url, journal_dir=folder)
    return headway.observe(kind="llm", name=MARK)(bare), lambda: headway.flush(timeout_s=5.0)


def with_opentelemetry(url: str, _: str) -> tuple[Callable[[str], str], Callable[[], object]]:
    """Return the function in a span with its texts as attributes, and the flush."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # type: ignore[import-not-found]
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace import TracerProvider  # type: ignore[import-not-found]
    from opentelemetry.sdk.trace.export import (  # type: ignore[import-not-found]
        BatchSpanProcessor,
    )

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    tracer = provider.get_tracer("bench")

    def logged(question: str) -> str:
        with tracer.start_as_current_span(MARK) as span:
            span.set_attribute("gen_ai.operation.name", "chat")
            span.set_attribute("gen_ai.input.messages", question)
            answer = bare(question)
            span.set_attribute("gen_ai.output.messages", answer)
            return answer

    return logged, lambda: provider.force_flush(5000)


def median_ns(function: Callable[[str], str], questions: list[str]) -> float:
    """Return the median time of a call, back to back, in nanoseconds."""
    clock = time.perf_counter_ns
    times = []
    for question in questions:
        before = clock()
        function(question)
        times.append(clock() - before)
    times.sort()
    return times[len(times) // 2]


def main() -> None:
    """Measure and print."""
    sdk, url, calls, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    questions = [piece(number) for number in range(calls)]
    logged, flush = (with_headway if sdk == "headway" else with_opentelemetry)(url, folder)
    for question in questions[:200]:
        logged(question)
    flush()
    plain_ns = median_ns(bare, questions)
    started = time.perf_counter_ns()
    logged_ns = median_ns(logged, questions)
    mean_ns = (time.perf_counter_ns() - started) / calls
    flush()
    answer = {
        "median_us": (logged_ns - plain_ns) / 1e3,
        "mean_us": (mean_ns - plain_ns) / 1e3,
        "calls": calls + 200,
    }
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
