"""OpenInference's instrumentation, as used with Phoenix and Arize."""

from openai import OpenAI
from openinference.instrumentation.openai import OpenAIInstrumentor

from tests.emitters.conversations import talk
from tests.emitters.exporting import exporting

if __name__ == "__main__":
    with exporting():
        OpenAIInstrumentor().instrument()
        talk(OpenAI())
