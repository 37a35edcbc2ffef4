"""OpenTelemetry's own instrumentation, in whichever era the environment opts into."""

from openai import OpenAI
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

from tests.emitters.conversations import talk
from tests.emitters.exporting import exporting

if __name__ == "__main__":
    with exporting():
        OpenAIInstrumentor().instrument()
        talk(OpenAI())
