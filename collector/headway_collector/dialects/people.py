"""For whom and where: user, session, tags, environment, release."""

from headway_collector.dialects.keys import Keys, Names
from headway_collector.dialects.lookups import find_text, find_texts
from headway_collector.otlp.telemetry import Attributes

PEOPLE_NAMES = {
    "user_id": (
        "langfuse.user.id",
        "user.id",
        "enduser.id",
        "traceloop.association.properties.user_id",
        "gen_ai.user",
        "llm.user",
        "ai.telemetry.metadata.userId",
    ),
    "session_id": (
        "langfuse.session.id",
        "session.id",
        "gen_ai.conversation.id",
        "langsmith.metadata.session_id",
        "langsmith.metadata.thread_id",
        "langsmith.metadata.conversation_id",
        "traceloop.association.properties.session_id",
        "ai.telemetry.metadata.sessionId",
        "wandb.thread_id",
        "thread_id",
        "gcp.vertex.agent.session_id",
        "genkit:sessionId",
    ),
}
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
