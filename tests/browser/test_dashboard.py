"""The dashboard as a person sees it, in a real Chromium over real processes.

Screenshots of every page, light, dark and narrow, are left in ``screenshots/``. With
HEADWAY_README_SHOT=1 the overview also becomes ``docs/screenshot.png``.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from headway.apis import ApiClient

pytestmark = pytest.mark.browser

SCREENSHOTS = Path(__file__).with_name("screenshots")
README_SHOT = Path(__file__).parents[2] / "docs" / "screenshot.png"
SLOW_MS = 60_000
expect.set_options(timeout=30_000)
Theme = Literal["light", "dark"]
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Page]:
    """One page for all tests: a new one would fetch and compile all of Streamlit again."""
    page = browser.new_page()
    page.set_default_timeout(SLOW_MS)
    yield page
    page.close()


@pytest.fixture
def open_page(tab: Page, dashboard_url: str) -> Iterator[Open]:
    """Open a path of the dashboard; at the end nothing may have been fetched from elsewhere."""
    fetched: list[str] = []

    def note(request: Request) -> None:
        fetched.append(request.url)

    def visit(path: str, theme: Theme = "light", width: int = 1440) -> Page:
        tab.emulate_media(color_scheme=theme)
        tab.set_viewport_size({"width": width, "height": 1000})
        tab.goto(dashboard_url + path)
        settle(tab)
        return tab

    tab.on("request", note)
    yield visit
    tab.evaluate("localStorage.clear(), sessionStorage.clear()")
    tab.goto("about:blank")
    tab.remove_listener("request", note)
    elsewhere = [
        url
        for url in fetched
        if not url.startswith((dashboard_url, "data:", "blob:", "about:blank"))
    ]
    assert elsewhere == []


def settle(page: Page) -> None:
    """Wait until the script has run and no chart is still to come, and look for faults."""
    expect(page.locator("h1").first).to_be_visible(timeout=SLOW_MS)
    app = page.get_by_test_id("stApp")
    expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=SLOW_MS)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=SLOW_MS)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert "Traceback" not in page.locator("body").inner_text()


def shoot(page: Page, name: str) -> Path:
    """Leave a picture of the whole page."""
    size = page.viewport_size
    assert size is not None
    height = page.get_by_test_id("stMain").evaluate("element => element.scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": min(max(height, 700), 4000)})
    settle(page)
    SCREENSHOTS.mkdir(exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    return path


WORDS = {
    "overview": "Model calls per day, by model",
    "traces": "Newest first",
    "evals": "triage-v3 got worse on kind:refund",
    "comparison": "1 of 2 slices regressed",
    "run": "40 of 40 cases",
    "empty": "Nothing has been logged here yet",
}
PATHS = {
    "overview": "/?project=support-bot",
    "traces": "/traces?project=support-bot",
    "evals": "/evals?project=support-bot",
    "comparison": "/evals?comparison=cmp-1",
    "run": "/evals?run=run-v3",
    "empty": "/?project=nobody",
}


@pytest.mark.parametrize(
    ("name", "theme", "width"),
    [
        *((name, "light", 1440) for name in PATHS),
        *((name, "dark", 1440) for name in ("overview", "traces", "comparison")),
        *((name, "light", 480) for name in ("overview", "traces")),
    ],
)
def test_a_page_opens_from_its_url_alone(
    open_page: Open, name: str, theme: Theme, width: int
) -> None:
    page = open_page(PATHS[name], theme, width)
    expect(page.get_by_text(WORDS[name]).first).to_be_visible()

    shot = shoot(page, f"{name}-{theme}-{width}")

    assert shot.stat().st_size > 10_000
    is_for_readme = os.environ.get("HEADWAY_README_SHOT") == "1"
    if is_for_readme and (name, theme, width) == ("overview", "light", 1440):
        README_SHOT.write_bytes(shot.read_bytes())


def test_the_charts_of_the_overview_are_drawn(open_page: Open) -> None:
    page = open_page("/?project=support-bot")

    charts = page.get_by_test_id("stVegaLiteChart")
    for number in range(6):
        expect(charts.nth(number).locator("svg path").nth(5)).to_be_attached()


@pytest.mark.parametrize(
    ("theme", "colour"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(18, 23, 29)")]
)
def test_the_packaged_theme_is_the_one_in_use(open_page: Open, theme: Theme, colour: str) -> None:
    page = open_page("/", theme)

    expect(page.get_by_test_id("stApp")).to_have_css("background-color", colour)


def test_a_trace_shows_its_tree_its_prompt_and_its_completion(
    open_page: Open, traffic: SimpleNamespace
) -> None:
    page = open_page(f"/traces?trace_id={traffic.TRACE_ID}&span_id={traffic.LLM_SPAN_ID}")

    tree = page.get_by_role("tree")
    expect(tree.get_by_role("treeitem")).to_have_count(3)
    expect(tree.get_by_role("treeitem", selected=True)).to_contain_text("triage")
    expect(page.get_by_test_id("stChatMessage").nth(1)).to_contain_text(traffic.QUESTION)
    expect(page.get_by_test_id("stCode").first).to_contain_text('"order": "A48213"')
    shoot(page, "trace-light")


def test_a_click_in_the_tree_opens_that_span(open_page: Open, traffic: SimpleNamespace) -> None:
    page = open_page(f"/traces?trace_id={traffic.TRACE_ID}")

    page.get_by_role("treeitem", name=re.compile("search_handbook")).click()

    expect(page).to_have_url(re.compile("span_id=0000000100000001"))
    expect(page.get_by_role("heading", name="search_handbook")).to_be_visible()


def test_the_tree_can_be_walked_by_keyboard(open_page: Open, traffic: SimpleNamespace) -> None:
    page = open_page(f"/traces?trace_id={traffic.TRACE_ID}")

    page.get_by_role("treeitem").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile("span_id=0000000100000001"))


def test_logged_markup_is_shown_and_not_followed(open_page: Open) -> None:
    page = open_page(f"/traces?trace_id={3:032x}", "dark")

    expect(page.get_by_text("<script>alert(1)</script>").first).to_be_visible()
    expect(page.locator("img[src*='example.com']")).to_have_count(0)
    shoot(page, "trace-dark")


def test_a_thumb_given_in_the_browser_arrives_at_the_collector(
    open_page: Open, traffic: SimpleNamespace, collector_url: str
) -> None:
    page = open_page(f"/traces?trace_id={traffic.TRACE_ID}&span_id={traffic.LLM_SPAN_ID}")

    page.get_by_role("radio", name="Thumbs up").click()
    page.get_by_label("Your judgement").fill("well done")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("table").get_by_text("well done")).to_be_visible()
    query = {"name": "thumbs", "span_id": traffic.LLM_SPAN_ID}
    (score,) = ApiClient(collector_url).get("/v1/scores", query)["scores"]
    assert (score["value"], score["source"], score["comment"]) == (True, "human", "well done")


def test_a_row_opens_its_trace_and_back_returns_to_the_narrowed_list(open_page: Open) -> None:
    page = open_page("/traces?project=support-bot&show=All+spans&kind=llm")
    table = page.get_by_test_id("stDataFrame")

    table.click(position={"x": 500, "y": 60})
    expect(page.get_by_role("tree")).to_be_visible()
    page.go_back()
    settle(page)

    expect(table).to_be_visible()
    expect(page).to_have_url(re.compile("kind=llm"))
    table.click(position={"x": 500, "y": 60})
    expect(page.get_by_role("tree")).to_be_visible()


def test_a_click_on_a_bar_leads_to_the_calls_behind_it(open_page: Open) -> None:
    page = open_page("/?project=support-bot")
    chart = page.get_by_test_id("stVegaLiteChart").first

    chart.locator("path[aria-roledescription^=rect]").nth(2).click()

    expect(page).to_have_url(re.compile(r"/traces\?.*from=.*until="))
    settle(page)
    expect(page.get_by_text(re.compile("From .* UTC to .* UTC"))).to_be_visible()


def test_a_figure_leads_to_its_rows(open_page: Open) -> None:
    page = open_page("/?project=support-bot&range=7d")

    page.get_by_role("link", name="Failed ones").click()

    expect(page).to_have_url(re.compile("status=error"))
    expect(page).to_have_url(re.compile("range=7d"))
    settle(page)
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()


def test_what_clients_lost_is_one_line_that_opens(open_page: Open) -> None:
    page = open_page("/?project=lossy")
    line = page.get_by_text("Clients lost 1,234 calls in this period: journal_full 1,200, exit 30")
    advice = page.get_by_text("raise HEADWAY_JOURNAL_LIMIT_BYTES")
    expect(line).to_be_visible()
    expect(advice).to_be_hidden()

    line.click()

    expect(advice).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    shoot(page, "losses-light")


def test_a_chart_can_be_read_as_a_table(open_page: Open) -> None:
    page = open_page("/?project=support-bot")

    view = page.get_by_role("radiogroup", name="How to show: Traffic mix by tag kind")
    view.get_by_role("radio").last.click()

    expect(page.get_by_test_id("stDataFrame")).to_have_count(2)
