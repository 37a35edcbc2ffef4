"""What a drift card is named by, and the forms it is read in.

Imported when first asked for: it needs polars, which the collector starts without.
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Literal

import msgspec

from headway._version import __version__
from headway_collector.drifting import DriftRequest
from headway_collector.errors import InvalidRequestError
from headway_collector.store.drift_cards import StoredQuery
from headway_measures.descriptors.catalog import METRICS, VERSION
from headway_measures.drift.card_json import card_id_of, decode_card
from headway_measures.drift.metrics_found import CALL_METRICS, TEXT_METRICS, check_names
from headway_measures.drift.windows import Options, Query, WindowsError
from headway_measures.representations import HashedText

Form = Literal["json", "markdown", "html"]
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "polars")


def make_request(
    project: str, reference: StoredQuery, current: StoredQuery, options: dict[str, Any]
) -> DriftRequest:
    """Return what a card is computed from, with the name that follows from it."""
    versions = list_versions()
    card_id = card_id_of(
        project, make_query(reference), make_query(current), make_options(options), versions
    )
    return DriftRequest(card_id, reference, current, options, versions)


def render(card: bytes, form: Form) -> tuple[bytes, str]:
    """Return a card in a form, and its media type."""
    if form == "markdown":
        from headway_measures.drift.markdown_cards import markdown_card

        return markdown_card(decode_card(card)).encode(), "text/markdown; charset=utf-8"
    if form == "html":
        from headway_measures.drift.html_cards import html_card

        return html_card(decode_card(card)).encode(), "text/html; charset=utf-8"
    return card, "application/json"


def make_query(query: StoredQuery) -> Query:
    """Return a query as the measures take it."""
    filters = tuple((name, tuple(values)) for name, values in query.filters)
    return Query(filters, query.start_ns, query.end_ns)


def make_options(options: dict[str, Any]) -> Options:
    """Return options as the measures take them."""
    return msgspec.convert(options, Options)


def check_metrics(names: Sequence[str] | None) -> None:
    """Refuse names of metrics that no call could have, before a job is started for them.

    Raises:
        InvalidRequestError: with what there is.
    """
    try:
        check_names(names or ())
    except WindowsError as error:
        raise InvalidRequestError(str(error)) from error


def list_metrics() -> list[dict[str, str]]:
    """Return every metric that calls have by themselves, with its name for people."""
    return [
        {"name": each.name, "label": each.label, "side": each.side, "kind": each.kind}
        for each in (*METRICS.values(), *CALL_METRICS, *TEXT_METRICS)
    ]


def list_versions() -> list[tuple[str, str]]:
    """Return the versions of all that a card's figures depend on."""
    return [
        ("headway", __version__),
        ("descriptors", str(VERSION)),
        ("representation", HashedText().version),
        *((name, version(name)) for name in _LIBRARIES),
    ]
