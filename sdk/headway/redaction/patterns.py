"""The seven patterns: what a text must have for one to be looked for, and where each is in it.

None takes more than linear time. A pattern takes whole what it has begun with, possessively, so
that no character is read again from each of those before it. What only code can check (Luhn's sum,
a remainder, a range) is asked for at so many places of a text; beyond that, what looks like one is
taken for one.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import starmap
from typing import NamedTuple

from headway.redaction.checks import (
    digits_of,
    end_of_iban,
    is_card,
    is_ipv4,
    is_ipv6,
    is_phone,
)
from headway.redaction.keys import key_spans, keys_in
from headway.redaction.outlines import Outline

_MOST_CHECKS = 1_000
"""Of one text and pattern."""
_FEWEST_PHONE_DIGITS = 7
_FEWEST_IBAN_DIGITS = 8
_FEWEST_IPV4_DOTS = 3
_FEWEST_IPV6_COLONS = 2


class Place(NamedTuple):
    """Where something was found."""

    start: int
    stop: int


Find = Callable[[str, Outline], Iterable[Place]]
"""Given a text and its outline, gives the places of what it finds.

Most texts have nothing of most kinds: what an outline rules out at once is ``NOWHERE``, which
spares the generator.
"""
NOWHERE: tuple[Place, ...] = ()

_DOMAIN = re.compile(r"@[\w-]++(?:\.[\w-]++){1,12}")
_TOP_LEVEL = re.compile(r"[xX][nN]--[A-Za-z0-9](?:-*+[A-Za-z0-9])*+|[^\W\d_]{2,}+")
_LOCAL_BACKWARDS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]++|\"[^\"\n,:{}\[\]]{1,64}+\"")
_LONGEST_LOCAL = 256


def find_emails(text: str, outline: Outline) -> Iterable[Place]:
    """Find addresses of e-mail: something, an @, and a name with a dot that ends in letters."""
    return _emails(text) if "@" in text else NOWHERE


def _emails(text: str) -> Iterator[Place]:
    for number, found in enumerate(_DOMAIN.finditer(text)):
        start, stop = found.span()
        before = text[max(0, start - _LONGEST_LOCAL) : start][::-1]
        local = _LOCAL_BACKWARDS.match(before)
        if local is None:
            continue
        if number < _MOST_CHECKS:
            length = _length_of_domain(found[0])
            if not length:
                continue
            stop = start + length
        yield Place(start - local.end(), stop)


def _length_of_domain(domain: str) -> int:
    # Up to the end of a label that can be the last one; 0 where there is none.
    while "." in domain:
        rest, _, label = domain.rpartition(".")
        if top := _TOP_LEVEL.match(label):
            # In pkg@1.0.rc1 it is a version, while example.com1 has something behind it.
            if top.end() == len(label) or label[top.end()] in "_-" or not rest[-1].isdigit():
                return len(rest) + 1 + top.end()
        elif label[-2:].isalpha():
            return len(domain)
        domain = rest
    return 0


_BETWEEN = r"[\s().\-/]{0,3}+"
_EIGHT_DIGITS = rf"{_BETWEEN}\d" * 8
"""Written out, which is read in half the time that a repeated group takes."""
_LABELS = "|".join(
    rf"(?<=(?i:{end})\+)" for end in ("tel", "one", "fon", "fax", "cell", "mob", "bil")
)
"""Ends of words that stand right before a number."""
_INTERNATIONAL = re.compile(
    rf"\+(?:(?<![A-Za-z0-9+]\+)|{_LABELS})\(?[1-9](?:{_BETWEEN}\d){{6,14}}+", re.ASCII
)
_NATIONAL = re.compile(
    rf"0(?<![A-Za-z0-9+-]0)(?<![A-Za-z0-9]_0)(?<!\d[.,:]0)(?=0?[1-9]|0 [1-9]){_EIGHT_DIGITS}"
    rf"(?:{_BETWEEN}\d){{0,6}}(?!\d)",
    re.ASCII,
)
_NORTH_AMERICAN = re.compile(
    r"[2-9](?<![A-Za-z0-9.,+][2-9])(?<![A-Za-z0-9]_[2-9])\d\d(?:\)\s{0,2}|[\s.-])[2-9]\d\d[\s.-]"
    r"\d{4}(?!_?[A-Za-z0-9])",
    re.ASCII,
)
_BRACKETED = re.compile(
    r"\((?<![A-Za-z0-9]\()(?<![A-Za-z0-9]_\()\d{2,5}\)\s{0,2}\d{3,5}[\s.-]\d{2,4}"
    r"(?:[\s.-]\d{2,4})?(?!_?[A-Za-z0-9]|[.,]\d)",
    re.ASCII,
)


def find_phones(text: str, outline: Outline) -> Iterable[Place]:
    """Find telephone numbers: with +, with a 0 or 00 before, and as North America writes them."""
    return _phones(text, outline) if outline.digits >= _FEWEST_PHONE_DIGITS else NOWHERE


def _phones(text: str, outline: Outline) -> Iterator[Place]:
    # A single character is found at once, and several take a microsecond.
    if "+" in text and outline.has_run(b"+0000000"):
        for found in _INTERNATIONAL.finditer(text):
            yield Place(*found.span())
    if outline.has_run(b"000000000"):
        for number, found in enumerate(_NATIONAL.finditer(text)):
            if number >= _MOST_CHECKS or is_phone(found[0]):
                yield _with_bracket(text, found)
    if outline.has(b"000 000 0000") or (")" in text and outline.has(b"000)")):
        for found in _NORTH_AMERICAN.finditer(text):
            yield _with_bracket(text, found)
    if "(" in text and outline.has(b"(00"):
        for found in _BRACKETED.finditer(text):
            yield Place(*found.span())


def _with_bracket(text: str, found: re.Match[str]) -> Place:
    start, stop = found.span()
    return Place(start - (start > 0 and text[start - 1] == "("), stop)


_GAP = r"[\s.\-/_]{1,3}"
_DIGIT_RUN = re.compile(rf"[0-9](?<![0-9]{{2}})(?=[\d\s.\-/_]{{12}})\d*+(?:{_GAP}\d++)*+", re.ASCII)
_CARD = re.compile(
    rf"[2-68](?<![0-9]{{2}})(?=(\d{{12,18}}|\d{{3}}{_GAP}(?:"
    rf"\d{{4}}{_GAP}\d{{4}}{_GAP}\d{{1,4}}|\d{{6}}{_GAP}\d{{4,5}})|\d{{7}}{_GAP}\d{{8}})"
    rf"((?<=\d{{4}}){_GAP}\d{{3}})?(?!\d))",
    re.ASCII,
)


def find_cards(text: str, outline: Outline) -> Iterable[Place]:
    """Find numbers of cards: 13 to 19 digits by themselves, or in the groups of a card's face."""
    is_odd, is_usual = outline.may_have_odd_card, outline.may_have_card
    return _cards(text, is_odd=is_odd, is_usual=is_usual) if is_odd or is_usual else NOWHERE


