"""What is said of losses."""

import pytest

from headway_ui import losses


@pytest.mark.parametrize(
    ("reasons", "line"),
    [
        ({"exit": 1}, "Clients lost 1 call in this period: exit 1"),
        (
            {"journal_full": 1200, "too_large": 4},
            "Clients lost 1,204 calls in this period: journal_full 1,200, too_large 4",
        ),
        (
            {"exit": 7, "refused": 3, "disk_full": 2, "rejected": 1},
            "Clients lost 13 calls in this period: exit 7, refused 3, disk_full 2, "
            "1 other reason 1",
        ),
        (
            {"journal_full": 90, "exit": 7, "too_large": 2, "refused": 2, "rejected": 1},
            "Clients lost 102 calls in this period: journal_full 90, exit 7, too_large 2, "
            "2 other reasons 3",
        ),
    ],
)
def test_the_line_names_the_total_and_the_commonest_reasons(
    reasons: dict[str, int], line: str
) -> None:
    assert losses.summarise(sum(reasons.values()), reasons) == line


def test_a_reason_says_what_to_do() -> None:
    assert "raise HEADWAY_JOURNAL_LIMIT_BYTES" in losses.advise("journal_full")


def test_a_reason_of_a_newer_client_leads_to_its_log() -> None:
    assert "the log of the process says more" in losses.advise("invented in 2031")
