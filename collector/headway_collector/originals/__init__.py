"""The original of a foreign span, kept beside its row so that no text is stored twice."""
