"""Langfuse's drop-in client, which exports by itself to wherever its environment says."""

from langfuse import get_client
from langfuse.openai import OpenAI

from tests.emitters.conversations import talk

if __name__ == "__main__":
    talk(OpenAI())
    get_client().shutdown()
