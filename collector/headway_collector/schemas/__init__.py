"""The HTTP API's shapes as pydantic models: what is checked, and what is described."""
