"""What each pattern finds and what it leaves, in every spelling that a text may have."""

import random
import time
from contextlib import suppress

import pytest

from headway.redaction.choices import PATTERNS
from headway.redaction.outlines import Outline
from headway.redaction.patterns import FINDERS
from headway.redaction.texts import TextRedactor

FOUND = {
    "email": [
        "ada@example.com",
        "ada.lovelace+tag@mail.example.co.uk",
        "müller@bücher.example",
        "ADA_1@EXAMPLE.ORG",
    ],
    "phone": [
        "+49 151 1234 5678",
        "+1 (555) 234-5678",
        "0049 30 1234567",
        "030/12345678",
        "(030) 1234567",
        "555-234-5678",
        "(555) 234-5678",
        "01711234567",
        "00 49 30 123456",
        "(11) 91234-5678",
    ],
    "card": [
        "4111111111111111",
        "4111 1111 1111 1111",
        "5500-0000-0000-0004",
        "3782 822463 10005",
        "30569309025904",
        "6011.1111.1111.1117",
        "4111 1111\n1111 1111",
        "41 11 11 11 11 11 11 11",
    ],
    "iban": [
        "DE89 3704 0044 0532 0130 00",
        "GB29NWBK60161331926819",
        "de89370400440532013000",
        "MT84MALT011000012345MTLCAST001S",
        "NO93 8601 1117 947",
    ],
    "ip": [
        "10.0.0.1",
        "192.168.255.254",
        "::1",
        "fe80::1ff:fe23:4567:890a",
        "2001:db8::1",
        "2001:0db8:0000:0000:0000:ff00:0042:8329",
        "::ffff:192.0.2.128",
    ],
    "api_key": [
        "sk-abcdefghijklmnopqrstuvwx",
        "sk-ant-api03-abcdefghijklmnop",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "xoxb-1234567890-abcdefghij",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "hf_abcdefghijklmnopqrstuvwxyz",
        "glpat-abcdefghijklmnopqrst",
        "npm_abcdefghijklmnopqrstuvwxyz0123456789",
        "sk_live_abcdefghijklmnop",
        "dckr_pat_abcdefghijklmnopqrstuvwxyz",
        "lsv2_pt_0123456789abcdef0123456789abcdef",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow/+=\nAAAA\n-----END RSA PRIVATE KEY-----",
    ],
    "jwt": ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.dozjgNryP4J3jVmNHl0w5N_XgL0"],
}
LEFT = {
    "email": ["ada@localhost", "@decorator", "a @ b.com", "lodash@4.17.21", "me@"],
    "phone": [
        "2024-01-02 10:30:00",
        "01.02.2024 10:30",
        "12345678",
        "0.12345678",
        "1763800000",
        "C++11 1234567",
    ],
    "card": [
        "4111 1111 1111 1112",
        "1763800000000000000",
        "0000000000000000",
        "411111111111",
        "41111111111111111111111",
    ],
    "iban": ["DE89 3704 0044 0532 0130 01", "ZZ89370400440532013000", "AB12 CD34"],
    "ip": [
        "256.1.1.1",
        "1.2.3",
        "1.2.3.4.5",
        "10:30:45",
        "std::vector",
        "std::b64",
        "Abc::Def",
        "a: b: c:",
    ],
    "api_key": [
        "task-force-of-many-people-here",
        "sk-short",
        "risk-averse-people-everywhere",
        "npm_config_registry_url_of_ours",
        "Basic understanding",
    ],
    "jwt": ["eyJhbGciOiJIUzI1NiJ9", "hey Joe. Hello. There"],
}
CASES = [(name, text) for name, texts in FOUND.items() for text in texts]
REDACTOR = TextRedactor(PATTERNS)


@pytest.mark.parametrize(("name", "text"), CASES)
def test_a_pattern_finds_what_it_is_named_for_and_leaves_what_is_around_it(
    name: str, text: str
) -> None:
    redacted = TextRedactor([name]).redact(f"before: {text}, after")

    assert redacted == f"before: [{name}], after"


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in LEFT.items() for t in texts])
def test_a_pattern_leaves_what_only_looks_like_it(name: str, text: str) -> None:
    assert TextRedactor([name]).redact(text) is text


