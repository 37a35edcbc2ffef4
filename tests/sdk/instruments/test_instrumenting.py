"""``instrument`` itself: what it waits for, what it undoes, and that the program never notices."""

import gc
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import openai
import pytest

import headway
from headway.clients import Client
from headway.errors import SettingsError
from headway.instrumenting import LIBRARIES, Library
from headway.instruments.imports import forget, when_imported
from headway.instruments.patches import Patches
from headway.testing import Captured, capture
from tests.sdk.instruments import openai_wire as wire
from tests.sdk.instruments.servers import Provider
from tests.sdk.instruments.test_openai_chat import ASKED, openai_client
from tests.sdk.programs import run

LATER = "headway_test_library"


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A library that nobody has imported yet."""
    path = tmp_path / f"{LATER}.py"
    path.write_text("def ask(): return 'asked'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield path
    forget(LATER)
    sys.modules.pop(LATER, None)


def test_a_loaded_library_is_patched_at_once_and_put_back() -> None:
    before = vars(openai.OpenAI).get("request"), openai.OpenAI.request
    headway.instrument("openai")
    during = openai.OpenAI.request
    headway.instrument("openai")
    again = openai.OpenAI.request
    headway.uninstrument()

    assert during is again
    assert during.__wrapped__ is before[1]  # type: ignore[attr-defined]  # it is the wrapper's
    assert (vars(openai.OpenAI).get("request"), openai.OpenAI.request) == before


def test_a_library_that_comes_later_is_patched_when_it_is_imported(later: Path) -> None:
    seen: list[bool] = []
    when_imported(LATER, lambda: seen.append(hasattr(sys.modules[LATER], "ask")))

    assert seen == []

    import headway_test_library as library  # type: ignore[import-not-found]  # made by the test

    assert seen == [True]
    # Its loader is as ever, for whoever asks it for the source.
    assert library.__loader__.get_source(LATER).startswith("def ask")
    assert "exec_module" not in vars(library.__loader__)


def test_an_import_that_fails_can_be_tried_again(later: Path) -> None:
    seen: list[str] = []
    when_imported(LATER, lambda: seen.append("there"))
    good = later.read_text()
    later.write_text("raise ImportError('not yet')\n")
    with pytest.raises(ImportError, match="not yet"):
        __import__(LATER)
    later.write_text(f"{good}\n# another size, so that no cached bytecode is taken\n")
    __import__(LATER)

    assert seen == ["there"]


def test_instrument_imports_no_library(tmp_path: Path) -> None:
    done = run(
        """
        import sys
        import headway
        headway.instrument()
        libraries = {"openai", "litellm", "anthropic", "transformers", "langchain_core", "httpx"}
        assert not libraries & sys.modules.keys(), libraries & sys.modules.keys()
        """,
        tmp_path,
    )

    assert done.returncode == 0, done.stderr


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(SettingsError, match="'opnai' cannot be instrumented; what can is openai"):
        headway.instrument("opnai")
    with pytest.raises(SettingsError, match="'opnai'"):
        headway.instrument(exclude=["opnai"])


def test_what_is_excluded_stays_as_it_is() -> None:
    before = openai.OpenAI.request
    headway.instrument("openai", exclude=["openai"])

    assert openai.OpenAI.request is before


def test_a_library_that_is_too_old_works_as_before_and_is_a_fault(
    later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = ModuleType("headway_test_instrument")

    def install(patches: Patches) -> None:
        library: Any = sys.modules[LATER]
        patches.wrap(library, "ask", lambda original: lambda: "patched")
        patches.wrap(library, "ask_in_streams", lambda original: original)

    vars(old)["install"] = install
    monkeypatch.setitem(sys.modules, old.__name__, old)
    monkeypatch.setitem(LIBRARIES, "later", Library(LATER, f"{old.__name__}:install"))
    with capture(is_raising=False):
        headway.instrument("later")
        library = __import__(LATER)
        faults = headway.stats().faults
        headway.uninstrument()

        assert library.ask() == "asked"
        assert faults == {"instrumenting": 1}


def test_patches_keep_the_kind_of_what_they_replace() -> None:
    class Owner:
        @classmethod
        def made(cls) -> str:
            return cls.__name__

        @staticmethod
        def plain() -> str:
            return "plain"

    def louder(original: Callable[..., str]) -> Callable[..., str]:
        return lambda *args: original(*args).upper()

    patches = Patches()
    for name in ("made", "plain", "made"):
        patches.wrap(Owner, name, louder)
    during = Owner.made(), Owner().plain()
    patches.undo()

    assert during == ("OWNER", "PLAIN")
    assert (Owner.made(), Owner().plain()) == ("Owner", "plain")


def test_what_somebody_else_replaced_since_is_left_to_them() -> None:
    class Owner:
        def ask(self) -> str:
            return "asked"

    patches = Patches()
    patches.wrap(Owner, "ask", lambda original: original)
    theirs: Any = lambda self: "theirs"  # noqa: E731  # a stranger's patch
    Owner.ask = theirs  # type: ignore[method-assign]  # a stranger's patch
    patches.undo()

    assert Owner().ask() == "theirs"


def test_a_further_module_is_patched_when_it_comes_unless_all_is_undone(later: Path) -> None:
    patches, undone, made = Patches(), Patches(), list[str]()

    def fail() -> None:
        raise AttributeError("too old")

    with capture(is_raising=False):
        patches.later(LATER, lambda: made.append("patched"))
        patches.later(LATER, fail)
        undone.later(LATER, lambda: made.append("undone"))
        undone.undo()
        before = list(made)
        __import__(LATER)

        assert (before, made) == ([], ["patched"])
        assert headway.stats().faults == {"instrumenting": 1}


def test_the_program_gets_its_answer_while_the_collector_is_down(
    provider: Provider, make_client: Callable[..., Client]
) -> None:
    make_client()
    headway.instrument("openai")
    provider.answer(wire.completion())
    provider.stream(wire.chunks())
    with openai_client(provider) as client:
        answer = client.chat.completions.create(model="gpt-4o", messages=ASKED)
        chunks = list(client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True))

    assert answer.choices[0].message.content == "On its way."
    assert len(chunks) == 6
    assert headway.stats().pending == 2


def test_an_answer_that_we_cannot_read_reaches_the_program_and_is_a_fault(
    provider: Provider,
) -> None:
    headway.instrument("openai")
    strange = wire.completion()
    strange["choices"] = "none"
    strange["usage"] = [1]
    provider.answer(strange)
    provider.stream([{"choices": [{"delta": "?"}]}, {"choices": 7, "usage": 3}])
    with capture(is_raising=False) as captured, openai_client(provider) as client:
        answer = client.chat.completions.create(model="gpt-4o", messages=ASKED)
        chunks = list(client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True))

    assert answer.choices == "none"  # type: ignore[comparison-overlap]  # no server is perfect
    assert len(chunks) == 2
    assert [span.status for span in captured.calls] == ["ok", "ok"]


def test_a_client_that_is_disabled_records_nothing(provider: Provider, tmp_path: Path) -> None:
    provider.answer(wire.completion())
    headway.instrument("openai")
    with capture() as captured:
        headway.init(is_disabled=True)
        with openai_client(provider) as client:
            client.chat.completions.create(model="gpt-4o", messages=ASKED)

    assert captured.spans == []


def test_a_stream_that_is_let_go_of_is_abandoned(provider: Provider, captured: Captured) -> None:
    headway.instrument("openai")
    provider.stream(wire.chunks())
    with openai_client(provider) as client:
        stream = client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=True)
        next(stream), next(stream)
        stream.response.close()
        del stream
        gc.collect()

    (span,) = captured.calls
    assert (span.is_abandoned, span.chunk_count) == (True, 1)


def test_a_stream_that_is_never_ended_is_recorded_at_the_end_of_the_process(
    tmp_path: Path,
) -> None:
    done = run(
        """
        from headway.instruments.model_calls import open_call
        from headway.instruments.openai_answers import CompletionReader
        from headway.instruments.streams import FollowedStream

        call = open_call(operation="chat", provider="openai", model="m")
        stream = FollowedStream(call, iter([{"choices": []}]), CompletionReader(100))
        next(stream)
        stream.circle = stream
        """,
        tmp_path,
        HEADWAY_EXIT_TIMEOUT_S="0",
        HEADWAY_URL="http://127.0.0.1:9",
    )

    assert "1 recorded and not shipped" in done.stderr


def test_a_call_of_a_program_that_is_observed_is_the_parent(
    provider: Provider, captured: Captured
) -> None:
    headway.instrument("openai")
    provider.answer(wire.completion())

    @headway.observe(kind="chain")
    def triage(client: openai.OpenAI) -> str | None:
        answer = client.chat.completions.create(model="gpt-4o", messages=ASKED)
        return answer.choices[0].message.content

    with openai_client(provider) as client:
        triage(client)

    assert [call.name for call in captured.call("triage").children] == ["chat gpt-4o"]
