"""What clients lost before it reached the collector: one line, and behind it why and where.

Without it a gap in the charts looks like a quiet hour. Where nothing was lost nothing is drawn.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from headway_ui import formats, queries, tables
from headway_ui.scopes import Scope

_SHOWN_REASONS = 3
_UNKNOWN = "This dashboard does not know the reason; the log of the process says more."
_ADVICE = {
    "journal_full": "The collector was away for longer than the journal holds: bring it back "
    "sooner, or raise HEADWAY_JOURNAL_LIMIT_BYTES.",
    "memory_full": "There was no folder for the journal, and the little memory in its place was "
    "full: set HEADWAY_JOURNAL_DIR to a folder on a disk.",
    "disk_full": "The disk under the journal was full: free space, or set HEADWAY_JOURNAL_DIR to "
    "a folder on another disk.",
    "journal_unwritable": "The journal's folder could not be written: give the process the right "
    "to write there, or set HEADWAY_JOURNAL_DIR to another folder.",
    "too_large": "Single calls were too large for the journal or the collector: lower "
    "HEADWAY_CAPTURE_LIMIT_BYTES, or log less of their inputs and outputs.",
    "rejected": "The collector found fault with single calls: the log of the process says with "
    "what, and the collector keeps the lines in the table rejects.",
    "refused": "The collector refused whole calls as unreadable: the log of the process says why; "
    "bring client and collector to the same version of Headway.",
    "unencodable": "Something in a call could not be written as JSON: the log of the process "
    "names it; log plain values in its place.",
    "damaged": "Files of the journal were damaged or cut short by somebody else: check the disk, "
    "and who else writes in the journal's folder.",
    "starting": "Over a thousand calls came before Headway had started, from signal handlers, or "
    "because no file could be opened: call headway.init() at the start of the program; the log "
    "of the process says more.",
    "unreadable": "A call's arguments or its function could not be looked at: the log of the "
    "process says why.",
    "shut_down": "Calls came after Headway had ended, and there was no file for them: call "
    "headway.shutdown() as the very last, and set HEADWAY_JOURNAL_DIR to a folder on a disk.",
    "event_without_span": "Log events with the messages of calls came, and not the spans they "
    "belong to, for a day or until too many waited: send traces to the same project of this "
    "collector.",
    "exit": "The process kept its calls in memory and ended while the collector was away: set "
    "HEADWAY_JOURNAL_DIR to a folder on a disk, or raise HEADWAY_EXIT_TIMEOUT_S.",
}


def draw(scope: Scope) -> None:
    """Draw what was lost in the scope, folded into one line."""
    lost = queries.losses(scope.filters)
    if not lost["total"]:
        return
    line = formats.plain(summarise(lost["total"], lost["reasons"]))
    with st.expander(f":orange[:material/warning:] {line}"):
        for reason, count in lost["reasons"].items():
            words = f"{formats.plural(count, 'call')}. {advise(reason)}"
            st.markdown(f"**{formats.plain(reason)}**, {formats.plain(words)}")
        rows = [_to_row(each, scope) for each in lost["losses"]]
        st.dataframe(
            rows,
            hide_index=True,
            column_config={"Latest (UTC)": tables.time(), "Calls": tables.whole()},
            alt="The processes that lost calls",
        )
        words = "All that a process lost for a reason counts at the time of the latest."
        if lost["next_cursor"] is not None:
            words += f" The table ends after {len(rows)} rows; the sums go on."
        st.caption(words)


def summarise(total: int, reasons: Mapping[str, int]) -> str:
    """Say how many calls were lost and why, the commonest reasons first.

    Args:
        total: of all calls that were lost.
        reasons: the part of each reason, the largest first.
    """
    named = [f"{reason} {formats.count(count)}" for reason, count in reasons.items()]
    if len(named) > _SHOWN_REASONS:
        rest = list(reasons.values())[_SHOWN_REASONS:]
        named[_SHOWN_REASONS:] = [
            f"{formats.plural(len(rest), 'other reason')} {formats.count(sum(rest))}"
        ]
    return f"Clients lost {formats.plural(total, 'call')} in this period: {', '.join(named)}"


def advise(reason: str) -> str:
    """Say what a reason means and what to do about it."""
    return _ADVICE.get(reason, _UNKNOWN)


def _to_row(loss: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    project = {} if scope.project else {"Project": loss["project"]}
    return {
        "Latest (UTC)": formats.moment(loss["time"]),
        **project,
        "Host": loss["host"],
        "Process": str(loss["pid"]),
        "Reason": loss["reason"],
        "Calls": loss["count"],
    }
