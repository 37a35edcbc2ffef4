"""Keys and tokens, by the shapes that their makers gave them.

OpenAI's and Anthropic's, GitHub's, GitLab's, Slack's, Amazon's, Google's, Hugging Face's, Stripe's
and others', bearer tokens, passwords in addresses and headers, and PEM. A shape is looked for where
a sign of it is in the text, and most signs where a long word is there: to look for a sign takes
half a microsecond of each thousand characters, and there are more than forty.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from headway.redaction.checks import is_credentials

_MOST_CHECKS = 1_000

Keys = Mapping[str, re.Pattern[str]]
"""By a text that each has. Where a pattern has a group, that alone is the secret."""


def _compiled(patterns: Mapping[str, str]) -> Keys:
    return {sign: re.compile(pattern) for sign, pattern in patterns.items()}


def _beginning(*prefixes: str, rest: str) -> dict[str, str]:
    return {prefix: re.escape(prefix) + rest for prefix in prefixes}


_LOOSE, _STRICT = r"[\w-]{16,}+", r"[0-9A-Za-z]{16,}+"
_ASSIGNED = r"[\"']?\s{0,3}[:=]\s{0,3}[\"']?([0-9A-Za-z/+]{40}+)"
_UNDERSCORED = _compiled(
    {
        **_beginning("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", rest=_LOOSE),
        **_beginning("glsa_", "pcsk_", "tgp_v1_", "shpat_", "dop_v1_", "dckr_pat_", rest=_LOOSE),
        **_beginning("sntrys_", "lin_api_", "lsv2_", "whsec_", "figd_", rest=_LOOSE),
        # Names of other things begin so as well, and have more such signs.
        **_beginning("gsk_", "npm_", rest=_STRICT),
        "hf_": rf"hf_(?<![A-Za-z0-9]hf_){_STRICT}",
        "r8_": rf"r8_(?<![A-Za-z0-9]r8_){_STRICT}",
        "_live_": r"[a-z]{2}_live_[0-9A-Za-z]{10,}+",
        "_test_": r"(?:sk|pk|rk)_test_[0-9A-Za-z]{10,}+",
    }
)
_DASHED = _compiled(
    {
        **_beginning("glpat-", "pplx-", "nvapi-", "tvly-", "csk-", "xapp-", rest=_LOOSE),
        "pypi-": rf"pypi-AgE{_LOOSE}",
        "xai-": rf"xai-{_STRICT}",
        "sk-": rf"sk-(?<![A-Za-z0-9]sk-){_LOOSE}",
    }
)
_WORDS = _compiled(
    {
        **_beginning("AIza", "ATATT", "hvs.", "ya29.", rest=_LOOSE),
        "SG.": r"SG\.[\w-]{16,}+\.[\w-]++",
        "AKIA": r"AKIA[0-9A-Z]{12,}+",
        "ASIA": r"ASIA[0-9A-Z]{12,}+",
    }
)
"""Each of the shapes so far has a word of at least 16 letters, digits, ``_`` and ``-``."""
_OTHERS = _compiled(
    {
        "asic": r"asic\s{1,4}([0-9A-Za-z+/]{6,}+={0,2})",
        "xox": r"xox[a-z]-[\w-]{10,}+",
        "ccess_key": "ccess_key" + _ASSIGNED,
        "CCESS_KEY": "CCESS_KEY" + _ASSIGNED,
        "ccessKey": "ccessKey" + _ASSIGNED,
        "earer": r"[Bb]earer\s{1,4}([\w.~+/=-]{16,}+)",
        "EARER": r"BEARER\s{1,4}([\w.~+/=-]{16,}+)",
        "PRIVATE KEY-----": r"-----BEGIN[ A-Z0-9]{0,40}?PRIVATE KEY-----"
        r"[^-]*+(?:-(?!----END)[^-]*+)*+(?:-----END[ A-Z0-9]{0,40}?PRIVATE KEY-----)?",
    }
)
_BASIC = _OTHERS["asic"]
_WITH_AT = _compiled({"://": r"://([^\s/@:]{0,100}+:[^\s/\"<>]{1,200})@"})
_BY_REST = (
    (re.compile(r"_[\w-]{10}"), _UNDERSCORED),
    (re.compile(r"-[\w-]{10}"), _DASHED),
)


def keys_in(text: str, *, has_long_word: bool) -> list[re.Pattern[str]]:
    """Return the patterns of which a sign is in the text.

    Args:
        text: to be looked through.
        has_long_word: whether at least 16 letters, digits, ``_`` and ``-`` stand in a row in it.
    """
    tables = [_OTHERS]
    if "@" in text:
        tables.append(_WITH_AT)
    if has_long_word:
        tables.append(_WORDS)
        tables += [keys for word, keys in _BY_REST if word.search(text)]
    return [pattern for keys in tables for sign, pattern in keys.items() if sign in text]


def key_spans(text: str, patterns: Sequence[re.Pattern[str]]) -> Iterator[tuple[int, int]]:
    """Return where keys, tokens and passwords of these patterns begin and end."""
    for pattern in patterns:
        for number, found in enumerate(pattern.finditer(text)):
            if pattern is not _BASIC or number >= _MOST_CHECKS or is_credentials(found[1]):
                yield found.span(pattern.groups)
