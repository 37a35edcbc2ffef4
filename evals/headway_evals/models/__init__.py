"""Whatever answers a suite: a checkpoint, a Python function, answers that are already logged."""
