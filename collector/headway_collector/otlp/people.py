"""By which attributes somebody is named: of a user and of a session."""

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
