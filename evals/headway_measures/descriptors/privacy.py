"""Which kinds of personal data and secrets a text holds; never the data themselves.

A cheap look at the whole batch says which texts may hold a kind at all, so that the patterns run
on few. Numbers with check digits (cards, IBANs) count only where these are right.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

NONE = "none"
"""What a text without any holds."""


def _is_luhn(found: str) -> bool:
    """Return whether a card's check digit is right (ISO/IEC 7812-1)."""
    digits = [int(each) for each in found if each.isdigit()]
    if len(set(digits)) == 1:
        return False
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(found: str) -> bool:
    """Return whether an IBAN's check digits are right (ISO 13616)."""
    bare = found.replace(" ", "")
    return int("".join(str(int(each, 36)) for each in bare[4:] + bare[:4])) % 97 == 1


@dataclass(frozen=True, slots=True)
class _PiiKind:
    name: str
    hint: str
    pattern: str
    is_real: Callable[[str], bool] | None = None


_EMAIL = r"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_ADDRESS = rf"(?:^|[^\w.])(?:{_OCTET}\.){{3}}{_OCTET}(?:$|[^\w.]|\.\s|\.$)"
_PHONE = (
    r"(?:^|[^\w.+-])(?:\+[1-9][0-9]{0,2}[ .-]?(?:\(?[0-9]{1,4}\)?[ .-]?){2,4}[0-9]{2,4}"
    r"|\(?[0-9]{3}\)?[ .-][0-9]{3}[.-][0-9]{4}|\([0-9]{3}\) [0-9]{3} [0-9]{4})(?:$|[^\w-])"
)
_KEY = (
    r"\b(?:sk|pk|rk)[-_](?:[a-z]+[-_])?[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{30,}"
    r"|\bgithub_pat_\w{30,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bA(?:KI|SI)A[A-Z0-9]{16}\b"
    r"|\bAIza[\w-]{35}|\bhf_[A-Za-z0-9]{30,}|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\."
    r"|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"
)
_KEY_HINT = r"[spr]k[-_]|gh[pousr]_|github_pat_|xox[abprs]-|A[KS]IA|AIza|hf_|eyJ|PRIVATE KEY"

# In the order of their names, in which they are reported.
_KINDS = (
    _PiiKind("card", r"[0-9](?:[ -]?[0-9]){12}", r"\b[0-9](?:[ -]?[0-9]){12,18}\b", _is_luhn),
    _PiiKind("email", "@", _EMAIL),
    _PiiKind(
        "iban",
        r"[A-Z]{2}[0-9]{2}[ A-Z0-9]",
        r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
        _is_iban,
    ),
    _PiiKind("ip", r"[0-9]\.[0-9]", _ADDRESS),
    _PiiKind("key", _KEY_HINT, _KEY),
    _PiiKind("phone", r"\+[0-9]|[0-9]{3}[).\s-]{1,2}[0-9]{3}[ .-][0-9]{4}", _PHONE),
    _PiiKind("ssn", r"[0-9]-[0-9]{2}-[0-9]{4}", r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b"),
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
