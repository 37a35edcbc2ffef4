"""Calls with secrets in every field, nested, disguised and cut, and the secrets to look for."""

from collections.abc import Iterator
from contextlib import suppress

import headway

PLANTED = (
    "ada@example.com",
    "ada.tag@example.org",
    "grace",
    "4111 1111 1111 1111",
    "4111111111111111",
    "5500-0000",
    "DE89 3704",
    "0044 0532",
    "+49 151",
    "151 1234",
    "10.20.30.40",
    "fe80::1ff",
    "sk-ant-api03",
    "ghp_abcdef",
    "AKIAIOSFODNN7",
    "MIIEowIBAAKCAQEA",
    "eyJhbGciOiJIUzI1NiJ9",
    "hunter22",
    "４１１１",
)

_KEY = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz"
_GITHUB = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
_JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.dozjgNryP4J3jVmNHl0w5N_XgL0"
_PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nAAAA\n-----END RSA PRIVATE KEY-----"
_CARD = "4111 1111 1111 1111"


def log_planted() -> None:
    """Log them."""
    headway.current_span()
    with headway.context(
        user="ada@example.com", session="s-ada@example.com", tags=["ada@example.com", "beta"]
    ):
        with headway.span("for ada@example.com", kind="llm", model="ada@example.com/model") as span:
            span.input = {
                "ada@example.com": [{"deep": [{"card": _CARD}, 4111111111111111]}],
                "text": f"key {_KEY} and {_GITHUB} from 10.20.30.40 or fe80::1ff:fe23:4567:890a",
                "split": "5500-0000\n0000-0004",
                "wide": "４１１１ １１１１ １１１１ １１１１",
                "json": '{"to": "grace\\u0040example.com"}',
                "error": ValueError("call +49 151 1234 5678"),
                "tuple": ("DE89 3704 0044 0532 0130 00",),
                "bytes": b"ada@example.com",
                "password": "hunter22",
            }
            span.output = [_PEM, _JWT, {"arguments": '{"password": "hunter22"}'}]
            span.params = {"stop": ["ada@example.com"], "user": "ada@example.com"}
            span.prompt_variables = {"who": "ada@example.com"}
            span.attributes["ada.tag@example.org"] = "AKIAIOSFODNN7EXAMPLE"
            span.status_message = "for ada@example.com"
            span.finish_reasons = ["ada@example.com"]
            span.response_id = "ada@example.com"
        headway.score(
            "ada@example.com",
            "ada@example.com",
            comment=_CARD,
            trace_id=span.trace_id,
            is_text=True,
        )
        headway.score(
            "c",
            1,
            author="ada@example.com",
            session_id="ada@example.com",
            score_id="ada@example.com",
        )
    _quick("ada@example.com", 4111111111111111)
    list(_streamed())
    _whole_and_half("x " * 300_000)
    with suppress(ValueError):
        _fail()


@headway.observe(name="quick")
def _quick(who: str, card: int) -> str:
    return f"{who} {_CARD}"


@headway.observe(kind="llm")
def _streamed() -> Iterator[str]:
    yield "ada@exam"
    yield "ple.com and 4111 11"
    yield "11 1111 1111"


@headway.observe
def _whole_and_half(padding: str) -> str:
    return padding + _CARD + padding


@headway.observe
def _fail() -> None:
    raise ValueError("no mail for ada@example.com, card 4111 1111 1111 1111")
