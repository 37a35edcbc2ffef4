"""What models cost at Azure, Bedrock and Vertex: by their names there, at the prices there."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import genai_prices
import pytest
from genai_prices.data_snapshot import find_provider_by_id, get_snapshot

import headway
from headway.apis import ApiClient
from headway.client_settings import ClientSettings
from headway.clients import Client
from headway.lifecycle import install
from headway.records import Kind, Span
from headway_collector.costs.pricing import Prices
from headway_collector.store.batches import Derived
from tests.sdk.instruments.asking import Style
from tests.sdk.instruments.asking_clouds import CLOUD_STYLES
from tests.sdk.instruments.servers import Provider

START_NS = 1_795_000_000_000_000_000
SONNET = "claude-sonnet-4-5-20250929"
REGIONAL = f"regional.anthropic.{SONNET}-v1:0"
EVERYWHERE = f"global.anthropic.{SONNET}-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012"
COUNTS = {
    "input_tokens": 1000,
    "cache_read_tokens": 600,
    "cache_write_tokens": 300,
    "output_tokens": 77,
}


def find_cost(
    provider: str,
    asked: str,
    answered: str | None,
    *,
    kind: Kind = "llm",
    counts: dict[str, int] = COUNTS,
) -> float | None:
    span = Span(
        trace_id="a" * 32,
        span_id="b" * 16,
        name="n",
        kind=kind,
        start_ns=START_NS,
        end_ns=START_NS,
        provider=provider,
        request_model=asked,
        response_model=answered,
        **counts,  # type: ignore[arg-type]
    )
    Prices().price([span], [Derived()])
    return span.cost_usd


def ask_package(seller: str, listed: str) -> float:
    """Return what the list asks for the entry of that very name."""
    found = find_provider_by_id(get_snapshot().providers, seller)
    assert found is not None
    (entry,) = [model for model in found.models if model.id == listed]
    prices = entry.get_prices(datetime.fromtimestamp(START_NS / 1e9, UTC))
    return float(prices.calc_price(genai_prices.Usage(**COUNTS))["total_price"])


@pytest.mark.parametrize(
    ("asked", "answered", "listed"),
    [
        (f"anthropic.{SONNET}-v1:0", SONNET, REGIONAL),
        (f"us.anthropic.{SONNET}-v1:0", SONNET, REGIONAL),
        (f"jp.anthropic.{SONNET}-v1:0", SONNET, REGIONAL),
        (f"us-gov.anthropic.{SONNET}-v1:0", None, REGIONAL),
        (f"{PROFILE}:inference-profile/us.anthropic.{SONNET}-v1:0", SONNET, REGIONAL),
        # Cheaper than in one region, which the answer does not tell.
        (f"global.anthropic.{SONNET}-v1:0", SONNET, EVERYWHERE),
        (f"global.anthropic.{SONNET}-v1:0", None, EVERYWHERE),
        (f"{PROFILE}:inference-profile/global.anthropic.{SONNET}-v1:0", SONNET, EVERYWHERE),
        # A profile of one's own says nothing; the answer does.
        (f"{PROFILE}:application-inference-profile/a1b2c3", SONNET, REGIONAL),
        (
            "anthropic.claude-3-5-sonnet-20241022-v2:0",
            "claude-3-5-sonnet-20241022",
            "regional.anthropic.claude-3-5-sonnet-20241022-v2:0",
        ),
        ("openai.gpt-5.5", "gpt-5.5", "openai.gpt-5.5"),
        ("us.amazon.nova-pro-v1:0", None, "amazon.nova-pro-v1:0"),
    ],
)
@pytest.mark.parametrize("provider", ["aws.bedrock", "bedrock", "aws"])
def test_a_call_of_bedrock_costs_what_its_regions_charge(
    provider: str, asked: str, answered: str | None, listed: str
) -> None:
    assert find_cost(provider, asked, answered) == pytest.approx(ask_package("aws", listed))


@pytest.mark.parametrize(
    ("asked", "answered", "listed"),
    [
        ("claude-sonnet-4-5@20250929", SONNET, "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", None, "claude-sonnet-4-5"),
        ("claude-3-5-sonnet-v2@20241022", "claude-3-5-sonnet-20241022", "claude-3-5-sonnet"),
        ("claude-opus-4-1@20250805", "claude-opus-4-1-20250805", "claude-4-opus"),
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("gemini-2.5-pro", "gemini-2.5-pro", "gemini-2.5-pro"),
    ],
)
def test_a_call_of_vertex_is_priced_by_its_names(
    asked: str, answered: str | None, listed: str
) -> None:
    cost = find_cost("gcp.vertex_ai", asked, answered)

    assert cost == pytest.approx(ask_package("google", listed))


@pytest.mark.parametrize(
    ("answered", "maker", "listed"),
    [
        ("gpt-4o-2024-08-06", "openai", "gpt-4o"),
        ("gpt-5-mini-2025-08-07", "openai", "gpt-5-mini"),
        (SONNET, "anthropic", "claude-sonnet-4-5"),
        ("o3-mini", "azure", "o3-mini"),
    ],
)
@pytest.mark.parametrize("deployment", ["our-chat", "gpt-4", "claude-opus-4-1"])
def test_a_deployment_of_azure_costs_what_the_model_does_that_answered(
    deployment: str, answered: str, maker: str, listed: str
) -> None:
    cost = find_cost("azure.ai.openai", deployment, answered)

    assert cost == pytest.approx(ask_package(maker, listed))


def test_an_old_deployment_for_embeddings_is_not_the_text_model_of_its_name() -> None:
    counts = {"input_tokens": 1_000_000}
    cost = find_cost("azure.ai.openai", "our-vectors", "ada", kind="embedding", counts=counts)

    # As ``text-embedding-ada-002`` calls itself there; the text model of OpenAI was 0.4.
    assert cost == pytest.approx(0.1)


def test_a_deployment_that_nobody_knows_has_no_cost() -> None:
    assert find_cost("azure.ai.openai", "our-chat", None) is None
    assert find_cost("aws.bedrock", f"{PROFILE}:application-inference-profile/a1b2c3", None) is None


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture
def url(listen: Callable[..., str], tmp_path: Path) -> Iterator[str]:
    """A collector, and a client that sends to it."""
    url = listen()
    journal = tmp_path / "journal"
    client = Client(ClientSettings(project="clouds", url=url, journal_dir=journal))
    previous = install(client)
    yield url
    headway.uninstrument()
    install(previous)
    client.close()


# Whether a program waits changes no price.
STYLES = [style for style in CLOUD_STYLES if not style.name.startswith("async ")]


@pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")
def test_each_call_through_a_cloud_costs_what_it_charges(url: str, provider: Provider) -> None:
    asked = [style for style in STYLES if is_asked(style, provider)]
    assert headway.flush(20)

    rows = ApiClient(url).get("/v1/spans", {"project": "clouds", "limit": 1000})["spans"]
    names = {row["span_id"]: row["name"] for row in rows}
    costs = {names[row["parent_span_id"]]: row["cost_usd"] for row in rows if row["parent_span_id"]}
    assert costs == pytest.approx({style.name: style.said.cost_usd for style in asked})
    assert len(asked) > 15


def is_asked(style: Style, provider: Provider) -> bool:
    """Ask where all is there that it takes."""
    provider.reset()
    headway.instrument(*style.libraries)
    style.lay_out(provider)
    try:
        with headway.span(style.name) as span:
            style.ask(provider.url)
    except pytest.skip.Exception:
        return False
    finally:
        headway.uninstrument()
    return bool(span.span_id)
