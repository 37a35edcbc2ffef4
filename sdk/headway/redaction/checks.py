"""Whether what looks like a card, an account, an address or a password is one."""

import base64
import re
import socket
from contextlib import suppress

_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
"""Twice a digit, and the sum of that one's digits."""
_NOT_DIGITS = bytes(set(range(256)) - set(b"0123456789"))
_CARD_STARTS = b"234568"
_SHORTEST_CARD, _LONGEST_CARD = 13, 19
_FEWEST_KINDS = 2
"""Of digits in a card; one repeated, zeros for example, passes Luhn and is none."""

# The registry of SWIFT: https://www.swift.com/standards/data-standards/iban
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL FK SD", 19: "MK SI MN", 20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ TL OM SO",
        24: "AD CZ ES MD PK RO SA SE SK TN VG DZ", 25: "LY PT ST", 26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM BF", 28: "AL AZ BY CY DO GT HU LB NI PL SV BJ CI SN",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_IBAN_CHARACTER = re.compile(r"[ \t\r\n.\-]{0,2}([A-Za-z0-9])")
_YEAR = re.compile(r"(?:19|20)\d\d(?!\d)|\d\d?[./-]\d\d?[./-](?:19|20)\d\d")
_FEWEST_PHONE_DIGITS, _MOST_PHONE_DIGITS = 7, 15


def digits_of(text: str) -> bytes:
    """Return the ASCII digits of a text alone."""
    return text.encode("latin-1", "replace").translate(None, _NOT_DIGITS)


def is_card(digits: bytes) -> bool:
    """Whether the digits can be a card's number, by its length, first digit and Luhn's sum."""
    count = len(digits)
    if not _SHORTEST_CARD <= count <= _LONGEST_CARD or digits[0] not in _CARD_STARTS:
        return False
    total = sum(digits[-1::-2]) + sum(digits[-2::-2].translate(_DOUBLED)) - count * ord("0")
    return total % 10 == 0 and len(set(digits)) >= _FEWEST_KINDS


def end_of_iban(text: str, start: int) -> int | None:
    """Return where the account number that begins at ``start`` ends, or None where it is none."""
    length = _IBAN_LENGTHS.get(text[start : start + 2].upper())
    if length is None:
        return None
    end, kept = start, ""
    while len(kept) < length:
        found = _IBAN_CHARACTER.match(text, end)
        if found is None:
            return None
        kept += found[1]
        end = found.end()
    # Other scripts write no space between a number and the word behind it.
    if (behind := text[end : end + 1]).isascii() and behind.isalnum():
        return None
    turned = (kept[4:] + kept[:4]).upper()
    return end if int("".join(str(int(each, 36)) for each in turned)) % 97 == 1 else None


def is_phone(text: str) -> bool:
    """Whether as many digits are there as a number has, and it is no date."""
    count = len(digits_of(text))
    return _FEWEST_PHONE_DIGITS <= count <= _MOST_PHONE_DIGITS and not _YEAR.match(text)


def is_ipv4(text: str) -> bool:
    """Whether each of the four numbers fits into a byte."""
    return all(int(part) < 256 for part in text.split("."))


def is_ipv6(text: str) -> bool:
    """Whether it is an address, and no name like ``Abc::Def`` of a program."""
    if not any(each.isdigit() for each in text):
        return False
    with suppress(OSError, ValueError):
        socket.inet_pton(socket.AF_INET6, text)
        return True
    return False


def is_credentials(text: str) -> bool:
    """Whether it is a user and a password in base64, as HTTP's basic authentication has them."""
    with suppress(ValueError):
        said = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        return b":" in said and said.isascii()
    return False
