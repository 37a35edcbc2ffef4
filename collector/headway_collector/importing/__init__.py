"""``headway import``: logs that lie in a file become spans and scores, once, however often run."""
