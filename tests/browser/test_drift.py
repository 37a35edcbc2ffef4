"""Drift and Quality in a real Chromium, over the fortnight that ``headway demo`` logs.

Two things happen in it: on the seventh day other mail comes in, and on the eleventh a worse model
goes live. Both have to be found, dated and explained, and neither taken for the other.
"""

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from rich.console import Console

from headway.apis import ApiClient
from headway_evals.demo.runner import PROJECT, drift_url, log_calls
from headway_evals.demo.traffic import DAYS, RELEASE_DAY, SHIFT_DAY, plan_fortnight
from headway_evals.models.specs import ModelOptions, make_model

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

# Half of what the demo logs: enough to find both, and half as long to wait for.
CALLS = 1200
SLOW_MS = 180_000
expect.set_options(timeout=60_000)
# A Monday, so that days and weekends lie alike in every run.
END = datetime(2025, 6, 16, 12, tzinfo=UTC)
BEGIN, SHIFT, RELEASE = (END - timedelta(days=DAYS - day) for day in (0, SHIFT_DAY, RELEASE_DAY))
# How long a call took is measured, and other tests run beside.
TIMES = ("duration_ms", "ttft_ms")
JSON = ("is_json", "is_json_broken", "score:valid_json")


@pytest.fixture(scope="module")
def demo(
    browser: Browser, running: type, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """A collector that holds the demo's traffic, and compares its windows already."""
    folder = tmp_path_factory.mktemp("demo")
    serve = ["serve", "--db", str(folder / "demo.duckdb"), "--port", "0"]
    with running(*serve) as url, running("ui", "--port", "0", "--url", url) as ui_url:
        arrivals = plan_fortnight(random.Random(7), CALLS, int(END.timestamp()) * 10**9)
        options = ModelOptions(batch_tokens=2_048)
        specs = {"triage-base": "hf:triage-base", "triage-v3": "hf:triage-base+triage-v3"}
        models = {name: make_model(spec, options) for name, spec in specs.items()}
        log_calls(Console(quiet=True), url, models, folder, arrivals)
        api = ApiClient(url)
        body: dict[str, Any] = {"filters": {}, "bucket": "day"}
        heat = api.post("/v1/drift/heatmap", body, project=PROJECT)["job_id"]
        for windows in ((BEGIN, SHIFT, RELEASE), (SHIFT, RELEASE, END)):
            start, cut, end = (f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in windows)
            sides = {
                "reference": {"start": [start], "end": [cut]},
                "current": {"start": [cut], "end": [end]},
            }
            api.post("/v1/drift", {**sides, "filters": {}, "options": {}}, project=PROJECT)
        yield SimpleNamespace(api=api, ui_url=ui_url, heat=heat)


@pytest.fixture
def page(browser: Browser, demo: SimpleNamespace) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(SLOW_MS)
    yield page
    context.close()


def find_card(page: Page, url: str) -> None:
    """Open the windows of a link, compare them, and wait for the card."""
    page.goto(url)
    page.get_by_role("button", name="Compare", exact=False).last.click()
    expect(page).to_have_url(re.compile("card="), timeout=SLOW_MS)
    expect(page.get_by_text("At a glance")).to_be_visible(timeout=SLOW_MS)


def finding(page: Page, title: str) -> Any:
    """Return the frame around a finding."""
    heading = page.get_by_role("heading", name=title, exact=True)
    rows = page.get_by_role("link", name="The calls it speaks of")
    return page.get_by_test_id("stVerticalBlock").filter(has=heading).filter(has=rows).last


def test_the_map_dates_both_changes_and_a_cell_leads_to_its_card(
    page: Page, demo: SimpleNamespace
) -> None:
    page.goto(f"{demo.ui_url}/drift?project={PROJECT}&range=all&map={demo.heat}")
    expect(page.get_by_text("The map as a table")).to_be_visible(timeout=SLOW_MS)
    heat = demo.api.get(f"/v1/jobs/{demo.heat}")["result"]
    drifted = {(c["metric"], c["time"][:10]) for c in heat["cells"] if c["state"] == "drift"}

    def first(*metrics: str) -> str:
        return str(min(day for metric, day in drifted if metric in metrics))

    shift, release = (f"{each:%Y-%m-%d}" for each in (SHIFT, RELEASE))
    assert min(day for metric, day in drifted if metric not in TIMES) >= shift
    assert first("tag:kind") <= f"{SHIFT + timedelta(days=1):%Y-%m-%d}"
    assert release <= first(*JSON) <= f"{RELEASE + timedelta(days=1):%Y-%m-%d}"
    expect(page.get_by_text(re.compile(r"metrics drifted: from \d+ Jun 2025"))).to_be_visible()
    expect(page.locator("svg text", has_text="answers that are JSON")).to_be_visible()

    page.locator("path[aria-roledescription^=rect][aria-label*='state: drift']").last.click()

    expect(page).to_have_url(re.compile("card="), timeout=SLOW_MS)
    expect(page.get_by_role("button", name="Markdown")).to_be_visible(timeout=SLOW_MS)


def test_the_shift_is_found_dated_and_its_calls_are_a_click_away(
    page: Page, demo: SimpleNamespace
) -> None:
    find_card(page, drift_url(demo.ui_url, BEGIN, SHIFT, RELEASE))

    card = demo.api.get(f"/v1/drift/{re.findall('card=([0-9a-f]+)', page.url)[0]}")
    found = {each["evidence"]["metric"]: each for each in card["findings"]}
    since = datetime.fromtimestamp(found["tag:kind"]["since"]["start_ns"] / 1e9, UTC)
    assert abs(since - SHIFT) <= timedelta(days=1)
    assert not {"is_json", "score:valid_json"} & set(found)
    expect(finding(page, "Tags kind")).to_contain_text("delivery")

    page.get_by_role("link", name="The calls it speaks of").first.click()

    expect(page).to_have_url(re.compile(r"/traces\?.*from=.*until="))
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()


def test_the_worse_model_is_found_and_explained_and_the_mail_is_not_blamed(
    page: Page, demo: SimpleNamespace
) -> None:
    find_card(page, drift_url(demo.ui_url, SHIFT, RELEASE, END))

    fell = finding(page, "Score valid_json")
    for said in ("fell", "kind:refund", "triage-v3"):
        expect(fell).to_contain_text(said)
    card = demo.api.get(f"/v1/drift/{re.findall('card=([0-9a-f]+)', page.url)[0]}")
    # One card in twenty may call the same mail drifted, but never this surely.
    sure = [each for each in card["tests"] if (each["q_value"] or 1) < 1e-3]
    assert "score:valid_json" in {each["metric"] for each in sure}
    assert [each["metric"] for each in sure if each["side"] == "prompt"] == []


def test_quality_shows_the_fall_and_how_far_the_versions_lie_apart(
    page: Page, demo: SimpleNamespace
) -> None:
    page.goto(f"{demo.ui_url}/quality?project={PROJECT}&range=all&score=valid_json")

    expect(page.get_by_text(re.compile("^triage-v3 lies below triage-base"))).to_be_visible()
    expect(
        page.get_by_text(re.compile("^triage-v3 scores below triage-base: −1.* points"))
    ).to_be_visible()

    page.get_by_text("All together", exact=True).click()

    expect(page.get_by_text(re.compile("^The mean (fell from|ends at) "))).to_be_visible()
