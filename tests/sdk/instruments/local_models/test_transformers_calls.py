"""transformers as it is, with a tiny model: what is logged of ``generate``, which is let be."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import headway
from headway.clients import Client
from headway.instrumenting import instrument, uninstrument
from headway.testing import Captured, capture
from tests.sdk.instruments.local_models.spans import LENGTH, only, read, settings_of, texts
from tests.tiny_models import END, PAD


def test_a_generation_is_one_span_with_its_texts_tokens_and_settings(
    model: Any, tokenizer: Any, tiny: Path, captured: Captured
) -> None:
    given = tokenizer("where is it?", return_tensors="pt")

    result = model.generate(**given, max_new_tokens=6, do_sample=True, temperature=0.7)

    span = only(captured)
    made = result[0, 12:].tolist()
    assert (span.kind, span.provider, span.status) == ("llm", "transformers", "ok")
    assert span.request_model == str(tiny)
    assert read(span.input) == [
        {"role": "user", "parts": [{"type": "text", "content": "where is it?"}]}
    ]
    answer = read(span.output)[0]
    assert answer["role"] == "assistant"
    assert answer["parts"][0]["content"] == tokenizer.decode(made, skip_special_tokens=True)
    assert answer["finish_reason"] == span.finish_reasons[0]
    assert (span.input_tokens, span.output_tokens) == (12, len(made))
    params = read(span.params)
    assert (params["max_new_tokens"], params["temperature"]) == (6, 0.7)
    attributes = read(span.attributes)
    assert attributes["gen_ai.operation.name"] == "text_completion"
    assert attributes["transformers.class"] == "LlamaForCausalLM"
    assert attributes["transformers.device"] == "cpu"
    assert attributes["transformers.dtype"] == "float32"
    assert attributes["transformers.batch_size"] == 1


def test_a_generation_is_the_child_of_the_span_around_it(
    model: Any, tokenizer: Any, captured: Captured
) -> None:
    with headway.span("request") as outer:
        model.generate(**tokenizer("abc", return_tensors="pt"), **LENGTH)

    span, _ = captured.spans
    assert (span.parent_span_id, span.trace_id) == (outer.span_id, outer.trace_id)


def test_tokens_and_errors_are_the_same_with_the_collector_down(
    model: Any, tokenizer: Any, make_client: Callable[..., Client]
) -> None:
    given = tokenizer("abc", return_tensors="pt")
    uninstrument()
    alone = model.generate(**given, **LENGTH)
    with pytest.raises(ValueError) as refused_alone:  # noqa: PT011  # whatever it says
        model.generate(**given, max_new_tokens=0)
    instrument("transformers")
    make_client()

    unheard = model.generate(**given, **LENGTH)
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # the same
        model.generate(**given, max_new_tokens=0)

    assert torch.equal(unheard, alone)
    assert str(refused.value) == str(refused_alone.value)
    assert headway.stats().pending == 2


def test_prefill_and_decoding_are_told_apart(
    model: Any, tokenizer: Any, captured: Captured
) -> None:
    model.generate(**tokenizer("abc", return_tensors="pt"), **LENGTH)

    span = only(captured)
    attributes = read(span.attributes)
    whole_ms = (span.end_ns - span.start_ns) / 1e6
    parts_ms = attributes["transformers.prefill_ms"] + attributes["transformers.decode_ms"]
    assert span.ttft_ms == attributes["transformers.prefill_ms"]
    assert 0 < (span.ttft_ms or 0) < whole_ms
    assert parts_ms == pytest.approx(whole_ms)
    assert attributes["transformers.tokens_per_second"] == pytest.approx(6e3 / whole_ms, abs=0.01)
    assert attributes["transformers.decode_tokens_per_second"] == pytest.approx(
        5e3 / attributes["transformers.decode_ms"], abs=0.01
    )


def test_the_first_token_is_there_when_the_loop_asks_for_a_second(
    model: Any, tokenizer: Any
) -> None:
    ticks = iter(range(1_000_000_000, 10**18, 1_000_000))
    with capture(clock_ns=lambda: next(ticks)) as captured:
        model.generate(**tokenizer("abc", return_tensors="pt"), **LENGTH)

    assert only(captured).ttft_ms == 2  # one reading at the loop's beginning, one after the first


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"do_sample": True, "top_k": 5},
        {"num_beams": 3, "num_return_sequences": 2},
        {"prompt_lookup_num_tokens": 2},
        {"return_dict_in_generate": True, "output_scores": True},
        {"use_cache": False},
    ],
)
def test_what_is_generated_stays_the_same(
    model: Any, tokenizer: Any, captured: Captured, settings: dict[str, Any]
) -> None:
    given = tokenizer(["abc", "a longer one"], return_tensors="pt", padding=True)
    if "prompt_lookup_num_tokens" in settings:
        given = tokenizer("abcabc", return_tensors="pt")
    torch.manual_seed(3)
    logged = model.generate(**given, **(LENGTH | settings))
    uninstrument()

    torch.manual_seed(3)
    plain = model.generate(**given, **(LENGTH | settings))

    assert type(logged) is type(plain)
    assert torch.equal(getattr(logged, "sequences", logged), getattr(plain, "sequences", plain))
    span = only(captured)
    assert span.ttft_ms is not None
    assert len(read(span.output)) == len(getattr(logged, "sequences", logged))


def test_padding_and_what_follows_the_end_are_no_tokens(
    model: Any, tokenizer: Any, captured: Captured
) -> None:
    given = tokenizer(["abc", "a longer one"], return_tensors="pt", padding=True)
    uninstrument()
    rows = model.generate(**given, **LENGTH, eos_token_id=-1)[:, 12:].tolist()
    instrument("transformers")
    end = next(token for token in rows[0][1:4] if token not in rows[1])
    length = rows[0].index(end) + 1

    model.generate(**given, **LENGTH, eos_token_id=[end, END], pad_token_id=PAD)

    span = only(captured)
    assert texts(span.input) == ["abc", "a longer one"]
    assert span.input_tokens == 15
    assert span.output_tokens == length + 6
    assert span.finish_reasons == ["stop", "length"]


def test_what_the_caller_asked_to_stop_at_is_no_limit(
    model: Any, tokenizer: Any, captured: Captured
) -> None:
    given = tokenizer("abc", return_tensors="pt")
    after_two = transformers.StoppingCriteriaList([lambda ids, _: torch.tensor([len(ids[0]) > 4])])

    model.generate(**given, **LENGTH, stopping_criteria=after_two, eos_token_id=-1)

    span = only(captured)
    assert span.finish_reasons == ["stop"]
    assert span.output_tokens == 2


def test_a_model_that_assists_adds_no_span(
    model: Any, tokenizer: Any, tiny: Path, captured: Captured
) -> None:
    assistant = transformers.AutoModelForCausalLM.from_pretrained(tiny)

    model.generate(**tokenizer("abc", return_tensors="pt"), **LENGTH, assistant_model=assistant)

    span = only(captured)
    assert span.output_tokens == 6
    assert read(span.attributes)["transformers.assistant"] == "LlamaForCausalLM"


def test_a_stream_in_a_thread_is_followed_to_its_end(
    model: Any, tokenizer: Any, captured: Captured
) -> None:
    streamer = transformers.TextIteratorStreamer(
        tokenizer, skip_prompt=True, skip_special_tokens=True
    )
    given = tokenizer("abc", return_tensors="pt")
    thread = threading.Thread(
        target=model.generate,
        kwargs={**given, **LENGTH, "streamer": streamer, "eos_token_id": -1},
    )
    thread.start()
    said = "".join(streamer)
    thread.join()

    span = only(captured)
    assert texts(span.output) == [said]
    assert span.chunk_count == 6
    assert span.chunk_p50_ms is not None
    assert span.ttft_ms is not None


def test_threads_that_share_a_model_keep_their_times_apart(
    model: Any, tokenizer: Any, captured: Captured
) -> None:
    prompts = [tokenizer("x" * count, return_tensors="pt") for count in range(1, 5)]
    threads = [
        threading.Thread(target=model.generate, kwargs={**prompt, **LENGTH, "streamer": None})
        for prompt in prompts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(span.input_tokens or 0 for span in captured.spans) == [1, 2, 3, 4]
    assert all(span.ttft_ms for span in captured.spans)


def test_without_a_known_tokenizer_tokens_are_counted_alone(model: Any, captured: Captured) -> None:
    stranger = transformers.LlamaForCausalLM(model.config.__class__(**settings_of(model)))

    stranger.generate(torch.tensor([[5, 6, 7]]), **LENGTH, eos_token_id=-1)

    span = only(captured)
    assert (span.input_tokens, span.output_tokens) == (3, 6)
    assert (bytes(span.input), bytes(span.output)) == (b"", b"")
    assert span.request_model == "LlamaForCausalLM"


def test_a_prompt_in_the_cache_counts_as_read_from_it(
    model: Any, tokenizer: Any, captured: Captured
) -> None:
    cache = transformers.DynamicCache(config=model.config)
    given = tokenizer("abcdef", return_tensors="pt")
    model(given["input_ids"][:, :4], past_key_values=cache)

    model.generate(**given, **LENGTH, past_key_values=cache)

    span = only(captured)
    assert (span.input_tokens, span.cache_read_tokens) == (6, 4)


def test_of_an_encoder_and_decoder_both_sides_are_counted(captured: Captured) -> None:
    config = transformers.T5Config(
        vocab_size=40, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2
    )
    model = transformers.T5ForConditionalGeneration(config).eval()

    model.generate(
        torch.tensor([[5, 6, 7, 8]]), max_new_tokens=3, eos_token_id=-1, decoder_start_token_id=0
    )

    span = only(captured)
    assert (span.input_tokens, span.output_tokens) == (4, 3)


def test_an_error_is_the_callers_and_the_span_tells_what_was_asked(
    model: Any, tokenizer: Any, captured: Captured
) -> None:
    class Full(Exception):
        """What a streamer raises."""

    class Streamer(transformers.TextStreamer):
        def put(self, value: Any) -> None:
            raise Full

    with pytest.raises(Full):
        model.generate(
            **tokenizer("abc", return_tensors="pt"), **LENGTH, streamer=Streamer(tokenizer)
        )

    span = only(captured)
    assert (span.status, texts(span.input), span.input_tokens) == ("error", ["abc"], 3)
    assert span.error_type is not None
    assert "Full" in span.error_type


def test_a_tokenizer_that_fails_costs_the_texts_and_no_result(model: Any, tokenizer: Any) -> None:
    given = tokenizer("abc", return_tensors="pt")

    class Broken:
        name_or_path = "broken"

        def decode(self, *args: Any, **kwargs: Any) -> str:
            raise RuntimeError("Already borrowed")

    with capture(is_raising=False) as captured:
        result = model.generate(**given, **LENGTH, tokenizer=Broken())

        assert result.shape == (1, 9)
        assert only(captured).status == "ok"
        assert headway.stats().faults["reading an answer"] == 2


def test_what_is_let_go_is_as_it_was() -> None:
    watched = transformers.GenerationMixin.generate
    uninstrument()

    assert transformers.GenerationMixin.generate is watched.__wrapped__