@pytest.mark.parametrize(
    "text",
    [
        "４１１１ １１１１ １１１１ １１１１",
        "4111\u00a01111\u00a01111\u00a01111",
        "4111\u20131111\u20131111\u20131111",
        "4111\u200b1111\u200b1111\u200b1111",
        "٤١١١ ١١١١ ١١١١ ١١١١",
        "𝟒𝟏𝟏𝟏 𝟏𝟏𝟏𝟏 𝟏𝟏𝟏𝟏 𝟏𝟏𝟏𝟏",
        "4111%201111%201111%201111",
        r"4111\n1111\n1111\n1111",
        r"\u0034111 1111 1111 1111",
        r"\ud835\udfd2111 1111 1111 1111",
    ],
)
def test_a_card_is_found_in_any_spelling(text: str) -> None:
    assert REDACTOR.redact(f"x {text} y") == "x [card] y"


@pytest.mark.parametrize(
    "text",
    [
        "ada\uff20example.com",
        "ada@exam\u200bple.com",
        "ada%40example.com",
        r"ada\u0040example.com",
        r"ada\\u0040example.com",
        "ada&#64;example.com",
        "ada&#x40;example.com",
    ],
)
def test_an_address_is_found_in_any_spelling(text: str) -> None:
    assert REDACTOR.redact(f"x {text} y") == "x [email] y"


def test_passwords_in_addresses_and_bearer_tokens_go_and_what_is_around_them_stays() -> None:
    text = "postgres://ada:hunter22@db/x and Authorization: Bearer abcdefghijklmnop1234"

    redacted = REDACTOR.redact(text)

    assert redacted == "postgres://[api_key]@db/x and Authorization: Bearer [api_key]"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Authorization: Basic YWRhOmh1bnRlcjIy", "Authorization: Basic [api_key]"),
        ("authorization: BEARER abcdefghijklmnop1234", "authorization: BEARER [api_key]"),
        ("postgres://ada:hunt@er22@db/x", "postgres://[api_key]@db/x"),
        (
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "aws_secret_access_key = [api_key]",
        ),
        ("Tel.:030-1234567, Fax:0301234568", "Tel.:[phone], Fax:[phone]"),
    ],
)
def test_what_a_sign_stands_before_goes_and_the_sign_stays(text: str, redacted: str) -> None:
    assert REDACTOR.redact(text) == redacted


def test_a_card_among_many_other_digits_is_found_in_any_groups() -> None:
    for card in (text for text in FOUND["card"] if "\n" not in text):
        text = "2025-11-23T10:00:00Z id=7\n" + "qty 12 at 3.50 each\n" * 40 + f"for {card} done"

        assert TextRedactor(["card"]).redact(text).endswith("each\nfor [card] done")


class Vague(Outline):
    """Rules nothing out."""

    may_have_card = True
    may_have_odd_card = True
    has_long_word = True

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.digits = len(text) + 1_000

    def has(self, part: bytes) -> bool:
        return True

    def has_run(self, part: bytes) -> bool:
        return True


def test_an_outline_hides_nothing_that_a_pattern_finds() -> None:
    rng = random.Random(7)
    scraps = [*"0123456789" * 4, *" -./()+aDEé,:\n\t", *(text for _, text in CASES)]
    for _ in range(300):
        text = "".join(rng.choices(scraps, k=rng.randrange(4, 30)))
        for find in FINDERS.values():
            assert set(find(text, Outline(text))) == set(find(text, Vague(text)))


@pytest.mark.parametrize(
    "key",
    [
        "sk-abcdefghijklmnop",
        "hf_abcdefghijklmnop",
        "sk_test_abcdefghij",
        "xoxb-abcdefghij",
        "AKIA123456789012",
        "hvs.abcdefghijklmnop",
        "SG.abcdefghijklmnop.x",
        "sk-äöüabcdefghijklm",
        "sk-ключключключключ",
    ],
)
def test_the_shortest_key_of_each_kind_is_found_and_a_shorter_one_is_none(key: str) -> None:
    assert TextRedactor(["api_key"]).redact(f"key={key};") == "key=[api_key];"
    shorter = key.replace("klm", "k", 1).replace("cde", "c", 1).replace("234", "2", 1)
    shorter = shorter.replace("ключ", "", 1)
    assert TextRedactor(["api_key"]).redact(f"key={shorter};") == f"key={shorter};"


