"""The collector: decode, commit, answer."""
