"""Answers that are kept: by what they depend on, whole or not at all, within bounds."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from headway_evals.caching import AnswerCache, ask, clear
from headway_evals.executions import execute
from headway_evals.models.cache_keys import ENGINE, cache_key_of, model_key, request_key
from headway_evals.models.requests import (
    Choices,
    Completion,
    Generate,
    Likelihood,
    OnProgress,
    Request,
    Rolling,
)
from headway_evals.models.specs import ModelOptions, make_model
from headway_evals.prompts import Message
from headway_evals.suites import Case, Suite
from headway_measures.scorers import make_scorer
from headway_measures.scores import LikelihoodValue
from tests.evals.paid_models import MODEL, Paid, answers, request


@pytest.mark.parametrize(
    "other",
    [
        request("q"),
        request((Message("user", "p"),)),
        request(wanted=Generate(9)),
        request(wanted=Generate(8, ("\n",))),
        request(wanted=Generate(8, sample=1)),
        request(wanted=Generate(8, temperature=0.5)),
        request(wanted=Likelihood("x")),
        request(wanted=Choices(("x",))),
        request(wanted=Choices(("x",), unconditional=True)),
        request(wanted=Rolling()),
    ],
)
def test_another_request_has_another_key(other: Request) -> None:
    assert request_key(MODEL, other) != request_key(MODEL, request())
    assert request_key("n" * 64, other) != request_key(MODEL, other)


def test_a_case_has_a_part_in_draws_alone() -> None:
    drawn = Generate(8, temperature=0.5)

    assert request_key(MODEL, request(case_id="a")) == request_key(MODEL, request(case_id="b"))
    assert request_key(MODEL, request("p", drawn, "a")) != request_key(
        MODEL, request("p", drawn, "b")
    )


def test_a_checkpoints_key_knows_weights_and_numerics(
    checkpoint: Path, adapter: Path, tmp_path: Path
) -> None:
    def key(spec: str, folder: Path = checkpoint.parent, **options: Any) -> str | None:
        return cache_key_of(make_model(spec, ModelOptions(folder=folder, device="cpu", **options)))

    shutil.copytree(checkpoint, tmp_path / "copy")
    plain = key("hf:tiny")

    assert key("hf:copy", tmp_path) == plain
    assert key("hf:tiny", batch_tokens=64) == plain
    assert plain not in (key("hf:tiny+tuned"), key("hf:tiny", dtype="bfloat16"), None)
    (tmp_path / "copy" / "chat_template.jinja").write_text("{{ messages }}")
    assert key("hf:copy", tmp_path) != plain


def test_numerics_and_engine_are_part_of_a_models_key(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = model_key("d", {"dtype": "float32"})
    monkeypatch.setattr("headway_evals.models.cache_keys.ENGINE", ENGINE + 1)

    assert plain not in (model_key("d", {"dtype": "float32"}), model_key("d", {}))


def test_functions_and_logs_are_asked_each_time_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "cached_or_not.py").write_text("def say(prompt): return prompt\n")
    spec = "python:cached_or_not:say"

    def key(**options: Any) -> str | None:
        return cache_key_of(make_model(spec, ModelOptions(folder=tmp_path, **options)))

    assert key() is None
    assert cache_key_of(make_model("log:kind=llm", ModelOptions(folder=tmp_path))) is None
    before = key(cache_functions=True)
    (tmp_path / "cached_or_not.py").write_text("def say(prompt): return prompt + '.'\n")
    assert None not in (before, key(cache_functions=True))
    assert key(cache_functions=True) != before


def test_an_answer_is_paid_once_and_found_whole_by_the_next_process(tmp_path: Path) -> None:
    value = LikelihoodValue(-12.25, 3, 11, True)
    full = Completion("a", None, False, 5, 2, 8.125, None, None, (value, value), True)
    with AnswerCache(tmp_path / "cache", MODEL) as cache:
        cache.keep("k", full)

        assert AnswerCache(tmp_path / "cache", MODEL).find(["k", "other"]) == {"k": full}


def test_what_is_kept_is_not_asked_and_equal_requests_are_asked_once(tmp_path: Path) -> None:
    with AnswerCache(tmp_path, MODEL) as cache:
        answers(Paid(), [request("a")], cache)
    model = Paid()

    with AnswerCache(tmp_path, MODEL) as cache:
        found = answers(model, [request("b"), request("a"), request("b", case_id="d")], cache)

    assert model.prompts == ["b"]
    assert found == {0: ("b!", False), 1: ("a!", True), 2: ("b!", False)}


def test_with_nothing_to_ask_the_model_is_not_called(tmp_path: Path) -> None:
    with AnswerCache(tmp_path, MODEL) as cache:
        answers(Paid(), [request("a")], cache)

        class Unloadable(Paid):
            def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> Any:
                raise AssertionError("it was asked")

        assert answers(Unloadable(), [request("a")], cache) == {0: ("a!", True)}


def test_without_a_cache_every_request_is_asked() -> None:
    model = Paid()

    answers(model, [request("a"), request("a")], None)

    assert model.prompts == ["a", "a"]


def test_a_refreshed_cache_asks_anew_and_keeps_the_new_answer(tmp_path: Path) -> None:
    with AnswerCache(tmp_path, MODEL) as cache:
        cache.keep(request_key(MODEL, request("a")), Completion("old"))
    with AnswerCache(tmp_path, MODEL, is_refreshed=True) as cache:
        found = answers(Paid(), [request("a")], cache)

    with AnswerCache(tmp_path, MODEL) as cache:
        assert found == {0: ("a!", False)}
        assert answers(Paid(), [request("a")], cache) == {0: ("a!", True)}


def test_an_answer_is_kept_before_anybody_hears_of_it(tmp_path: Path) -> None:
    heard = []

    def on_answer(index: int, completion: Completion, is_kept: bool) -> None:
        with AnswerCache(tmp_path, MODEL) as other:
            heard.append(len(other.find([request_key(MODEL, each) for each in requests])))

    requests = [request("a"), request("b")]
    with AnswerCache(tmp_path, MODEL) as cache:
        ask(Paid(), requests, cache, on_answer)

    assert heard == [1, 2]


def test_failures_are_not_kept(tmp_path: Path) -> None:
    with AnswerCache(tmp_path, MODEL) as cache:
        answers(Paid("out of memory"), [request("a")], cache)

        assert answers(Paid(), [request("a")], cache) == {0: ("a!", False)}


def test_models_longest_out_of_use_make_room(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "old", "older")):
        with AnswerCache(tmp_path, name) as cache:
            cache.keep("k", Completion("x" * 1000))
        os.utime(cache.path, (1_000_000 - age, 1_000_000 - age))
    faults: list[str] = []

    with AnswerCache(tmp_path, MODEL, limit_bytes=4400, on_fault=faults.append) as cache:
        cache.keep("k", Completion("x" * 1000))

    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["mmmmmmmmmmmmmmmm.jsonl", "new.jsonl", "old.jsonl"]
    assert faults == []


def test_reading_counts_as_use(tmp_path: Path) -> None:
    with AnswerCache(tmp_path, MODEL) as cache:
        cache.keep("k", Completion("x"))
        os.utime(cache.path, (1, 1))

        cache.find(["k"])

    assert cache.path.stat().st_mtime > 1


def test_a_cache_without_room_says_so_once_and_still_answers(tmp_path: Path) -> None:
    faults: list[str] = []
    with AnswerCache(tmp_path, MODEL, limit_bytes=700, on_fault=faults.append) as cache:
        found = answers(Paid(), [request("a" * 100), request("b" * 400), request("c")], cache)

    assert [text for text, _ in found.values()] == ["a" * 100 + "!", "b" * 400 + "!", "c!"]
    assert faults == [
        f"answers are no longer kept in {tmp_path}: they take all of the 700 bytes of "
        "evals.cache_bytes; raise that, or `headway eval cache clear`"
    ]
    assert cache.path.stat().st_size < 700


def test_clearing_frees_what_it_says(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with AnswerCache(tmp_path, name) as cache:
            cache.keep("k", Completion("x"))
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    (tmp_path / "mine.txt").write_text("not an answer")

    assert (clear(tmp_path), clear(tmp_path), clear(tmp_path / "gone")) == (size, 0, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_run_says_how_many_of_its_answers_were_kept(tmp_path: Path) -> None:
    scorers = {"exact": make_scorer("exact", {})}
    cases = tuple(Case(f"c{i}", f"q{i}", f"q{i}!", scorers=scorers) for i in range(4))
    letters = Suite("letters", "v1", cases)
    with AnswerCache(tmp_path / "cache", MODEL) as cache:
        execute(letters, Paid(), tmp_path / "half", cases=cases[:2], cache=cache)
        heard: list[bool] = []
        record = execute(
            letters,
            Paid(),
            tmp_path / "whole",
            cache=cache,
            on_result=lambda result, *, is_kept: heard.append(is_kept),
        )

    plain = execute(letters, Paid(), tmp_path / "plain")
    assert heard == [True, True, False, False]
    assert (record.run.settings["kept_count"], plain.run.settings["kept_count"]) == (2, 0)
    assert record.run.settings["cache_key"] == MODEL
    assert record.results == plain.results
