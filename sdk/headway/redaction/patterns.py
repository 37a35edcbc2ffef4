"""The seven patterns: what a text must have for one to be looked for, and where each is in it.

None takes more than linear time. A pattern takes whole what it has begun with, possessively, so
that no character is read again from each of those before it. What only code can check (Luhn's sum,
a remainder, a range) is asked for at so many places of a text; beyond that, what looks like one is
taken for one.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import NamedTuple

from headway.redaction.checks import digits_of, end_of_iban, is_card, is_ipv4, is_ipv6, is_phone

_MOST_CHECKS = 1_000
"""Of one text and pattern."""
_FEWEST_CARD_DIGITS = 13
_FEWEST_PHONE_DIGITS = 7
_FEWEST_IBAN_DIGITS = 8
_FEWEST_IP_DOTS = 3


class Place(NamedTuple):
    """Where something was found."""

    start: int
    stop: int


Find = Callable[[str, bytes], Iterator[Place]]
"""Given a text and its digits, gives the places of what it finds."""

_DOMAIN = re.compile(r"@[\w-]++(?:\.[\w-]++){1,12}")
_LOCAL_BACKWARDS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]++|\"[^\"\n,:{}\[\]]{1,64}+\"")
_LONGEST_LOCAL = 256


def find_emails(text: str, digits: bytes) -> Iterator[Place]:
    """Find addresses of e-mail: something, an @, and a name with a dot that ends in letters."""
    for number, found in enumerate(_DOMAIN.finditer(text)):
        start, stop = found.span()
        before = text[max(0, start - _LONGEST_LOCAL) : start][::-1]
        local = _LOCAL_BACKWARDS.match(before)
        if local is None:
            continue
        if number < _MOST_CHECKS:
            domain = found[0]
            while domain and not domain[-2:].isalpha():
                domain = domain.rpartition(".")[0]
            if "." not in domain:
                continue
            stop = start + len(domain)
        yield Place(start - local.end(), stop)


_BETWEEN = r"[\s().\-/]{0,3}"
_INTERNATIONAL = re.compile(rf"\+(?<!\w\+)\(?[1-9](?:{_BETWEEN}\d){{6,14}}+", re.ASCII)
_NATIONAL = re.compile(rf"0(?<![\w.,:+-]0)(?=0?[1-9])(?:{_BETWEEN}\d){{8,14}}(?!\d)", re.ASCII)
_NORTH_AMERICAN = re.compile(
    r"[2-9](?<![\w.,+][2-9])\d\d(?:\)\s{0,2}|[\s.-])[2-9]\d\d[\s.-]\d{4}(?!\w)", re.ASCII
)


def find_phones(text: str, digits: bytes) -> Iterator[Place]:
    """Find telephone numbers: with +, with a 0 or 00 before, and as North America writes them."""
    if len(digits) < _FEWEST_PHONE_DIGITS:
        return
    for found in _INTERNATIONAL.finditer(text):
        yield Place(*found.span())
    for number, found in enumerate(_NATIONAL.finditer(text)):
        if number >= _MOST_CHECKS or is_phone(found[0]):
            yield _with_bracket(text, found)
    for found in _NORTH_AMERICAN.finditer(text):
        yield _with_bracket(text, found)


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


def find_cards(text: str, digits: bytes) -> Iterator[Place]:
    """Find numbers of cards: 13 to 19 digits by themselves, or in the groups of a card's face."""
    if len(digits) < _FEWEST_CARD_DIGITS:
        return
    checks = count()
    for run in _DIGIT_RUN.finditer(text):
        alone = digits_of(run[0])
        if len(alone) < _FEWEST_CARD_DIGITS:
            continue
        if is_card(alone):
            yield Place(*run.span())
            continue
        for found in _CARD.finditer(text, *run.span()):
            is_unchecked = next(checks) >= _MOST_CHECKS
            if is_unchecked or is_card(digits_of(found[0] + found[1])):
                yield Place(found.start(), found.end(1))
            if found[2] and (is_unchecked or is_card(digits_of(found[0] + found[1] + found[2]))):
                yield Place(found.start(), found.end(2))


_IBAN_DIGITS = re.compile(r"[0-9](?<=[A-Za-z]{2}[0-9])[0-9](?=[\s.\-]{0,2}[A-Za-z0-9]{2})")
_LONGEST_IBAN = 50


