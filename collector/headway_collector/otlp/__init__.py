"""OpenTelemetry's protocol over HTTP: bytes to plain structs, and answers in its words."""
