"""One project in one window."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headway_ui.scopes import WINDOWS, Scope, choose_bucket, make_scope

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def make_projects(**first_days: int) -> list[dict[str, Any]]:
    return [
        {
            "project": name,
            "first_time": (NOW - timedelta(days=days)).isoformat(),
            "last_time": NOW.isoformat(),
        }
        for name, days in first_days.items()
    ]


def scope_of(window: str, project: str | None = None, **first_days: int) -> Scope:
    return make_scope(project, WINDOWS[window], make_projects(**first_days), NOW)


def test_all_projects_together_reach_as_far_as_the_oldest() -> None:
    scope = scope_of("all", bot=3, shop=40)

    assert scope.first_time == NOW - timedelta(days=40)
    assert scope_of("all", "bot", bot=3, shop=40).first_time == NOW - timedelta(days=3)


def test_a_project_that_is_not_there_has_no_data() -> None:
    scope = scope_of("7d", "gone", bot=3)

    assert not scope.has_data
    assert scope.bucket == "hour"


def test_the_window_before_is_only_compared_with_where_there_was_traffic() -> None:
    assert scope_of("7d", bot=3).previous_filters is None
    assert scope_of("all", bot=30).previous_filters is None
    assert scope_of("7d", bot=30).previous_filters == {
        "project": None,
        "start": "-336h",
        "end": "-168h",
    }


@pytest.mark.parametrize(
    ("extent", "bucket"),
    [
        (timedelta(minutes=5), "minute"),
        (timedelta(hours=24), "hour"),
        (timedelta(days=14), "day"),
        (timedelta(days=400), "week"),
    ],
)
def test_a_chart_is_cut_into_a_readable_number_of_buckets(extent: timedelta, bucket: str) -> None:
    assert choose_bucket(extent) == bucket


def test_the_bucket_follows_the_data_and_not_the_window() -> None:
    assert scope_of("30d", bot=1).bucket == "hour"
    assert scope_of("30d", bot=400).bucket == "day"


def test_the_url_names_only_what_is_not_the_default() -> None:
    assert scope_of("30d", bot=1).query == {}
    assert scope_of("24h", "bot", bot=1).query == {"project": "bot", "range": "24h"}
