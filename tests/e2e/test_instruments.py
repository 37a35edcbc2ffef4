"""A call of a real client library, priced by a real collector."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

import headway
from headway.client_settings import ClientSettings
from headway.clients import Client
from headway.lifecycle import install
from tests.e2e.processes import CollectorProcess
from tests.sdk.instruments import openai_wire as wire
from tests.sdk.instruments.servers import Provider


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


def test_a_call_with_cached_tokens_costs_what_the_provider_charges(
    collector: CollectorProcess, provider: Provider, tmp_path: Path
) -> None:
    usage = {
        "prompt_tokens": 1200,
        "completion_tokens": 60,
        "total_tokens": 1260,
        "prompt_tokens_details": {"cached_tokens": 1024},
        "completion_tokens_details": {"reasoning_tokens": 40},
    }
    provider.answer({**wire.completion(), "usage": usage})
    client = Client(ClientSettings(url=collector.url, journal_dir=tmp_path / "journal"))
    previous = install(client)
    headway.instrument("openai")
    try:
        with openai.OpenAI(api_key="k", base_url=f"{provider.url}/v1") as asked:
            asked.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "Where is my parcel?"}]
            )
        assert headway.flush(20)
    finally:
        headway.uninstrument()
        install(previous)
        client.close()

    (row,) = collector.api.get("/v1/spans?content=full")["spans"]
    # 2.50, 1.25 and 10 dollars for a million: 176 tokens that were new, 1,024 cached, 60 answered.
    assert row["cost_usd"] == pytest.approx((176 * 2.5 + 1024 * 1.25 + 60 * 10) / 1e6)
    assert (row["kind"], row["request_model"]) == ("llm", "gpt-4o")
    assert row["input"][0]["parts"] == [{"type": "text", "content": "Where is my parcel?"}]
    assert row["is_usage_inconsistent"] is not True
