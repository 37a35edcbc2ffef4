"""Where an ``openai:`` spec says that its model is, and specs that name no such place."""

from typing import Any

import pytest

from headway_evals.errors import ModelError
from headway_evals.models.server_addresses import OPENAI_URL, parse_address


@pytest.mark.parametrize(
    ("rest", "wanted"),
    [
        ("m", ("m", OPENAI_URL, None)),
        ("org/m:7b@http://h:8000/v1/", ("org/m:7b", "http://h:8000/v1", None)),
        ("m@v2@https://h/v1?api=chat", ("m@v2", "https://h/v1", "chat")),
        ("m?api=completions", ("m", OPENAI_URL, "completions")),
        ("m@HTTP://h:8/v1", ("m", "http://h:8/v1", None)),
        ("m@20240101", ("m@20240101", OPENAI_URL, None)),
        ("m@v1.5", ("m@v1.5", OPENAI_URL, None)),
        ("m@localhost@https://api.openai.com/v1", ("m@localhost", OPENAI_URL, None)),
        ("@cf/m@https://h/v1", ("@cf/m", "https://h/v1", None)),
    ],
)
def test_a_spec_names_model_address_and_api(rest: str, wanted: Any) -> None:
    environment = {"OPENAI_API_KEY": "secret"}

    found = parse_address(rest, environment)

    assert (found.model, found.base_url, found.api) == wanted
    assert parse_address(found.spec.removeprefix("openai:"), environment) == found
    assert "secret" not in repr(found)


def test_the_environment_names_the_server_where_the_spec_does_not() -> None:
    environment = {"OPENAI_BASE_URL": "http://h:1/v1"}

    assert parse_address("m", environment).base_url == "http://h:1/v1"
    assert parse_address("m@http://other/v1", environment).base_url == "http://other/v1"


@pytest.mark.parametrize(
    ("rest", "environment", "reason"),
    [
        ("m", {}, "needs a key: set OPENAI_API_KEY"),
        ("m", {"OPENAI_API_KEY": "k\n"}, "holds a line break"),
        ("m@http://u:secret@h/v1", {}, "holds a password: set OPENAI_API_KEY"),
        ("m@http://[h/v1", {}, "is no address"),
        ("m@http://h:99999/v1", {}, "is no address"),
        ("m@http://", {}, "is no address"),
        ("m@ftp://h/v1", {}, "is at a ftp:// address: write openai:m@http://h/v1"),
        ("m@HTTP://u:secret@h/v1", {}, "holds a password: set OPENAI_API_KEY"),
        ("@http://h/v1", {}, "names no model"),
        ("m@http://h/v1?api=responses", {}, "there are chat and completions"),
        ("m@http://h/v1?apt=chat", {}, "unknown option 'apt'; known: api"),
        ("m", {"OPENAI_BASE_URL": "h:8000"}, "is at 'h:8000', which is no address"),
    ],
)
def test_a_spec_that_cannot_be_used_is_told(
    rest: str, environment: dict[str, str], reason: str
) -> None:
    with pytest.raises(ModelError, match=reason) as caught:
        parse_address(rest, environment)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("rest", "advice"),
    [
        ("m@127.0.0.1:18731", "openai:m@http://127.0.0.1:18731"),
        ("m@10.0.0.1", "openai:m@http://10.0.0.1"),
        ("m@localhost", "openai:m@http://localhost"),
        ("m@LOCALHOST:8000?api=chat", "openai:m@http://LOCALHOST:8000"),
        ("m@host:8000", "openai:m@http://host:8000"),
        ("m@host/v1", "openai:m@http://host/v1"),
        ("m@models.corp.com", "openai:m@http://models.corp.com"),
        ("m@http:host", "openai:m@http://host"),
        ("m@::1", "openai:m@http://[::1]"),
        ("m@[::1]:8000", "openai:m@http://[::1]:8000"),
        ("m@u:secret@host:80", "openai:MODEL@http://host:80"),
        ("m@", "openai:m@http://host:8000"),
        ("localhost:8000", "openai:MODEL@http://localhost:8000"),
        ("http://host/v1", "openai:MODEL@http://host/v1"),
    ],
)
def test_an_address_without_its_scheme_is_not_taken_for_a_name_at_openai(
    rest: str, advice: str
) -> None:
    with pytest.raises(ModelError) as caught:
        parse_address(rest, {"OPENAI_API_KEY": "k"})

    assert str(caught.value).endswith(f"write {advice}")
    assert "secret" not in str(caught.value)
