"""What foreign instrumentations say, in our words: a span of any dialect to the canonical one."""
