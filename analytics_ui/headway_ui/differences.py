"""Two answers side by side with what differs marked, as HTML that is safe to show. Pure.

Words are compared, not letters: ``"refund"`` against ``"return"`` is one change. What is marked is
underlined as well as coloured, since colour alone says nothing to some.
"""

import html
import re
from dataclasses import dataclass
from difflib import SequenceMatcher

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_MOST_TOKENS = 2000


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that is the same in both answers, or is not."""

    text: str
    is_changed: bool


@dataclass(frozen=True, slots=True)
class Marked:
    """The two answers in pieces."""

    left: list[Piece]
    right: list[Piece]


def compare(left: str, right: str) -> Marked:
    """Return both texts in pieces; very long ones are told apart only as wholes."""
    before, after = _TOKEN.findall(left), _TOKEN.findall(right)
    if max(len(before), len(after)) > _MOST_TOKENS:
        is_changed = left != right
        return Marked([Piece(left, is_changed)], [Piece(right, is_changed)])
    marked = Marked([], [])
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for tag, from_left, to_left, from_right, to_right in matcher.get_opcodes():
        is_changed = tag != "equal"
        if to_left > from_left:
            marked.left.append(Piece("".join(before[from_left:to_left]), is_changed))
        if to_right > from_right:
            marked.right.append(Piece("".join(after[from_right:to_right]), is_changed))
    return marked


def to_html(pieces: list[Piece], colour: str) -> str:
    """Return the pieces as one block of HTML; the texts in it are escaped.

    Args:
        pieces: of one answer.
        colour: three numbers of the mark's colour, as in ``"213, 94, 0"``; it is laid on thinly,
            so that it reads on light and on dark.
    """
    mark = (
        f"background: rgba({colour}, 0.28); color: inherit; border-radius: 3px; "
        "text-decoration: underline; text-underline-offset: 3px;"
    )
    inner = "".join(
        f'<mark style="{mark}">{html.escape(piece.text)}</mark>'
        if piece.is_changed
        else html.escape(piece.text)
        for piece in pieces
    )
    return (
        '<div style="white-space: pre-wrap; overflow-wrap: anywhere; '
        f'font-family: monospace; font-size: 0.85rem; line-height: 1.5">{inner}</div>'
    )