def test_an_address_beside_longer_rows_of_numbers_is_found() -> None:
    text = "1.2.3.4.5 256.1.1.1 1234.1.1.1 10.0.0.1 1.1.1.1234 x10.0.0.2y .10.0.0.3."

    redacted = TextRedactor(["ip"]).redact(text)

    assert redacted == "1.2.3.4.5 256.1.1.1 1234.1.1.1 [ip] 1.1.1.1234 x[ip]y .[ip]."


def test_what_was_found_once_is_found_again_whatever_came_in_between() -> None:
    redactor = TextRedactor(["email"])

    for number in range(5_000):
        # A short text without a find is remembered, one with a find must not be.
        assert redactor.redact(f"name {number % 4_500}") == f"name {number % 4_500}"
        assert redactor.redact("ada@example.com") == "[email]"


def test_several_finds_are_each_replaced_where_they_stand() -> None:
    text = "ada@example.com paid with 4111 1111 1111 1111 and 5500000000000004 from 10.0.0.1."

    assert REDACTOR.redact(text) == "[email] paid with [card] and [card] from [ip]."


def test_a_card_among_other_numbers_is_found() -> None:
    assert REDACTOR.redact("12 4111 1111 1111 1111 99 12345") == "12 [card] 99 12345"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("sk-ant-abc…[cut 9 of 20 characters]…tail", "[cut]…[cut 9 of 20 characters]…[cut]"),
        ("card 4111 1111 11…[cut 9 of 20 characters]… x", "[cut]…[cut 9 of 20 characters]… x"),
        ("so ada@exam…[cut 2 of 4 chunks]", "so [cut]…[cut 2 of 4 chunks]"),
    ],
)
def test_half_a_secret_at_a_cut_goes(text: str, redacted: str) -> None:
    said = REDACTOR.redact(text)

    assert said.endswith(redacted.removeprefix("[cut]")) or said == redacted
    assert not any(part in said for part in ("sk-ant", "4111", "ada", "tail"))


@pytest.mark.parametrize("size", [150, 190, 220, 7_900])
def test_a_long_word_at_a_cut_goes_whole(size: int) -> None:
    word = "x" * size + "secret"
    digits = " 4111" * 8

    redacted = REDACTOR.redact(f"a {word}…[cut 2 of 4 chunks]…{word}{digits} b")

    assert redacted == "a [cut]…[cut 2 of 4 chunks]…[cut] b"


def test_half_a_secret_behind_many_cuts_goes() -> None:
    text = "…[cut 2 of 4 chunks]… " * 12_000 + "sk-ant-abc…[cut 2 of 4 chunks]…"

    assert "sk-ant" not in REDACTOR.redact(text)


@pytest.mark.parametrize(
    "unit",
    [
        "1 ",
        "4111 ",
        "a@",
        "a@b.cc ",
        "@a.1",
        "eyJ",
        "eyJab.ab.",
        "sk-",
        "DE89 3704 0044 0532 0130 01 ",
        "::1 ",
        "1.1.1.1 ",
        "+1 (",
        "01 ",
        "0(",
        "://a:",
        "%40",
        "\\u0034",
        "４a",
        "1\n",
        "\\",
        "&#",
        "-----BEGIN PRIVATE KEY-----",
        "…[cut 1 of 2 characters]…a",
        "4111111111111112 ",
        "1a",
        "1.",
        "01234567 ",
        "r8_",
    ],
)
def test_twice_the_text_takes_no_more_than_about_twice_the_time(unit: str) -> None:
    # In the thread's own time, and the best of some: a quadratic pattern would take four times.
    whole = unit * (1 + 40_000 // len(unit))
    short_s = min(seconds(whole[: len(whole) // 4]) for _ in range(3))
    long_s = min(seconds(whole) for _ in range(2))

    assert long_s < 0.02 + 9 * short_s


def seconds(text: str) -> float:
    begun_s = time.thread_time()
    with suppress(ValueError):  # more disguises than are looked through
        REDACTOR.redact(text)
    return time.thread_time() - begun_s
