"""``openai:`` models: what is sent, and how what comes back is read."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headway_evals.caching import AnswerCache, ask
from headway_evals.commands import EVAL
from headway_evals.errors import ModelError
from headway_evals.models.cache_keys import cache_key_of
from headway_evals.models.requests import Choices, Completion, Generate, Likelihood, Rolling
from headway_evals.models.server_addresses import OPENAI_URL, Address
from headway_evals.models.server_calls import Calls
from headway_evals.models.servers import Server
from headway_evals.models.specs import ModelOptions, make_model
from headway_evals.prompts import Message
from headway_evals.runs import list_runs
from tests.evals.served_models import Asked, Clock, Said, answers, requests_of, said, serve, upper

SUITE = """
suite: letters
scorers: [exact, cost]
cases:
  - {id: a, input: a, expected: A}
  - {id: b, input: b, expected: B}
  - {id: c, input: c, expected: "?"}
"""
CHAT = (Message("system", "Be brief."), Message("user", "hello"))


def echo(asked: Asked) -> Said:
    """Give a prompt back as vLLM does, a token a character; vowels are likely, and likeliest."""
    tokens = ["<s>", *asked.body["prompt"], "!"]
    logprobs = [None, *(-0.5 if token in "aeiou" else -2.0 for token in tokens[1:])]
    tops = [
        None,
        *({"a": -0.5, token: each} for token, each in zip(tokens[1:], logprobs[1:], strict=True)),
    ]
    found = {"tokens": tokens, "token_logprobs": logprobs, "top_logprobs": tops}
    usage = {"prompt_tokens": len(tokens) - 1, "completion_tokens": 1}
    return Said({"choices": [{"text": "", "logprobs": found}], "usage": usage})


def spoken(content: str | None, **message: Any) -> Said:
    """Answer with a message that has more in it than its content."""
    return Said({"choices": [{"message": {"content": content, **message}}]})


def test_messages_go_to_the_chat_and_texts_to_the_completions() -> None:
    with serve(upper) as served:
        chat, text = answers(served.model(Clock()), CHAT, "hello")

    assert (chat.text, text.text) == ("HELLO", "HELLO")
    assert [each.path for each in served.asked] == ["/v1/chat/completions", "/v1/completions"]
    assert served.asked[0].body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hello"},
    ]
    assert served.asked[1].body["prompt"] == "hello"
    assert (chat.input_tokens, chat.output_tokens, text.output_tokens) == (5, 2, None)


def test_a_text_is_a_users_message_where_the_spec_says_chat() -> None:
    with serve(upper) as served:
        (found,) = answers(served.model(Clock(), api="chat"), "hello")

    assert found.text == "HELLO"
    assert served.asked[0].body["messages"] == [{"role": "user", "content": "hello"}]


def test_messages_are_refused_before_anything_is_sent_where_the_spec_says_completions() -> None:
    with serve(upper) as served, pytest.raises(ModelError, match="c1 is messages: leave out"):
        answers(served.model(Clock(), api="completions"), "hello", CHAT)

    assert served.asked == []


def test_what_decides_an_answer_is_sent_with_a_seed_for_each_case_and_repeat() -> None:
    drawn = Generate(9, stop=("\n",), temperature=0.7, top_p=0.9, seed=3)
    again = Generate(9, stop=("\n",), temperature=0.7, top_p=0.9, seed=3, sample=1)

    with serve(upper) as served:
        model = served.model(Clock(), api_key="k")
        answers(model, CHAT, CHAT, ask=drawn)
        answers(model, CHAT, CHAT, ask=drawn)
        answers(model, CHAT, ask=again)
        answers(model, CHAT, ask=Generate(9))

    bodies = [each.body for each in served.asked]
    wanted = {"model": "m", "max_tokens": 9, "temperature": 0.7, "top_p": 0.9, "stop": ["\n"]}
    assert wanted.items() <= bodies[0].items()
    seeds = [body["seed"] for body in bodies]
    assert seeds[:2] == seeds[2:4]
    assert len({*seeds[:2], seeds[4]}) == 3
    assert (bodies[5]["temperature"], bodies[5]["seed"], "stop" in bodies[5]) == (0.0, 0, False)
    assert served.asked[0].headers["Authorization"] == "Bearer k"


def test_openai_gets_the_limit_by_its_new_name() -> None:
    with serve(upper) as served:
        answers(Server(Address("m", OPENAI_URL), Calls(served.url)), CHAT)

    assert served.asked[0].body["max_completion_tokens"] == 16
    assert "max_tokens" not in served.asked[0].body


def test_all_stops_hold_though_a_server_takes_four_and_leaves_them_in() -> None:
    stops = ("1", "2", "3", "4", "END")
    with serve(lambda asked: said("yes 4 END")) as served:
        model = served.model(Clock())
        (four,) = answers(model, CHAT, ask=Generate(16, stop=stops))
        (fifth,) = answers(model, CHAT, ask=Generate(16, stop=("a", "b", "c", "d", "END")))

    assert (four.text, fifth.text) == ("yes ", "yes 4 ")
    assert served.asked[0].body["stop"] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (said(""), Completion("")),
        (said(None), "the model wrote no text (finish_reason stop)"),
        (said(None, "length"), "the model wrote no text (finish_reason length)"),
        (Said({"choices": [{"text": None}]}), "the model wrote no text"),
        (said(None, "content_filter"), "content filter held the answer back"),
        (said("half", "length"), Completion("half", is_cut=True)),
        (
            said("half", "length", completion_tokens=3),
            Completion("half", output_tokens=3, is_cut=True),
        ),
        (said("all", "length", completion_tokens=16), Completion("all", output_tokens=16)),
        (said("a", cost=0.25, prompt_tokens=7), Completion("a", input_tokens=7, cost_usd=0.25)),
        (said("a", cost="much", prompt_tokens=-1, completion_tokens=True), Completion("a")),
        (spoken(None, refusal="No,\nnever."), "refused: No, never."),
        (spoken(None, tool_calls=[{"id": "t"}]), "the model called tools and wrote no text"),
        (spoken("", tool_calls=[{"id": "t"}]), "the model called tools and wrote no text"),
        (spoken(None, function_call={"name": "f"}), "the model called tools and wrote no text"),
        (spoken(None, reasoning_content="Hm."), "the model reasoned and wrote no text"),
        (spoken("", reasoning="Hm."), "the model reasoned and wrote no text"),
        (spoken("a", tool_calls=[{"id": "t"}], reasoning="Hm.", refusal=None), Completion("a")),
        (
            Said({"choices": [{"message": {"content": [{"text": "a"}, {"text": "b"}]}}]}),
            Completion("ab"),
        ),
        (Said({"choices": []}), "has no choices"),
        (Said({"choices": [{"message": 7}]}), "has 7 as its message"),
        (Said({"choices": [{"message": {"content": {"a": 1}}}]}), "which is not text"),
        (Said({}), "has no choices"),
    ],
)
def test_answers_are_read_for_what_they_hold(answer: Said, wanted: Completion | str) -> None:
    with serve(lambda asked: answer) as served:
        (found,) = answers(served.model(Clock()), CHAT)

    if isinstance(wanted, str):
        assert found.text is None
        assert wanted in str(found.error)
    else:
        assert found == replace(wanted, latency_ms=0.0)


def test_choices_are_weighed_by_the_prompts_own_logprobs() -> None:
    with serve(echo) as served:
        (found,) = answers(
            served.model(Clock()), "Q: ", ask=Choices(("aa", "xyz"), unconditional=True)
        )

    values = [(each.logprob, each.token_count, each.is_greedy) for each in found.likelihoods]
    # The space at the prompt's end counts with the option: -2 and a token more.
    assert values == [(-3.0, 3, False), (-8.0, 4, False), (-1.0, 2, True), (-6.0, 3, False)]
    assert found.text == "aa"
    assert [each.body["prompt"] for each in served.asked] == ["Q: aa", "Q: xyz", "aa", "xyz"]
    assert all(each.body["echo"] and each.body["logprobs"] == 1 for each in served.asked)


def test_a_likelihood_is_that_of_the_continuation_alone() -> None:
    with serve(echo) as served:
        (found,) = answers(served.model(Clock()), "Q:", ask=Likelihood(" é"))

    (value,) = found.likelihoods
    assert (found.text, value.logprob, value.token_count, value.byte_count) == ("", -4.0, 2, 3)


@pytest.mark.parametrize(
    ("prompt", "ask", "address", "reason"),
    [
        ("Q:", Likelihood(" a"), {}, "does not give its prompts back: log-likelihoods need"),
        ("Q:", Choices(("a", "b")), {"api": "chat"}, "in a chat: log-likelihoods need a server"),
        (CHAT, Choices(("a", "b")), {}, "in a chat: log-likelihoods need a server"),
        ("Q:", Rolling(), {}, "cannot tell a text's perplexity"),
    ],
)
def test_likelihoods_that_a_server_cannot_give_end_the_run(
    prompt: Any, ask: Any, address: dict[str, Any], reason: str
) -> None:
    with serve(upper) as served, pytest.raises(ModelError, match=reason):
        answers(served.model(Clock(), **address), *[prompt] * 50, ask=ask)

    assert len(served.asked) <= 1


def test_a_server_without_a_start_token_cannot_weigh_options_alone() -> None:
    def bare(asked: Asked) -> Said:
        tokens = [*asked.body["prompt"], "!"]
        found = {"tokens": tokens, "token_logprobs": [None, *[-1.0] * (len(tokens) - 1)]}
        return Said({"choices": [{"logprobs": found}]})

    with serve(bare) as served:
        model = served.model(Clock())
        (given,) = answers(model, "Q:", ask=Choices(("a", "bb")))
        with pytest.raises(ModelError, match="how likely a text's first token is"):
            answers(model, "Q:", ask=Choices(("a", "bb"), unconditional=True))

    assert [each.logprob for each in given.likelihoods] == [-1.0, -2.0]
    assert given.text == "a"


def test_tokens_that_lost_their_spaces_are_known_again() -> None:
    def spaceless(asked: Asked) -> Said:
        tokens = ["<s>", "Q", ":", "red", "car", "!"]
        found = {"tokens": tokens, "token_logprobs": [None, -1.0, -1.0, -2.0, -4.0, -8.0]}
        return Said({"choices": [{"logprobs": found}]})

    with serve(spaceless) as served:
        (found,) = answers(served.model(Clock()), "Q:", ask=Likelihood(" red car"))

    assert [(each.logprob, each.token_count) for each in found.likelihoods] == [(-6.0, 2)]


def test_tokens_that_do_not_spell_the_text_mark_the_case() -> None:
    def torn(asked: Asked) -> Said:
        tokens = ["Q", ":", "\ufffd", "\ufffd", "!"]
        found = {"tokens": tokens, "token_logprobs": [None, *[-1.0] * 4]}
        return Said({"choices": [{"logprobs": found}]})

    with serve(torn) as served:
        (found,) = answers(served.model(Clock()), "Q:", ask=Likelihood("é"))

    assert "the server's tokens spell" in str(found.error)


def test_a_rate_that_is_none_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'600' is not a rate, such as 10/s"):
        make_model("openai:m@http://h/v1", ModelOptions(folder=tmp_path, rate="600"))


def test_answers_are_kept_by_model_address_and_api(tmp_path: Path) -> None:
    def key(spec: str) -> str | None:
        return cache_key_of(make_model(spec, ModelOptions(folder=tmp_path)))

    specs = ["m@http://h/v1", "n@http://h/v1", "m@http://g/v1", "m@http://h/v1?api=chat"]
    keys = [key(f"openai:{spec}") for spec in specs]

    assert None not in keys
    assert len(set(keys)) == 4
    assert key("openai:m@http://h/v1/") == keys[0]


def test_what_a_server_answered_is_not_asked_again(tmp_path: Path) -> None:
    with serve(upper) as served:
        model = served.model(Clock(), concurrency=3)
        found: dict[str, bool] = {}

        def on_answer(index: int, completion: Completion, is_kept: bool) -> None:
            found[str(completion.text)] = is_kept

        for prompts in ("abc", "abcd"):
            with AnswerCache(tmp_path, model.cache_key) as cache:
                ask(model, requests_of(*prompts), cache, on_answer)

    assert found == {"A": True, "B": True, "C": True, "D": False}
    assert sorted(each.text for each in served.asked) == ["a", "b", "c", "d"]


def test_a_command_asks_a_server_and_keeps_its_key_out_of_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    Path("suite.yaml").write_text(SUITE)
    parser = argparse.ArgumentParser()
    EVAL.configure(parser)
    with serve(lambda asked: said(asked.text.upper(), cost=0.002)) as served:
        words = ["run", "suite.yaml", "--model", f"openai:m@{served.url}?api=chat", "--no-publish"]
        options = ["--concurrency", "2", "--retries", "0", "--rate", "1000/s", "--timeout", "9"]
        code = EVAL.run(parser.parse_args([*words, *options]))

    assert code == 0
    assert "passes 2 of 3 cases" in capsys.readouterr().out
    (run,) = list_runs(tmp_path / ".headway" / "runs")
    assert run.scores["cost"].mean == 0.002
    assert run.settings["model"]["served_model"] == "m"
    assert {each.headers["Authorization"] for each in served.asked} == {"Bearer sk-secret"}
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"sk-secret" in content for content in written)
