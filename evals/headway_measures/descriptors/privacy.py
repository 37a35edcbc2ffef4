"""Which kinds of personal data and secrets a text holds; never the data themselves.

A cheap look at the whole batch says which texts may hold a kind at all, so that the patterns run
on few. What a pattern finds counts only where it can be real: check digits of cards and IBANs are
right, an address is of some machine and not the number of a version.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

NONE = "none"
"""What a text without any holds."""


_ISSUED = re.compile(r"4|5[1-5]|2[2-7]|3[04-8]|6")
"""How the numbers of cards begin."""

_GROUPED = {(14,), (15,), (16,), (19,), (4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4)}
"""How many digits are written together."""


def _is_card(found: str) -> bool:
    """Return whether a card's beginning and check digit are right (ISO/IEC 7812-1).

    The digits behind a decimal point are no card, nor are numbers in other groups than cards'.
    """
    groups = tuple(len(each) for each in re.split(" " if " " in found else "-", found))
    if "." in found or groups not in _GROUPED or not _ISSUED.match(found):
        return False
    digits = [int(each) for each in found if each.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(found: str) -> bool:
    """Return whether an IBAN's check digits are right (ISO 13616)."""
    bare = found.replace(" ", "")
    return int("".join(str(int(each, 36)) for each in bare[4:] + bare[:4])) % 97 == 1


_NO_MAIL = re.compile(r"git@|.*\.(?:png|jpe?g|gif|svg|webp|js|css)$", re.IGNORECASE)


def _is_email(found: str) -> bool:
    """Return whether it is a person's address: not of a repository, nor the name of a file."""
    return _NO_MAIL.match(found) is None


def _is_ip(found: str) -> bool:
    """Return whether an address is of some machine: no version, mask, or this machine itself."""
    octets = re.findall("[0-9]+", found)
    return not found[0].isalpha() and octets[0] not in ("0", "127", "255")


def _is_ssn(found: str) -> bool:
    """Return whether the number could have been issued; some never are."""
    area, group, serial = re.findall("[0-9]+", found)
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _is_key(found: str) -> bool:
    """Return whether a key is none of many plain words with hyphens between."""
    return found != found.lower() or bool(re.search("[0-9]", found)) or len(found.split("-")) < 4


@dataclass(frozen=True, slots=True)
class _PiiKind:
    name: str
    hint: str
    pattern: str
    is_real: Callable[[str], bool] | None = None


_EMAIL = r"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
# With the word before it that says it is none; so with cards and a decimal point before them.
_ADDRESS = (
    r"(?i:\b(?:version|release|build|section|chapter|clause))?"
    rf"(?:^|[^\w.])(?:{_OCTET}\.){{3}}{_OCTET}(?:$|[^\w.]|\.\s|\.$)"
)
_CARD = (
    r"(?:[0-9]\.|\b)(?:[2-6][0-9]{3}(?:[ -]?[0-9]{4}){3}(?:[ -]?[0-9]{3})?"
    r"|3[0-9]{3}[ -]?[0-9]{6}[ -]?[0-9]{4,5})\b"
)
_PHONE = (
    r"(?:^|[^\w.+-])(?:\+[1-9][0-9]{0,2}[ .-]?(?:\(?[0-9]{1,4}\)?[ .-]?){2,4}[0-9]{2,4}"
    r"|\(?[0-9]{3}\)?[ .-][0-9]{3}[.-][0-9]{4}|\([0-9]{3}\) [0-9]{3} [0-9]{4})(?:$|[^\w-])"
)
_KEY = (
    r"\bsk-[A-Za-z0-9_-]{16,}|\b[spr]k_(?:live|test)_[A-Za-z0-9]{16,}|\bgh[pousr]_[A-Za-z0-9]{30,}"
    r"|\bgithub_pat_\w{30,}|\bglpat-[\w-]{20}|\bnpm_[A-Za-z0-9]{36}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bA(?:KI|SI)A[A-Z0-9]{16}\b"
    r"|\bAIza[\w-]{35}|\bhf_[A-Za-z0-9]{30,}|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\."
    r"|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"
)
_KEY_HINT = (
    r"sk-|[spr]k_[lt]|gh[pousr]_|github_pat_|glpat-|npm_|xox[abprs]-|A[KS]IA|AIza|hf_|eyJ"
    r"|PRIVATE KEY"
)

# In the order of their names, in which they are reported.
_KINDS = (
    _PiiKind("card", r"[2-6][0-9]{3}[ -]?[0-9]{4,6}[ -]?[0-9]{4}", _CARD, _is_card),
    _PiiKind("email", "@", _EMAIL, _is_email),
    _PiiKind(
        "iban",
        r"[A-Z]{2}[0-9]{2}[ A-Z0-9]",
        r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
        _is_iban,
    ),
    _PiiKind("ip", r"[0-9]\.[0-9]{1,3}\.[0-9]", _ADDRESS, _is_ip),
    _PiiKind("key", _KEY_HINT, _KEY, _is_key),
    _PiiKind("phone", r"\+[0-9]|[0-9]{3}[).\s-]{1,2}[0-9]{3}[ .-][0-9]{4}", _PHONE),
    _PiiKind(
        "ssn",
        r"[0-9]-[0-9]{2}-[0-9]{4}",
        r"(?:^|[^\w-])[0-9]{3}-[0-9]{2}-[0-9]{4}(?:$|[^\w-])",
        _is_ssn,
    ),
)

_ANY_HINT = "|".join(kind.hint for kind in _KINDS)


def find_pii(texts: pl.Series) -> pl.Series:
    """Return the kinds that each text holds, with a comma between, or ``none``."""
    held: list[list[str]] = [[] for _ in range(texts.len())]
    frame = texts.alias("text").to_frame().with_row_index("place")
    frame = frame.filter(pl.col("text").str.contains(_ANY_HINT))
    for kind in _KINDS:
        likely = frame.filter(pl.col("text").str.contains(kind.hint))
        for place in _find_kind(kind, likely):
            held[place].append(kind.name)
    return pl.Series([",".join(kinds) or NONE for kinds in held], dtype=pl.String)


def _find_kind(kind: _PiiKind, likely: pl.DataFrame) -> list[int]:
    if likely.is_empty():
        return []
    if kind.is_real is None:
        found = likely.filter(pl.col("text").str.contains(kind.pattern))
        return found["place"].to_list()
    found = likely.with_columns(pl.col("text").str.extract_all(kind.pattern))
    return [
        place for place, texts in found.iter_rows() if any(kind.is_real(each) for each in texts)
    ]
