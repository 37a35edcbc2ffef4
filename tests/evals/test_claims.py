"""Two runs at once on one folder of kept answers: what one is asking for, the other waits for."""

import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headway_evals.caching import AnswerCache, OnAnswer, ask
from headway_evals.claims import MOST_CLAIMS, Claims
from headway_evals.models.cache_keys import request_key
from headway_evals.models.requests import Completion, OnProgress, Request
from tests.evals.served_models import requests_of

MODEL = "ab" * 32
HOLD = """
import sys
from pathlib import Path
from headway_evals.claims import Claims
with Claims(Path(sys.argv[1])) as claims:
    claims.take(sys.argv[2:])
    sys.stdout.write("held\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


class Paid:
    """Answers in capitals, and counts."""

    name, digest = "paid", "d"

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self.asked: list[str] = []

    def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> list[Completion]:
        found = [Completion(str(request.prompt).upper()) for request in requests]
        for index, request in enumerate(requests):
            self.asked.append(str(request.prompt))
            on_progress(index, found[index])
        return found


def key(prompt: str) -> str:
    return request_key(MODEL, requests_of(prompt)[0])


@contextmanager
def other_run(folder: Path, *prompts: str) -> Iterator[subprocess.Popen[str]]:
    """Have another process be at these prompts."""
    words = [sys.executable, "-c", HOLD, str(folder), *map(key, prompts)]
    with subprocess.Popen(words, stdin=-1, stdout=-1, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def stop(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def kept(folder: Path, prompt: str) -> None:
    """Keep an answer as another process does."""
    with AnswerCache(folder, MODEL) as cache:
        cache.keep(key(prompt), Completion(f"{prompt} of the other"))


def into(found: dict[int, tuple[str | None, bool]]) -> OnAnswer:
    def on_answer(index: int, completion: Completion, is_kept: bool) -> None:
        found[index] = (completion.text, is_kept)

    return on_answer


def test_what_another_run_is_asking_for_is_taken_from_it_and_the_rest_asked_when_it_ends(
    tmp_path: Path,
) -> None:
    model = Paid()
    notes: list[str] = []
    found: dict[int, tuple[str | None, bool]] = {}
    asked_before: list[list[str]] = []
    with other_run(tmp_path, "a", "b", "c") as other:
        # It answers one, another, and is killed before the third.
        steps: Iterator[Callable[[], object]] = iter(
            [
                lambda: kept(tmp_path, "b"),
                lambda: kept(tmp_path, "a"),
                lambda: stop(other),
            ]
        )

        def pause(seconds: float) -> None:
            asked_before.append(list(model.asked))
            next(steps)()

        with AnswerCache(tmp_path, MODEL, on_wait=notes.append) as cache:
            ask(model, requests_of("a", "b", "c", "d"), cache, into(found), pause=pause)

    assert model.asked == ["d", "c"]
    assert asked_before == [["d"]] * 3
    assert found == {
        0: ("a of the other", True),
        1: ("b of the other", True),
        2: ("C", False),
        3: ("D", False),
    }
    assert notes == ["another run is asking for 3 of these answers: waiting for it"]


def test_no_run_waits_while_another_waits_for_it(tmp_path: Path) -> None:
    is_free: list[int] = []
    looks = "import sys; from pathlib import Path; from headway_evals.claims import Claims\n"
    looks += "with Claims(Path(sys.argv[1])) as c: sys.exit(len(c.take(sys.argv[2:])))"

    with other_run(tmp_path, "a") as other:

        def pause(seconds: float) -> None:
            words = [sys.executable, "-c", looks, str(tmp_path), key("a"), key("b")]
            is_free.append(subprocess.run(words, check=False).returncode)
            stop(other)

        with AnswerCache(tmp_path, MODEL) as cache:
            ask(Paid(), requests_of("a", "b"), cache, into({}), pause=pause)

    assert is_free == [1]


def test_a_run_that_wants_every_answer_anew_waits_for_nobody(tmp_path: Path) -> None:
    model = Paid()
    with (
        other_run(tmp_path, "a", "b"),
        AnswerCache(tmp_path, MODEL, is_refreshed=True) as cache,
    ):
        ask(model, requests_of("a", "b"), cache, into({}))

    assert model.asked == ["a", "b"]


def test_what_is_kept_between_the_look_and_the_claim_is_not_asked_for(tmp_path: Path) -> None:
    class Late(AnswerCache):
        def find(self, keys: Collection[str], *, only_new: bool = False) -> dict[str, Completion]:
            found = super().find(keys, only_new=only_new)
            if not only_new:
                kept(tmp_path, "a")
                kept(tmp_path, "b")
            return found

    model = Paid()
    found: dict[int, tuple[str | None, bool]] = {}
    with other_run(tmp_path, "a"), Late(tmp_path, MODEL) as cache:
        ask(model, requests_of("a", "b"), cache, into(found))

    assert model.asked == []
    assert found == {0: ("a of the other", True), 1: ("b of the other", True)}


def test_half_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    kept(tmp_path, "a")
    with AnswerCache(tmp_path, MODEL) as cache:
        line = cache.path.read_bytes()
        cache.path.write_bytes(line[:-9])
        half = cache.find([key("a")])
        cache.path.write_bytes(line)
        whole = cache.find([key("a")], only_new=True)

    assert (list(half), list(whole)) == ([], [key("a")])


def test_without_locks_everything_may_be_asked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with Claims(tmp_path / "file") as claims:
        assert claims.take([key("a")]) == [key("a")]


def test_claims_are_bounded_and_what_is_beyond_may_be_asked_by_all(tmp_path: Path) -> None:
    beyond = key("a")
    keys = [f"{number:064x}" for number in range(MOST_CLAIMS)]
    with other_run(tmp_path, "a"), Claims(tmp_path) as claims:
        assert claims.take([beyond]) == []
        assert claims.take([*keys, beyond]) == [*keys, beyond]
