"""The HTTP side: one router a family of paths."""
