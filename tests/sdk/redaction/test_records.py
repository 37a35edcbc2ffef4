"""Nothing planted gets into the journal or onto the wire, and what cannot be read is left out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

import headway
from headway.client_settings import ClientSettings, read_settings, read_usable_settings
from headway.clients import Client
from headway.errors import SettingsError
from headway.local_checks import check_settings
from headway.settings import Sources
from tests.sdk.conftest import StandIn
from tests.sdk.redaction.planting import PLANTED, log_planted

MakeClient = Callable[..., Client]


def settings(**given: Any) -> dict[str, Any]:
    choices = read_settings(Sources({}, {}), **given).choices
    return {"choices": choices}


def logged(collector: StandIn, name: str = "asked") -> Any:
    headway.flush()
    return next(span for span in collector.spans if span.name == name)


def test_nothing_planted_reaches_the_journal(make_client: MakeClient, tmp_path: Path) -> None:
    make_client(**settings(redact=["all"], redact_names=["password"]))

    log_planted()

    written = b"".join(
        path.read_bytes() for path in (tmp_path / "journal").rglob("*") if path.is_file()
    )
    assert b"[email]" in written
    assert not [secret for secret in PLANTED if secret.encode() in written]


def test_nothing_planted_reaches_the_wire(make_client: MakeClient, collector: StandIn) -> None:
    make_client(collector.url, **settings(redact="all", redact_names="password"))

    log_planted()
    headway.flush()

    sent = b"\n".join(line for request in collector.requests for line in request.lines)
    assert {b"[" + name + b"]" for name in (b"email", b"card", b"iban", b"jwt")} <= {
        name for name in (b"[email]", b"[card]", b"[iban]", b"[jwt]") if name in sent
    }
    assert not [secret for secret in PLANTED if secret.encode() in sent]


def test_without_redaction_everything_planted_is_there(
    make_client: MakeClient, collector: StandIn
) -> None:
    make_client(collector.url)

    log_planted()
    headway.flush()

    # So that the tests above look for what would be found.
    sent = b"\n".join(line for request in collector.requests for line in request.lines)
    assert [secret for secret in PLANTED if secret.encode() not in sent] == []


def test_names_lose_their_values_at_any_depth_and_in_json_texts(
    make_client: MakeClient, collector: StandIn
) -> None:
    make_client(collector.url, **settings(redact_names=["PassWord", "*_token"]))

    @headway.observe
    def asked(password: str, deep: object) -> str:
        return '{"user": "ada", "args": [{"password": "hunter2"}]}'

    asked("hunter2", [{"Password": {"a": "hunter2"}, "api_token": 5, "kept": "x"}])

    span = logged(collector)
    assert msgspec.json.decode(span.input) == {
        "password": "[dropped]",
        "deep": [{"Password": "[dropped]", "api_token": "[dropped]", "kept": "x"}],
    }
    assert b"hunter2" not in bytes(span.output)
    assert b"ada" in bytes(span.output)


def test_a_function_is_given_the_text_or_its_name_too(
    make_client: MakeClient, collector: StandIn
) -> None:
    def by_name(name: str, text: str) -> str:
        return "[one]" if name == "order" else text

    def by_text(text: str) -> str:
        return text.replace("Ada", "[somebody]")

    make_client(collector.url, **settings(redact=[by_name, by_text]))
    with headway.span("asked", input={"order": "A-17", "text": "for Ada"}):
        pass

    found = msgspec.json.decode(logged(collector).input)
    assert found == {"order": "[one]", "text": "for [somebody]"}


@dataclass
class Failing:
    """Functions that must not be relied on."""

    kind: str

    def __call__(self, text: str) -> Any:
        if self.kind == "raises":
            raise RuntimeError(text)
        if self.kind == "exits":
            raise SystemExit(text)
        if self.kind == "logs":
            with headway.span("inner", input=text):
                return text
        return None


@pytest.mark.parametrize("kind", ["raises", "exits", "gives no text", "logs"])
def test_where_a_function_fails_the_content_is_left_out_and_counted(
    kind: str, make_client: MakeClient, collector: StandIn
) -> None:
    client = make_client(collector.url, **settings(redact=[Failing(kind)]))

    with headway.span("asked", input="a secret", tags=["secret"]) as span:
        span.output = "a secret"
    headway.flush()

    sent = b"\n".join(line for request in collector.requests for line in request.lines)
    assert b"could not be looked through" in sent
    assert (b"secret" in sent) == (kind == "logs")
    assert client.stats().faults["redacting"] >= 1


def test_a_text_with_too_many_disguises_is_left_out(
    make_client: MakeClient, collector: StandIn
) -> None:
    make_client(collector.url, **settings(redact=["email"]))

    with headway.span("asked", input="%40" * 20_000 + "ada"):
        pass
    headway.flush()

    (span,) = collector.spans
    assert b"ada" not in bytes(span.input)


def test_numbers_of_cards_go_and_other_numbers_stay_what_they_are(
    make_client: MakeClient, collector: StandIn
) -> None:
    make_client(collector.url, **settings(redact=["card"]))

    with headway.span("asked", input=[4111111111111111, 4111111111111111.0, 1763800000000, 0.5]):
        pass

    assert bytes(logged(collector).input) == b'["[card]","[card]",1763800000000,0.5]'


def test_keys_that_become_the_same_both_stay(make_client: MakeClient, collector: StandIn) -> None:
    make_client(collector.url, **settings(redact=["email"]))

    with headway.span("asked", input={"a@example.com": 1, "b@example.com": 2}):
        pass

    assert msgspec.json.decode(logged(collector).input) == {"[email]": 1, "[email] #1": 2}


def test_what_the_program_holds_is_not_changed(make_client: MakeClient, collector: StandIn) -> None:
    make_client(collector.url, **settings(redact=["email"]))
    given = {"to": "ada@example.com"}

    @headway.observe
    def asked(message: dict[str, str]) -> dict[str, str]:
        return message

    assert asked(given) is given
    assert given == {"to": "ada@example.com"}
    assert b"[email]" in bytes(logged(collector).output)


def test_bytes_are_not_written_in_base64_where_texts_are_redacted() -> None:
    both = read_settings(Sources({}, {}), redact=["email"], capture_data=True)

    assert not both.limits.has_data


def test_content_is_off_altogether_by_name_and_for_a_function(
    make_client: MakeClient, collector: StandIn
) -> None:
    @headway.observe(capture_content=False)
    def asked(text: str) -> Iterator[str]:
        yield "se"
        raise ValueError(text)

    make_client(collector.url)
    with pytest.raises(ValueError, match="secret"):
        list(asked("secret"))
    make_client(collector.url, **settings(silent_spans=["payroll*"]))
    with headway.span("payroll.run", input="secret", params={"top_k": 1}):
        pass
    make_client(collector.url, **settings(capture_content=False))
    with headway.span("other", input="secret") as span:
        headway.score("note", "secret", comment="secret", is_text=True)
        span.output = {"a": "secret"}
    headway.flush()

    sent = b"\n".join(line for request in collector.requests for line in request.lines)
    # The error's stack shows the program's own lines, not their values.
    assert b"secret" not in sent
    assert bytes(logged(collector, "payroll.run").input) == b'"[not kept: 8 bytes]"'
    assert bytes(logged(collector, "payroll.run").params) == b'{"top_k":1}'
    assert logged(collector, "asked").chunk_count == 1


def test_a_silent_function_stays_silent_after_other_settings(
    make_client: MakeClient, collector: StandIn
) -> None:
    client = make_client(collector.url)

    @headway.observe(capture_content=False)
    def asked(text: str) -> str:
        client.configure(msgspec.structs.replace(client.settings, environment="test"))
        return text

    asked("secret")

    assert bytes(logged(collector).input) == b'"[not kept: 17 bytes]"'


def test_patterns_come_from_the_environment_and_the_file() -> None:
    by_variable = read_settings(Sources({"HEADWAY_REDACT": "email, phone"}, {}))
    by_file = read_settings(Sources({}, {"redact": ["all"], "redact_names": ["password"]}))

    assert by_variable.choices.patterns == ("email", "phone")
    assert len(by_file.choices.patterns) == 7
    assert by_file.choices.names == ("password",)


def test_the_doctor_says_what_is_kept_out_of_the_log() -> None:
    sources = Sources({"HEADWAY_REDACT": "email,ip", "HEADWAY_REDACT_NAMES": "password"}, {})

    said = {each.message for each in check_settings(read_settings(sources), sources)}

    assert "redact = email, ip (HEADWAY_REDACT)" in said
    assert "redact_names = password (HEADWAY_REDACT_NAMES)" in said
    assert "capture_content = True (default)" in said


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="'emial' is no pattern: give email"):
        read_settings(Sources({}, {}), redact=["emial"])


@pytest.mark.parametrize(
    "environment", [{"HEADWAY_REDACT": "emial"}, {"HEADWAY_CAPTURE_CONTENT": "perhaps"}]
)
def test_without_init_a_choice_that_cannot_be_read_switches_recording_off(
    environment: dict[str, str],
) -> None:
    chosen, problems = read_usable_settings(Sources(environment, {}))

    assert chosen.is_disabled
    assert "nothing is recorded" in next(iter(problems.values()))


def test_a_client_without_choices_has_nothing_to_ask() -> None:
    assert ClientSettings().choices.has_redaction is False
