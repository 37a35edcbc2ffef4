"""How the facts of an answer compare with those of a reference, as a judge is asked for it.

The five cases are those of OpenAI evals' ``fact``, which promptfoo's ``factuality`` takes over; the
words are ours. https://github.com/openai/evals/blob/main/docs/eval-templates.md
"""

QUESTION = """\
How do the facts of the answer compare with those of the reference? Leave style, grammar and \
punctuation aside.
A: the answer says a part of what the reference says, and nothing against it.
B: the answer says all that the reference says and more, and nothing against it.
C: the answer says the same as the reference.
D: the answer and the reference contradict each other.
E: they differ, but in nothing that matters for the facts."""

LABELS = ("A", "B", "C", "D", "E")
PASSING = ("A", "B", "C", "E")