def _cards(text: str, *, is_odd: bool, is_usual: bool) -> Iterator[Place]:
    if is_odd:
        for run in _DIGIT_RUN.finditer(text):
            if is_card(digits_of(run[0])):
                yield Place(*run.span())
    if is_usual:
        for number, found in enumerate(_CARD.finditer(text)):
            said = digits_of(found[0] + found[1])
            if number >= _MOST_CHECKS or is_card(said):
                yield Place(found.start(), found.end(1))
            if found[2] and (number >= _MOST_CHECKS or is_card(said + digits_of(found[2]))):
                yield Place(found.start(), found.end(2))


_IBAN_DIGITS = re.compile(r"[0-9](?<=[A-Za-z]{2}[0-9])[0-9](?=[\s.\-]{0,2}[A-Za-z0-9]{2})")
_LONGEST_IBAN = 50


def find_ibans(text: str, outline: Outline) -> Iterable[Place]:
    """Find numbers of bank accounts, by the length of their country and their check digits."""
    return (
        _ibans(text) if outline.digits >= _FEWEST_IBAN_DIGITS and outline.has(b"aa00") else NOWHERE
    )


def _ibans(text: str) -> Iterator[Place]:
    for number, found in enumerate(_IBAN_DIGITS.finditer(text)):
        start = found.start() - 2
        if number >= _MOST_CHECKS:
            yield Place(start, min(len(text), start + _LONGEST_IBAN))
        elif (end := end_of_iban(text, start)) is not None:
            yield Place(start, end)


