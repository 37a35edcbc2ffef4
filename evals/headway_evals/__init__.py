"""Score candidate models against suites, and give verdicts that hold."""
