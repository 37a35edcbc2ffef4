"""For whom and where: user, session, tags, environment, release."""

from headway_collector.dialects.keys import Keys, Names
from headway_collector.dialects.lookups import find_text, find_texts
from headway_collector.otlp.people import PEOPLE_NAMES
from headway_collector.otlp.telemetry import Attributes

_TAGS = Names(
    "langfuse.trace.tags",
    "tag.tags",
    "logfire.tags",
    "langsmith.span.tags",
    "ai.telemetry.metadata.tags",
    "braintrust.tags",
)
# What the span does not say, its resource may.
PLACE_NAMES = {
    "environment": (
        "langfuse.environment",
        "deployment.environment.name",
        "deployment.environment",
    ),
    "release": ("langfuse.release", "langfuse.version", "service.version"),
}


def find_session(attributes: Attributes) -> str | None:
    """Return the conversation that something belongs to."""
    return find_text(attributes, PEOPLE_NAMES["session_id"])


def find_tags(attributes: Attributes, keys: Keys) -> list[str]:
    """Return the words that were put on the span or its trace."""
    return find_texts(attributes, keys[_TAGS])
