"""The Evals pages in a real Chromium: every view from its URL, keys, and clicks on marks."""

import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from headway.apis import ApiClient

pytestmark = pytest.mark.browser

SCREENSHOTS = Path(__file__).with_name("screenshots")
SLOW_MS = 60_000
expect.set_options(timeout=30_000)
Theme = Literal["light", "dark"]
Open = Callable[..., Page]

LAB = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "ui" / "eval_traffic.py")))
PATHS = {
    "list": "",
    "run": "&run=lab-0",
    "comparison": f"&comparison={LAB.COMPARISON_ID}",
    "pair": "&baseline=lab-0&candidate=lab-1",
    "suite": f"&suite={LAB.SUITE}",
    "sweep": f"&sweep={LAB.SWEEP_ID}",
}
WORDS = {
    "list": "base+step-9 got worse on 4 parts",
    "run": "Pass rate by tag, the lowest first",
    "comparison": "REGRESSED in kind:refund, kind:damage by gate manners, gate manners, case t-003",
    "pair": "No verdict on these two is published.",
    "suite": "Cases that flip most",
    "sweep": "Flips between any two",
}


@pytest.fixture(scope="module")
def tab(browser: Browser, collector_url: str) -> Iterator[Page]:
    """One page for all tests, over a collector that holds the lab."""
    LAB.send(ApiClient(collector_url))
    page = browser.new_page()
    page.set_default_timeout(SLOW_MS)
    yield page
    page.close()


@pytest.fixture
def open_page(tab: Page, dashboard_url: str) -> Iterator[Open]:
    """Open a view of Evals by its name."""

    def visit(name: str, more: str = "", theme: Theme = "light", width: int = 1280) -> Page:
        tab.emulate_media(color_scheme=theme)
        tab.set_viewport_size({"width": width, "height": 1000})
        tab.goto(f"{dashboard_url}/evals?project={LAB.PROJECT}{PATHS[name]}{more}")
        settle(tab)
        return tab

    yield visit
    tab.evaluate("localStorage.clear(), sessionStorage.clear()")
    tab.goto("about:blank")


def settle(page: Page) -> None:
    """Wait until the script has run and no chart is still to come, and look for faults."""
    expect(page.locator("h1").first).to_be_visible(timeout=SLOW_MS)
    app = page.get_by_test_id("stApp")
    expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=SLOW_MS)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=SLOW_MS)
    expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "theme", "width"),
    [
        *((name, "light", 1280) for name in PATHS),
        *((name, "dark", 700) for name in ("comparison", "suite", "sweep")),
    ],
)
def test_a_view_opens_from_its_url_alone(
    open_page: Open, name: str, theme: Theme, width: int
) -> None:
    page = open_page(name, theme=theme, width=width)
    expect(page.get_by_text(WORDS[name]).first).to_be_visible()

    height = page.get_by_test_id("stMain").evaluate("element => element.scrollHeight")
    page.set_viewport_size({"width": width, "height": min(max(height, 700), 4000)})
    settle(page)
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"evals-{name}-{theme}-{width}.png", animations="disabled")

    # Nothing is wider than the window.
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_keys_step_through_the_flips(open_page: Open) -> None:
    page = open_page("comparison")
    expect(page.get_by_text("Flip 1 of 4")).to_be_visible()

    page.keyboard.press("j")
    expect(page.get_by_text("Flip 2 of 4")).to_be_visible()
    page.keyboard.press("j")
    expect(page.get_by_text("Flip 3 of 4")).to_be_visible()
    page.keyboard.press("k")

    expect(page.get_by_text("Flip 2 of 4")).to_be_visible()
    expect(page).to_have_url(re.compile("flip=t-003"))


def test_what_differs_is_marked_on_both_sides(open_page: Open) -> None:
    page = open_page("comparison")

    expect(page.locator("mark")).to_have_text(["delivery", "high", "refund", "low"])


def test_a_click_on_a_rate_shows_what_failed(open_page: Open) -> None:
    page = open_page("run")

    page.locator("path[aria-roledescription=point][aria-label*='kind:refund']").click()

    expect(page.get_by_text("2 of 60 cases")).to_be_visible()
    expect(page).to_have_url(re.compile("outcome=Failed"))
    expect(page).to_have_url(re.compile("case_tag=kind"))


def test_a_click_on_a_mark_of_the_course_opens_its_run(open_page: Open) -> None:
    page = open_page("suite")

    page.locator("path[aria-roledescription=point]").first.click()

    expect(page).to_have_url(re.compile("run=lab-"))
    settle(page)
    expect(page.get_by_role("heading", name=re.compile("^Passed "))).to_be_visible()


def test_a_cell_of_the_matrix_leads_to_the_flips_between_the_two(open_page: Open) -> None:
    page = open_page("sweep")

    # The figure stands on its cell, and a click on it is one on the cell.
    told = "under 1 hf:base+step-9 and fail under 2"
    page.locator(f"text[aria-roledescription='text mark'][aria-label*='{told}']").click()

    expect(page).to_have_url(re.compile("baseline=sweep-step-9&candidate=sweep-step-10"))
    settle(page)
    expect(page.get_by_text(re.compile("both runs judged fail now"))).to_be_visible()


def test_two_runs_of_a_suite_are_picked_and_held_against_each_other(open_page: Open) -> None:
    page = open_page("suite")

    page.get_by_role("link", name="Compare these two").click()

    expect(page).to_have_url(re.compile("baseline=.*&candidate="))
    expect(page.get_by_test_id("stCode")).to_contain_text("headway eval compare")


def test_a_link_within_a_page_is_a_step_of_the_browser(open_page: Open) -> None:
    page = open_page("pair")
    pair = page.get_by_role("heading", level=1, name=re.compile("against"))
    run = page.get_by_role("heading", level=1, name=re.compile(" on triage."))

    page.get_by_role("link", name="The case in this run").first.click()

    expect(run).to_be_visible()
    expect(page).to_have_url(re.compile("run=lab-0&case="))
    page.go_back()
    expect(pair).to_be_visible()
    expect(page).to_have_url(re.compile("baseline=lab-0&candidate=lab-1"))
    page.go_forward()
    expect(run).to_be_visible()
    page.reload()
    expect(run).to_be_visible(timeout=SLOW_MS)
