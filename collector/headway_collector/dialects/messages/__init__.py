"""Messages of every dialect, read into the form of the GenAI conventions since 1.37."""