def find_ibans(text: str, digits: bytes) -> Iterator[Place]:
    """Find numbers of bank accounts, by the length of their country and their check digits."""
    if len(digits) < _FEWEST_IBAN_DIGITS:
        return
    for number, found in enumerate(_IBAN_DIGITS.finditer(text)):
        start = found.start() - 2
        if number >= _MOST_CHECKS:
            yield Place(start, min(len(text), start + _LONGEST_IBAN))
        elif (end := end_of_iban(text, start)) is not None:
            yield Place(start, end)


_IPV4 = re.compile(
    r"[0-9](?<![0-9]{2})(?<![0-9]\.[0-9])[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9])"
)
_IPV6_COLON = re.compile(
    r":(?=:|(?:[0-9A-Fa-f]{1,4}:){5}|(?:[0-9A-Fa-f]{1,4}:){1,5}:)"
    r"(?::?[0-9A-Fa-f]{1,4}(?![0-9A-Fa-f])|:){1,8}+(?:\.\d{1,3}){0,3}+(?![0-9A-Za-z])"
)
_HEX_BACKWARDS = re.compile(r"[0-9A-Fa-f]{0,4}+(?![0-9A-Za-z])")


def find_ips(text: str, digits: bytes) -> Iterator[Place]:
    """Find addresses of the Internet Protocol, of both versions."""
    if not digits:
        return
    if text.count(".") >= _FEWEST_IP_DOTS:
        for number, found in enumerate(_IPV4.finditer(text)):
            if number >= _MOST_CHECKS or is_ipv4(found[0]):
                yield Place(*found.span())
    for number, found in enumerate(_IPV6_COLON.finditer(text)):
        start, stop = found.span()
        head = _HEX_BACKWARDS.match(text[max(0, start - 5) : start][::-1])
        start -= head.end() if head else 0
        # A colon may belong to the sentence around it.
        said = text[start:stop]
        if number >= _MOST_CHECKS or any(map(is_ipv6, (said, said[:-1], said[1:]))):
            yield Place(start, stop)


_PREFIXES = (
    "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xai-", "pplx-", "nvapi-",
    "tvly-", "gsk_", "npm_", "pypi-", "shpat_", "dop_v1_", "sntrys_", "lin_api_", "whsec_",
    "xapp-", "AIza", "ya29.",
)  # fmt: skip
_KEYS: Mapping[str, re.Pattern[str]] = {
    sign: re.compile(pattern)
    for sign, pattern in {
        **{prefix: rf"{re.escape(prefix)}[\w-]{{16,}}+" for prefix in _PREFIXES},
        "sk-": r"sk-(?<![A-Za-z0-9]sk-)[\w-]{16,}+",
        "hf_": r"hf_(?<![A-Za-z0-9]hf_)[0-9A-Za-z]{16,}+",
        "r8_": r"r8_(?<![A-Za-z0-9]r8_)[0-9A-Za-z]{16,}+",
        "_live_": r"[a-z]{2}_live_[0-9A-Za-z]{10,}+",
        "_test_": r"(?:sk|pk|rk)_test_[0-9A-Za-z]{10,}+",
        "xox": r"xox[a-z]-[\w-]{10,}+",
        "SG.": r"SG\.[\w-]{16,}+\.[\w-]++",
        "AKIA": r"AKIA[0-9A-Z]{12,}+",
        "ASIA": r"ASIA[0-9A-Z]{12,}+",
        "earer": r"[Bb]earer\s{1,4}([\w.~+/=-]{16,}+)",
        "://": r"://([^\s/@:]{0,100}+:[^\s/@]{1,200}+)@",
        "PRIVATE KEY-----": r"-----BEGIN[ A-Z0-9]{0,40}?PRIVATE KEY-----"
        r"[^-]*+(?:-(?!----END)[^-]*+)*+(?:-----END[ A-Z0-9]{0,40}?PRIVATE KEY-----)?",
    }.items()
}
"""By a text that each has: OpenAI's and Anthropic's, GitHub's, GitLab's, Slack's, Amazon's,
Google's, Hugging Face's, Stripe's and others', bearer tokens, passwords in addresses, PEM."""


def find_api_keys(text: str, digits: bytes) -> Iterator[Place]:
    """Find keys and tokens by the shapes that their makers gave them."""
    for sign, pattern in _KEYS.items():
        if sign in text:
            for found in pattern.finditer(text):
                yield Place(*found.span(pattern.groups))


_JWT = re.compile(r"eyJ[\w-]*+(\.[\w-]{2,}+(?:\.[\w-]*+){0,3})?")


def find_jwts(text: str, digits: bytes) -> Iterator[Place]:
    """Find JSON web tokens: two to five parts in base64, the first of which is an object."""
    if "eyJ" in text:
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
