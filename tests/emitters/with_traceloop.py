"""Traceloop's instrumentation, also known as OpenLLMetry."""

from openai import OpenAI
from opentelemetry.instrumentation.openai import OpenAIInstrumentor

from tests.emitters.conversations import talk
from tests.emitters.exporting import exporting

if __name__ == "__main__":
    with exporting():
        OpenAIInstrumentor().instrument()
        talk(OpenAI())
