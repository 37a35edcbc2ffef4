"""How a text looks from afar, by which most patterns know at once that they have nothing to find.

    "card 4111-1111, tel (030)" -> "aaaa 0000 0000x aaa x000)"

Reading it takes a hundredth of what a pattern takes for the text itself.
"""

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
_SPACES_AND_BRACKETS = b" ()"
_WORDS = bytes(
    ord("w") if chr(code).isalnum() or code in b"_-?" or code > 127 else ord(" ")
    for code in range(256)
)
"""What may be of a key; what has no place in Latin-1 has become a question mark."""
_LONG_WORD = b"w" * 16


class Outline:
    """A text by kinds: ``0`` is a digit, ``a`` a letter, a space what stands between groups."""

    def __init__(self, text: str) -> None:
        self._text = text.encode("latin-1", "replace")
        self._signs = self._text.translate(_SIGNS)
        self.digits = self._signs.count(b"0")
        """How many."""
        self._runs: bytes | None = None
        self._wide_runs: bytes | None = None

    def has(self, part: bytes) -> bool:
        """Whether this stands in it somewhere."""
        return part in self._signs

    def has_run(self, part: bytes) -> bool:
        """Whether this stands in it somewhere, with spaces and brackets left out."""
        if self._wide_runs is None:
            self._wide_runs = self._signs.translate(None, _SPACES_AND_BRACKETS)
        return part in self._wide_runs

    @property
    def has_long_word(self) -> bool:
        """Whether 16 letters, digits, ``_`` and ``-`` stand in a row."""
        return _LONG_WORD in self._text.translate(_WORDS)

    @property
    def may_have_card(self) -> bool:
        """Whether as many digits follow each other as a card has, or in its groups."""
        if not self._has_card_run:
            return False
        # Up to three separators stand between two groups, and become one.
        grouped = self._signs.replace(b"  ", b" ").replace(b"  ", b" ")
        return any(face in grouped for face in _CARD_FACES)

    @property
    def may_have_odd_card(self) -> bool:
        """Whether some run of digits is as long as a card, whatever its groups."""
        if not self._has_card_run:
            return False
        runs = self._unspaced.translate(_DIGITS_ALONE).split()
        return not _CARD_LENGTHS.isdisjoint(map(len, runs))

    @property
    def _has_card_run(self) -> bool:
        return self.digits >= _FEWEST_CARD_DIGITS and _CARD_RUN in self._unspaced

    @property
    def _unspaced(self) -> bytes:
        if self._runs is None:
            self._runs = self._signs.translate(None, b" ")
        return self._runs


_CARD_RUN = b"0" * _FEWEST_CARD_DIGITS
_CARD_LENGTHS = frozenset(range(_FEWEST_CARD_DIGITS, _MOST_CARD_DIGITS + 1))
_DIGITS_ALONE = bytes(code if code == ord("0") else ord(" ") for code in range(256))
