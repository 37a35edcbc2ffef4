"""What a case expects where the answer need not be it: one good text, or several."""

from typing import Any

from headway_measures.scores import shown


def fault_of_references(expected: Any) -> str | None:
    """Return why a value is neither a text nor a list of texts, or None."""
    if isinstance(expected, str):
        return None
    if not isinstance(expected, list | tuple) or not expected:
        return f"is {shown(expected)}, not a text or a list of texts"
    wrong = [each for each in expected if not isinstance(each, str)]
    return f"holds {shown(wrong[0])}, which is not text" if wrong else None


def references_of(expected: Any) -> list[str]:
    """Return the good texts.

    Raises:
        TypeError: the value holds something else.
    """
    fault = fault_of_references(expected)
    if fault is not None:
        raise TypeError(f"expected {fault}")
    return [expected] if isinstance(expected, str) else list(expected)
