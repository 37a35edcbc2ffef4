"""Secrets beside other scripts and signs, behind invisible characters, escapes and colours."""

import html
import quopri
import sys
import unicodedata
import urllib.parse

import pytest

from headway.redaction.choices import PATTERNS
from headway.redaction.disguises import is_disguised
from headway.redaction.texts import TextRedactor

REDACTOR = TextRedactor(PATTERNS)
KEY = "sk-proj-AbCdEf0123456789abcdEFGHij"
SECRETS = {
    "email": "ada@example.com",
    "card": "4111111111111111",
    "api_key": KEY,
    "iban": "DE89370400440532013000",
    "phone": "+4915123456789",
}
# Unicode's Default_Ignorable_Code_Point, from DerivedCoreProperties.txt of version 15.
IGNORABLE = [
    *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810)),
    *(*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164),
    *(*range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0, *range(0xFFF0, 0xFFF9)),
    *(*range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000)),
]


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("_ada@example.com_", "[email]_"),
        ("__ada@example.com__", "[email]__"),
        ("ada@example.com-", "[email]-"),
        ("ada@example.com_x", "[email]_x"),
        ("ada@example.com1", "[email]1"),
        ("ada@mail.example.com_backup.7z", "[email]_backup.7z"),
        ("ada@example.xn--fiqs8s", "[email]"),
        ("ada@xn--fsqu00a.xn--0zwm56d_", "[email]_"),
        ("ada@example.XN--FIQS8S.", "[email]."),
    ],
)
def test_an_address_ends_where_its_top_level_domain_does(text: str, redacted: str) -> None:
    assert REDACTOR.redact(text) == redacted


@pytest.mark.parametrize("text", ["pkg@1.0.rc1", "numpy@1.26.post1", "x@1.2.x64", "ada@host.c1"])
def test_a_version_is_no_domain(text: str) -> None:
    assert REDACTOR.redact(text) is text


@pytest.mark.parametrize("behind", ["请付款", "です", "é", "谢。", "_", " x"])
@pytest.mark.parametrize("number", ["DE89370400440532013000", "AT61 1904 3002 3457 3201"])
def test_an_account_beside_another_script_is_found(number: str, behind: str) -> None:
    assert REDACTOR.redact(f"账号{number}{behind}") == f"账号[iban]{behind}"


def test_a_longer_word_than_an_account_is_none() -> None:
    assert REDACTOR.redact("DE89370400440532013000x") == "DE89370400440532013000x"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Tel+49 151 23456789", "Tel[phone]"),
        ("Mobil+4915123456789", "Mobil[phone]"),
        ("tel_+49 151 23456789", "tel_[phone]"),
        ("_+4915123456789_", "_[phone]_"),
        ("_030 1234567_", "_[phone]_"),
        ("__555-234-5678__", "__[phone]__"),
        ("_(030) 1234 567_", "_[phone]_"),
    ],
)
def test_a_telephone_number_in_italics_or_behind_its_label_is_found(
    text: str, redacted: str
) -> None:
    assert REDACTOR.redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    ["IMG_0123456789", "n+4915123456", "id_555-234-5678", "C++11 1234567"],
)
def test_a_part_of_a_name_is_no_telephone_number(text: str) -> None:
    assert REDACTOR.redact(text) is text


def test_whatever_unicode_calls_invisible_hides_nothing() -> None:
    formats = [
        code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cf"
    ]
    controls = [code for code in (*range(32), *range(0x7F, 0xA0)) if not chr(code).isspace()]
    blank = [0x2800, 0x85, 0x1C]

    for code in (*IGNORABLE, *formats, *controls, *blank):
        assert REDACTOR.redact(f"x ada@exam{chr(code)}ple.com y") == "x [email] y", hex(code)


@pytest.mark.parametrize("sign", ["\x00", "\x08", "\x7f", "\x9f", "\u3164", "\u180b", "\U000e0041"])
@pytest.mark.parametrize("name", SECRETS)
def test_an_invisible_character_within_a_secret_hides_none(name: str, sign: str) -> None:
    secret = SECRETS[name]
    half = len(secret) // 2

    assert REDACTOR.redact(f"x {secret[:half]}{sign}{secret[half:]} y") == f"x [{name}] y"


@pytest.mark.parametrize(
    "at",
    [
        *("&#X40;", "&#64", "&#0000064;", "&amp;#64;", "&AMP;#64;", "&amp;commat;"),
        *("%2540", "%252540", r"\u{40}", r"\u{000040}", r"\U00000040", r"\100", "=40"),
        *("@&shy;", r"\b@", r"\u0000@", r"\u200b@", "@&#8203;", r"\ufeff@", "@%00"),
    ],
)
def test_an_address_is_found_behind_any_escape(at: str) -> None:
    assert REDACTOR.redact(f"x ada{at}example.com y") == "x [email] y"


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "spell",
    [
        lambda text: urllib.parse.quote(urllib.parse.quote(f"key={text}")),
        lambda text: "".join(f"%25{ord(each):02X}" for each in text),
        lambda text: "".join(f"&#{ord(each):07};" for each in text),
        lambda text: html.escape("".join(f"&#x{ord(each):X};" for each in text)),
        lambda text: "".join(f"\\u{{{ord(each):x}}}" for each in text),
        lambda text: quopri.encodestring(f"key={text}".encode()).decode(),
    ],
    ids=["url twice", "percent twice", "decimal", "hex twice", "braces", "quoted-printable"],
)
def test_a_secret_is_found_in_what_programs_make_of_it(name: str, spell: object) -> None:
    assert callable(spell)

    assert f"[{name}]" in REDACTOR.redact(spell(SECRETS[name]))


@pytest.mark.parametrize("before", ["%0A", "%0d%0a", "%09", "%20"])
def test_an_encoded_end_of_a_line_is_no_letter_of_a_key(before: str) -> None:
    assert REDACTOR.redact(before + KEY) == f"{before}[api_key]"


@pytest.mark.parametrize(
    "escape", ["\x1b[", "\x9b", r"\u001b[", r"\\u001b[", r"\x1b[", r"\033[", r"\e[", "%1B%5B"]
)
@pytest.mark.parametrize("secret", [*SECRETS.values(), "030/1234567", "203.0.113.77"])
def test_colours_of_a_terminal_hide_nothing(secret: str, escape: str) -> None:
    half = len(secret) // 2

    around = REDACTOR.redact(f"for{escape}31m{secret}{escape}0m")
    within = REDACTOR.redact(f"for {secret[:half]}{escape}1;31m{secret[half:]}")

    assert secret not in around
    assert "[" in around.replace(escape, "")
    assert secret[:half] not in within
    assert secret[half:] not in within


@pytest.mark.parametrize(
    "text",
    [
        "The answer is 42, e.g. x=40 and y = 3.5: it's 100% true & fine.",
        "width=40px; height=40.5em; page=40and more.",
        "printf('%02d:%5.1f %s', a, b)",
        r"\frac{1}{2} \beta \100 C:\1 D:\temp",
        "&c. R&D &#; &#x; %zz =3 \\u12",
        'def f(a: int, *, b="c") -> None:\n\treturn {"d": [1, 2.5]}\n',
    ],
)
def test_ordinary_signs_are_no_find(text: str) -> None:
    assert REDACTOR.redact(text) is text


def test_plain_text_has_nothing_to_take_off() -> None:
    assert not is_disguised("Plain prose, 100% of it: a=b, R&D, \t tabs\r\n and 2 + 2 = 4.")
    assert is_disguised("a control\x07")
    assert is_disguised("a tag\U000e0041")
