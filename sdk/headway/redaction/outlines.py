"""How a text looks from afar, by which most patterns know at once that they have nothing to find.

    "card 4111-1111, tel (030)" -> "aaaa 0000 0000x aaa x000)"

Reading it takes a hundredth of what a pattern takes for the text itself.
"""

from functools import cached_property

_SEPARATORS = b" \t\n\r\f\v.-/_"
_FEWEST_CARD_DIGITS, _MOST_CARD_DIGITS = 13, 19
_CARD_FACES = (
    b"0" * _FEWEST_CARD_DIGITS,
    b"0000 0000 0000 0",
    b"0000 000000 0000",
    b"00000000 00000000",
)


def _sign_of(code: int) -> int:
    character = bytes([code])
    if character.isdigit():
        return ord("0")
    if character.isalpha():
        return ord("a")
    if character in _SEPARATORS:
        return ord(" ")
    return code if character in b"+()" else ord("x")


_SIGNS = bytes(map(_sign_of, range(256)))


class Outline:
    """A text by kinds: ``0`` is a digit, ``a`` a letter, a space what stands between groups."""

    def __init__(self, text: str) -> None:
        self._signs = text.encode("latin-1", "replace").translate(_SIGNS)
        self.digits = self._signs.count(b"0")
        """How many."""

    def has(self, part: bytes) -> bool:
        """Whether this stands in it somewhere."""
        return part in self._signs

    @property
    def may_have_card(self) -> bool:
        """Whether as many digits follow each other as a card has, or in its groups."""
        return self.digits >= _FEWEST_CARD_DIGITS and any(
            face in self._grouped for face in _CARD_FACES
        )

    @property
    def may_have_odd_card(self) -> bool:
        """Whether some run of digits is as long as a card, whatever its groups."""
        return self.digits >= _FEWEST_CARD_DIGITS and any(
            _FEWEST_CARD_DIGITS <= run.count(b"0") <= _MOST_CARD_DIGITS
            for run in self._grouped.translate(_RUNS).split()
            if len(run) >= _FEWEST_CARD_DIGITS
        )

    @cached_property
    def _grouped(self) -> bytes:
        # However many separators stand between two groups.
        return b" ".join(self._signs.split())


_RUNS = bytes(ord({"0": "0", " ": "_"}.get(chr(code), " ")) for code in range(256))
"""What parts runs becomes a space, and what parts groups none."""
