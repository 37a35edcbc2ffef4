"""Which requests share a batch: those of like length, as many as a budget of tokens holds.

A batch costs its rows times its longest row, so a short prompt beside a long one is paid like
the long one. In order of length the waste is small, and with the longest first a batch that
does not fit in memory fails at the start and not after an hour.
"""

from collections.abc import Sequence


def pack(lengths: Sequence[int], budget_tokens: int) -> list[list[int]]:
    """Return batches of indices, the longest first.

    Args:
        lengths: prompt and answer together, in tokens.
        budget_tokens: the most that rows times the longest row may come to; a row longer than
            that is a batch of its own.
    """
    batches: list[list[int]] = []
    longest = 0
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        if batches and (len(batches[-1]) + 1) * longest <= budget_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
            longest = lengths[index]
    return batches
