"""Pipelines of transformers with a tiny model: their spans, and that their results are let be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers

import headway
from headway.clients import Client
from headway.instrumenting import instrument, uninstrument
from headway.testing import Captured
from tests.sdk.instruments.local_models.spans import read, texts

ANSWER = {"max_new_tokens": 4, "do_sample": False, "return_full_text": False}


@pytest.fixture(scope="module")
def writer(tiny: Path) -> Any:
    """A pipeline that generates."""
    return transformers.pipeline("text-generation", model=str(tiny))


def test_a_prompt_is_the_one_span_of_its_generation(writer: Any, captured: Captured) -> None:
    answer = writer("abc", **ANSWER)[0]["generated_text"]

    (span,) = captured.spans
    assert (span.kind, span.parent_span_id) == ("llm", None)
    assert (texts(span.input), texts(span.output)) == (["abc"], [answer])
    assert span.input_tokens == 3


def test_answers_are_the_same_with_the_collector_down(
    writer: Any, make_client: Callable[..., Client]
) -> None:
    uninstrument()
    alone = writer(["abc", "de"], **ANSWER)
    instrument("transformers")
    make_client()

    assert writer(["abc", "de"], **ANSWER) == alone
    assert headway.stats().pending == 3


def test_a_chat_is_logged_as_its_messages(writer: Any, captured: Captured) -> None:
    chat = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hey"}]
    answer = writer(chat, **ANSWER)[0]["generated_text"]

    (span,) = captured.spans
    assert [each["role"] for each in read(span.input)] == ["system", "user"]
    assert texts(span.input) == ["Be kind.", "hey"]
    assert texts(span.output) == [answer]
    assert read(span.attributes)["gen_ai.operation.name"] == "chat"


def test_several_prompts_are_a_chain_of_their_batches(writer: Any, captured: Captured) -> None:
    results = writer(["abc", "de", "f"], **ANSWER, batch_size=2)

    *batches, chain = captured.spans
    assert (chain.name, chain.kind) == ("text-generation", "chain")
    assert [span.parent_span_id for span in batches] == [chain.span_id] * 2
    assert [texts(span.input) for span in batches] == [["abc", "de"], ["f"]]
    assert read(chain.output) == results
    assert sum(span.input_tokens or 0 for span in batches) == 6


def test_prompts_that_are_read_later_have_their_spans_then(writer: Any, captured: Captured) -> None:
    results = writer((text for text in ("abc", "de")), **ANSWER)
    before = len(captured.spans)

    answers = [result[0]["generated_text"] for result in results]

    assert before == 0
    assert [texts(span.output)[0] for span in captured.spans] == answers
    assert [texts(span.input) for span in captured.spans] == [["abc"], ["de"]]


def test_vectors_are_an_embedding_whose_numbers_are_not_logged(
    writer: Any, captured: Captured
) -> None:
    reader = transformers.pipeline(
        "feature-extraction", model=writer.model.model, tokenizer=writer.tokenizer
    )

    vectors = reader(["abc", "de"])

    (span,) = captured.spans
    attributes = read(span.attributes)
    assert len(vectors) == 2
    assert (span.kind, span.name.partition(" ")[0]) == ("embedding", "embeddings")
    assert read(span.input) == ["abc", "de"]
    assert attributes["gen_ai.embeddings.dimension.count"] == 32
    assert bytes(span.output) == b""


def test_a_classifier_is_a_span_with_what_it_said(
    writer: Any, tiny: Path, captured: Captured
) -> None:
    model = transformers.LlamaForSequenceClassification.from_pretrained(tiny)
    classifier = transformers.pipeline(
        "text-classification", model=model, tokenizer=writer.tokenizer
    )

    result = classifier("abc")

    (span,) = captured.spans
    assert (span.name, span.kind, span.status) == ("text-classification", "span", "ok")
    assert span.request_model == str(tiny)
    assert [read(span.output)] == result
    assert read(span.attributes)["transformers.task"] == "text-classification"


def test_an_error_of_a_pipeline_is_the_callers(writer: Any, captured: Captured) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        writer(["abc", "de"], nonsense=3)

    assert [span.status for span in captured.spans] == ["error", "error"]
