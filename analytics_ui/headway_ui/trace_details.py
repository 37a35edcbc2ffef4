"""One trace: its tree on a time line, and everything about the span that is selected."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from headway_ui import (
    cards,
    contents,
    empty_states,
    filters,
    formats,
    judgements,
    queries,
    waterfalls,
)
from headway_ui.kinds import kind_look, status_look
from headway_ui.trees import build_rows, find_root, total_ms

Span = Mapping[str, Any]
FACTS = {
    "span_id": "Span",
    "provider": "Provider",
    "response_model": "Answering model",
    "finish_reasons": "Finish reasons",
    "prompt_name": "Prompt",
    "prompt_version": "Prompt version",
    "environment": "Environment",
    "release": "Release",
    "cache_read_tokens": "Tokens read from cache",
    "reasoning_tokens": "Reasoning tokens",
    "audio_input_tokens": "Audio tokens in",
    "audio_output_tokens": "Audio tokens out",
    "chunk_count": "Chunks",
    "is_abandoned": "Abandoned early",
    "price_version": "Price version",
}


def draw(trace_id: str) -> None:
    """Draw the page of one trace."""
    st.button("Back to the list", icon=":material/arrow_back:", type="tertiary", on_click=_close)
    trace = queries.trace(trace_id)
    if trace is None or not trace["spans"]:
        st.title("Trace", anchor=False)
        empty_states.not_found("trace", trace_id)
        return
    spans = trace["spans"]
    _head(trace_id, spans)
    if trace["is_partial"]:
        st.info(_describe_cut(len(trace["cut_span_ids"])), icon=":material/content_cut:")
    selected = _selected(spans)
    tree, detail = st.columns(2, gap="medium")
    with tree, st.container(border=True):
        st.subheader("Steps", anchor=False)
        waterfalls.draw(build_rows(spans), selected["span_id"], _select)
    with detail, st.container(border=True):
        _span(selected)
        judgements.draw(trace["project"], selected, trace["scores"])


def _close() -> None:
    for name in ("trace_id", "span_id"):
        st.query_params.pop(name, None)


def _show_list_of(field: str, value: str) -> None:
    _close()
    filters.reset(**{field: value})


def _selected(spans: Sequence[Span]) -> Span:
    wanted = st.query_params.get("span_id")
    return next((span for span in spans if span["span_id"] == wanted), find_root(spans))


def _select(span_id: str) -> None:
    st.query_params["span_id"] = span_id


def _head(trace_id: str, spans: Sequence[Span]) -> None:
    root = find_root(spans)
    st.title(formats.plain(root["name"]), anchor=False)
    costs = [span["cost_usd"] for span in spans if span["cost_usd"] is not None]
    tokens = sum((s["input_tokens"] or 0) + (s["output_tokens"] or 0) for s in spans)
    facts = [
        formats.when(root["start_time"]),
        f"took {formats.duration(total_ms(spans))}",
        formats.plural(len(spans), "step"),
        formats.plural(tokens, "token") if tokens else "no tokens",
        formats.money(sum(costs)) if costs else "no cost",
    ]
    failed = sum(span["status"] == "error" for span in spans)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        look = status_look("error" if failed else root["status"])
        word = f"{formats.plural(failed, 'step')} failed" if failed else look.word
        st.badge(word, icon=look.markdown_icon, color=look.colour)
        st.caption(formats.plain(" · ".join(facts)))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"Trace `{trace_id}`", width="content")
        for field, noun, icon in (
            ("session_id", "session", ":material/forum:"),
            ("user_id", "user", ":material/person:"),
        ):
            value = next((span[field] for span in spans if span[field]), None)
            if value:
                st.button(
                    f":small[{noun} {formats.plain(value)}]",
                    icon=icon,
                    type="tertiary",
                    help=f"All requests of this {noun}",
                    on_click=_show_list_of,
                    args=(field, value),
                )


def _describe_cut(count: int) -> str:
    said = "Contents cut: this trace is too large to be shown whole. "
    if not count:
        return said + "Its last steps are left out."
    return said + f"Of {formats.plural(count, 'step')} only the beginnings of texts are here."


def _span(span: Span) -> None:
    kind, status = kind_look(span["kind"]), status_look(span["status"])
    st.subheader(formats.plain(span["name"]), anchor=False)
    with st.container(horizontal=True, gap="xsmall"):
        st.badge(kind.word, icon=kind.markdown_icon, color=kind.colour)
        st.badge(status.word, icon=status.markdown_icon, color=status.colour)
        if span["request_model"]:
            st.badge(
                formats.plain(span["request_model"]), icon=":material/model_training:", color="gray"
            )
        for tag in span["tags"]:
            st.badge(formats.plain(tag), color="gray")
    _figures(span)
    _error(span)
    for title, field in (("Prompt", "input"), ("Completion", "output")):
        if span[field] is not None:
            st.markdown(f"**{title if span['kind'] == 'llm' else field.capitalize()}**")
            contents.draw(span[field], f"{field}_{span['span_id']}")
        elif span["kind"] == "llm":
            st.caption(f"No {title.lower()} was logged.")
    _rest(span)


def _figures(span: Span) -> None:
    figures = (
        ("Duration", "duration_ms", formats.duration),
        ("First token", "ttft_ms", formats.duration),
        ("Tokens in", "input_tokens", formats.count),
        ("Tokens out", "output_tokens", formats.count),
        ("Cost", "cost_usd", formats.money),
    )
    with st.container(horizontal=True, gap="medium"):
        for label, field, read in figures:
            if span[field] is not None:
                cards.fact(label, read(span[field]))


def _error(span: Span) -> None:
    if span["status"] != "error":
        return
    message = span["status_message"] or "It failed without a message."
    st.error(
        formats.plain(message),
        title=formats.plain(span["error_type"] or "Error"),
        icon=":material/error:",
    )
    if span["error_stack"]:
        with st.expander("Where it failed"):
            st.code(span["error_stack"], "python", wrap_lines=True)


def _rest(span: Span) -> None:
    facts = {
        label: f"`{contents.as_text(span[field])}`"
        for field, label in FACTS.items()
        if span.get(field)
    }
    with st.expander("Parameters and attributes"):
        st.table(facts, border="horizontal")
        for title, field in (
            ("Parameters", "params"),
            ("Prompt variables", "prompt_variables"),
            ("Attributes", "attributes"),
        ):
            if span[field]:
                st.markdown(f"**{title}**")
                st.json(span[field])
