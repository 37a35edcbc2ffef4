"""Headway's client: log what language models are asked and what they answer."""
