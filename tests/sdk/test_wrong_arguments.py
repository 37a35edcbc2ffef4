"""Wrong arguments of the SDK's entry points: each is told by name, with what to give instead."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import headway
from headway.client_settings import read_settings
from headway.clients import Client
from headway.errors import SettingsError
from headway.instrumenting import LIBRARIES
from headway.settings import Sources, parse_port
from headway.transports import Batch, HttpTransport
from tests.sdk.conftest import Answer, StandIn

MakeClient = Callable[..., Client]


@pytest.fixture
def uninstrumented() -> Iterator[None]:
    headway.uninstrument()
    yield
    headway.uninstrument()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"project": 1}, "the argument for project is of type int: give a text"),
        ({"project": True}, "the argument for project is of type bool: give a text"),
        ({"trace_hosts": 5}, "the argument for trace_hosts is of type int: give a text"),
        ({"baggage_hosts": ["a"]}, "the argument for baggage_hosts is of type list: give a text"),
        ({"trace_hosts": "a b"}, "the argument for trace_hosts is 'a b': a b is no name"),
        ({"sample": {1: 0.5}}, "the argument for sample cannot be used: the name 1 is of type int"),
        ({"exit_timeout_s": "abc"}, "is 'abc': not a number of seconds, such as 2 or 0.5"),
        ({"exit_timeout_s": True}, "not a number of seconds, such as 2 or 0.5"),
    ],
)
def test_init_refuses_what_is_of_another_type(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(Sources({}, {}), **given)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"clock_ns": 5}, "clock_ns is of type int: give a function"),
        ({"transport": "http"}, "transport is of type str, without a send()"),
    ],
)
def test_init_refuses_a_double_that_is_none_and_leaves_the_client(
    given: dict[str, Any], said: str, make_client: MakeClient
) -> None:
    client = make_client()

    with pytest.raises(SettingsError) as caught:
        headway.init(**given)

    assert str(caught.value) == said
    assert not client.is_closed


def test_a_timeout_of_the_environment_that_is_none_says_what_to_give() -> None:
    with pytest.raises(SettingsError, match="HEADWAY_EXIT_TIMEOUT_S is 'abc': not a number of sec"):
        read_settings(Sources({"HEADWAY_EXIT_TIMEOUT_S": "abc"}, {}))


@pytest.mark.parametrize("text", ["abc", "", "1.5", "-1", "65536"])
def test_a_port_that_is_none_says_what_to_give(text: str) -> None:
    with pytest.raises(ValueError, match="not a port between 0 and 65535"):
        parse_port(text)


@pytest.mark.parametrize("given", [(["threads"],), (("threads",),), ("threads",)])
def test_instrument_takes_a_list_of_names(given: tuple[Any, ...], uninstrumented: None) -> None:
    from headway.instrumenting import _patches

    headway.instrument(*given)

    assert list(_patches) == ["threads"]


@pytest.mark.parametrize("exclude", ["threads", ["threads"]])
def test_instrument_leaves_out_one_or_a_list(exclude: Any, uninstrumented: None) -> None:
    from headway.instrumenting import _patches

    headway.instrument(["threads", "executors"], exclude=exclude)

    assert list(_patches) == ["executors"]


@pytest.mark.parametrize("given", [5, ["opanai"], [["openai"]], {"openai": 1, 2: 3}, None])
def test_instrument_says_what_is_no_name(given: Any, uninstrumented: None) -> None:
    with pytest.raises(SettingsError, match=rf"cannot be instrumented; what can is .*{'httpx'}"):
        headway.instrument(given)
    with pytest.raises(SettingsError, match="cannot be instrumented"):
        headway.instrument(exclude=given)
    assert "openai" in LIBRARIES


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://logs.example.org/v1/ingest", "it points to 'https://logs.example.org', set HEAD"),
        ("https://me:hidden@b.org/v1/ingest?key=s", "it points to 'b.org', set HEADWAY_URL"),
        ("", "it gave no reason"),
    ],
)
def test_a_collector_that_moved_is_told_with_its_new_address(
    collector: StandIn, location: str, said: str
) -> None:
    headers = {"Location": location} if location else {}
    collector.answers.append(Answer(301, b"<html>", headers, is_strangers=True))

    reply = HttpTransport(collector.url).send(Batch("shop", "1", [b"{}"]))

    assert reply.message.startswith(f"{collector.url} answered 301: {said}")
    assert "hidden" not in reply.message
    assert reply.answer is None
