"""Models as judges: their prompts, what they answered, and how far they agree with people."""
