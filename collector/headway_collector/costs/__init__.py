"""Tokens and seconds to dollars."""
