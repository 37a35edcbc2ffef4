"""A card's pages: what each shows, and that no text of a call can break out of any."""

import re
import time
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from typing import Any

import pytest

from headway_measures.drift.card_json import decode_card, encode_card
from headway_measures.drift.html_card_parts import marked
from headway_measures.drift.html_cards import html_card
from headway_measures.drift.markdown_cards import markdown_card
from headway_measures.drift.results import Effect
from tests.measures.drift_findings import FULL, REFUSALS, SHORTER, VECTORS, card, explained

EVIL = (
    "</pre></svg></details>\"'><script>alert(1)</script><img src=http://evil.example/x onerror=x>"
    "\n```\n# h @team | x | [a](javascript:x) https://evil.example www.evil.example "
    "\x1b[2J\u202e\ud800\x00 &amp; ]]> <!-- "
)


def spoiled(value: Any, text: str) -> Any:
    """Return a value with a text in the place of every text that is not one of a few."""
    kept = ("name", "kind", "side", "state", "verdict", "options")
    if isinstance(value, tuple):
        return type(value)(text if isinstance(each, str) else spoiled(each, text) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {
            each.name: text if isinstance(part, str) else spoiled(part, text)
            for each in fields(value)
            if each.name not in kept
            for part in [getattr(value, each.name)]
        }
        return replace(value, **parts)
    return value


class _Page(HTMLParser):
    """What a browser would make of a document: tags in order, and whether they are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}
        if tag not in ("meta", "line", "circle", "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_shows_every_part_of_a_finding() -> None:
    shown = html_card(FULL)

    for part in (
        "Drift: answers got shorter.",
        "Answers changed: Sorry, but I can&#x27;t.",
        "tag “kind:Sorry, but I can&#x27;t”",
        "prompt version “Sorry, but I can&#x27;t”",
        "now 87 %",
        "1,000",
        "from</th><th>to",
        "2026-05-08 00:00 UTC",
        "request_model: gpt-4",
        "Note: texts are a sample of 4,000 a side",
        "<mark>Of</mark> <mark>course</mark>",
        "before: no such call",
        "not enough data with 1,000 calls before",
        "The score accuracy fell: 84 % → 51 %",
        "difference in points: 5, between 3 and 7",
        "seed 7, alpha 0.05",
        "polars 2.1.0",
        "card 9f0c",
        "rows 77aa",
        "q = 0.0001",
        "prefers-color-scheme: dark",
    ):
        assert part in shown
    assert _Page(shown).tags.count("svg") == 9


def test_html_is_alone_and_runs_nothing_whatever_calls_said() -> None:
    page = _Page(html_card(spoiled(FULL, EVIL)))
    plain = _Page(html_card(FULL))

    assert page.open == []
    assert set(page.tags) <= set(plain.tags)
    assert not {"script", "img", "link", "iframe", "a"} & set(page.tags)
    assert not {"src", "href", "onerror", "xlink:href"} & page.names
    assert "default-src &#x27;none&#x27;" in html_card(FULL)


def test_html_of_sixty_findings_with_megabytes_of_text_stays_small() -> None:
    text = EVIL.replace("\ud800", "") * 4000
    finding = spoiled(explained(REFUSALS), text)
    finding = replace(finding, examples=finding.examples * 3)
    many = card((finding,) * 60, tests=(finding.evidence,) * 300, quality=(finding.evidence,) * 50)
    began = time.perf_counter()

    shown = html_card(many)

    assert len(shown.encode()) < 2_000_000
    assert time.perf_counter() - began < 30
    assert "left out, to keep this small" in shown
    assert shown.endswith("</html>\n")


def test_html_keeps_every_finding_where_texts_are_usual() -> None:
    text = "I am sorry, but I cannot help with that. " * 15
    shown = html_card(card((explained(SHORTER, text),) * 60))

    assert shown.count("<h3") == 60
    assert len(shown.encode()) < 2_000_000


def test_words_that_differ_are_marked_and_no_others() -> None:
    before, after = marked("the <b> cat sat", "the <b> dog sat")

    assert before == "the &lt;b&gt; <mark>cat</mark> sat"
    assert after == "the &lt;b&gt; <mark>dog</mark> sat"
    assert marked("one of two", "three and four") == ("one of two", "three and four")


def test_markdown_tells_findings_openly_and_folds_the_rest() -> None:
    told = markdown_card(FULL)

    opened = re.sub(r"<details>.*?</details>", "", told, flags=re.DOTALL)
    assert told.startswith("## 🔴 Drift card: drift\n\nDrift: answers got shorter.\n")
    assert "**Refusals** (q = 0.0001): Answers changed: Sorry, but I can't." in opened
    assert "- current: 1 call, from 2026-05-08 00:00 UTC, request\\_model: gpt-4" in opened
    assert "> ⚠️ texts are a sample of 4,000 a side" in opened
    assert "| opening “Sorry, but I can't” | 2 % | 87 % |" in told
    assert "| opening" not in opened
    assert "```text\nasked: ask Sorry, but I can't\nanswered: Of course, step 1." in told
    assert "🟢 Answers that ask back: no drift; 5 % → 6 % is too little to matter." in told
    assert told.count("<details>") == told.count("</details>") == 6


def test_markdown_of_hostile_texts_holds_no_tag_link_or_mention_of_theirs() -> None:
    told = markdown_card(spoiled(FULL, EVIL))

    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", told, flags=re.DOTALL | re.MULTILINE)
    tags = re.findall(r"(?<!\\)</?\w+", outside)
    assert set(tags) == {"<details", "<summary", "</summary", "</details"}
    assert tags.count("<details") == tags.count("</details") == 6
    assert "alert" not in re.sub(r"\\<script\\>alert", "", outside)
    assert (
        not re.search(r"@\w|://\w|www\.", outside.replace(":\\//", "")) or "https\\://" in outside
    )
    assert "@team" not in outside
    assert "https://" not in outside
    assert "www.evil" not in outside
    assert "\x1b" not in told
    assert "\u202e" not in told


def test_a_fence_of_an_example_is_longer_than_any_in_it() -> None:
    told = markdown_card(card((explained(SHORTER, "look: ````"),)))

    assert "\n`````text\nasked: ask look: ````\n" in told


def test_markdown_fits_a_comment() -> None:
    finding = spoiled(explained(REFUSALS), "`*words*` and more | " * 50_000)
    many = card((finding,) * 60, tests=(finding.evidence,) * 300, quality=(finding.evidence,) * 50)

    told = markdown_card(many)

    assert len(told) < 65_536
    assert "more left out, to fit a comment" in told


@pytest.mark.parametrize("verdict", ["drift", "no_drift", "not_enough_data", "identical", "failed"])
def test_a_card_of_nothing_has_every_form(verdict: Any) -> None:
    empty = card((), tests=(), quality=(), notes=(), verdict=verdict, headline="", versions=())

    assert decode_card(encode_card(empty)) == empty
    assert "Drift card" in markdown_card(empty)
    assert "svg viewBox" not in html_card(empty)


def test_figures_that_are_no_numbers_leave_no_picture_broken() -> None:
    effect = Effect("risk_difference", float("nan"), float("-inf"), float("inf"), 0.02)
    odd = explained(replace(VECTORS, effects=(effect,), q_value=0.0))
    terms = tuple(replace(each, share_cur=float("inf")) for each in odd.terms)

    shown = html_card(card((replace(odd, terms=terms),)))

    assert not re.search(r'="[^"]*(nan|inf)[^"]*"', shown)