# Numbers after the fourth are taken as well, so that they are read once, and all passed over.
_IPV4_DOT = re.compile(
    r"\.(?<=[0-9]\.)[0-9]{1,3}+\.[0-9]{1,3}+\.[0-9]{1,3}+(?![0-9])((?:\.[0-9]++)*+)"
)
_NUMBER_BACKWARDS = re.compile(r"[0-9]{1,3}+(?![0-9]|\.[0-9])")
_IPV6_COLON = re.compile(
    r":(?=:|(?:[0-9A-Fa-f]{1,4}:){5}|(?:[0-9A-Fa-f]{1,4}:){1,5}:)"
    r"(?::?[0-9A-Fa-f]{1,4}(?![0-9A-Fa-f])|:){1,8}+(?:\.\d{1,3}){0,3}+(?![0-9A-Za-z])"
)
_HEX_BACKWARDS = re.compile(r"[0-9A-Fa-f]{0,4}+(?![0-9A-Za-z])")


def find_ips(text: str, outline: Outline) -> Iterable[Place]:
    """Find addresses of the Internet Protocol, of both versions."""
    if not outline.digits:
        return NOWHERE
    has_dots = text.count(".") >= _FEWEST_IPV4_DOTS and outline.has(b"0 0")
    has_colons = text.count(":") >= _FEWEST_IPV6_COLONS
    return (
        _ips(text, has_dots=has_dots, has_colons=has_colons) if has_dots or has_colons else NOWHERE
    )


def _ips(text: str, *, has_dots: bool, has_colons: bool) -> Iterator[Place]:
    if has_dots:
        yield from _ipv4(text)
    if has_colons:
        yield from _ipv6(text)


def _ipv4(text: str) -> Iterator[Place]:
    for number, found in enumerate(_IPV4_DOT.finditer(text)):
        start, stop = found.span()
        head = _NUMBER_BACKWARDS.match(text[max(0, start - 5) : start][::-1])
        if head is None or found[1]:
            continue
        start -= head.end()
        if number >= _MOST_CHECKS or is_ipv4(text[start:stop]):
            yield Place(start, stop)


def _ipv6(text: str) -> Iterator[Place]:
    for number, found in enumerate(_IPV6_COLON.finditer(text)):
        start, stop = found.span()
        head = _HEX_BACKWARDS.match(text[max(0, start - 5) : start][::-1])
        if head is None and found[0].startswith("::"):
            # The name of something in a program, such as std::b64.
            continue
        start -= head.end() if head else 0
        # A colon may belong to the sentence around it.
        said = text[start:stop]
        if number >= _MOST_CHECKS or any(map(is_ipv6, (said, said[:-1], said[1:]))):
            yield Place(start, stop)


def find_api_keys(text: str, outline: Outline) -> Iterable[Place]:
    """Find keys, tokens and passwords that have a shape of their own."""
    keys = keys_in(text, has_long_word=outline.has_long_word)
    return starmap(Place, key_spans(text, keys)) if keys else NOWHERE


_JWT = re.compile(r"eyJ[\w-]*+(\.[\w-]{2,}+(?:\.[\w-]*+){0,3})?")


def find_jwts(text: str, outline: Outline) -> Iterable[Place]:
    """Find JSON web tokens: two to five parts in base64, the first of which is an object."""
    return _jwts(text) if "eyJ" in text else NOWHERE


def _jwts(text: str) -> Iterator[Place]:
    # Without its other parts it is taken as well, so that it is read once, and passed over.
    for found in _JWT.finditer(text):
        if found[1]:
            yield Place(*found.span())


FINDERS: Mapping[str, Find] = {
    "api_key": find_api_keys,
    "jwt": find_jwts,
    "email": find_emails,
    "iban": find_ibans,
    "card": find_cards,
    "phone": find_phones,
    "ip": find_ips,
}
"""In the order in which one is preferred to another that is at the same place."""
