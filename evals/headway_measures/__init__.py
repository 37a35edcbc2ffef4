"""Statistics and scorers: pure functions, shared by the collector and the evals."""
