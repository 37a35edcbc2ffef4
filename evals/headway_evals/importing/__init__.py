"""Suites of other tools, read into ours."""
