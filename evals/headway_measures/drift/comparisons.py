"""Both windows made ready to be compared: the same prompt, unit and name for every test.

Which calls ask the same and which belong together is read once, of all calls; every test of the
card, and of a part of the calls, goes by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from headway_measures.descriptors.metrics import Metric
from headway_measures.descriptors.own import OWN
from headway_measures.drift.columns import compare_column, missing_metric
from headway_measures.drift.decisions import Family, family_of
from headway_measures.drift.metrics_found import TAG
from headway_measures.drift.pairing import Design, pair_up, read_design
from headway_measures.drift.pairs import compare_category_pairs, compare_pairs
from headway_measures.drift.results import Evidence
from headway_measures.drift.samples import are_present, rank_names, read_column
from headway_measures.drift.segments import field_values, usual_fields
from headway_measures.drift.units import Ints, Units
from headway_measures.drift.windows import Options, Window

PROMPT, UNIT, RANK = "#prompt", "#unit", "#rank"
"""Columns of numbers, counted over both windows: what names a call's prompt and unit, and the
order in which one call of a unit is drawn."""

_SAME_PROMPTS = "the windows are compared prompt by prompt, so that prompts are the same"
_TEXT_OF_HASH: Mapping[str, tuple[str, int]] = {
    "prompt_hash": ("prompt", 60),
    "answer_hash": ("answer", 60),
    "template_hash": ("answer", 40),
}
_FEWEST_REPEATS = 5
_MOST_NAMED = 50


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two windows, and how they are compared.

    Args:
        ref: the window before, with the columns ``PROMPT``, ``UNIT`` and ``RANK``.
        cur: the window after.
        design: whether calls are compared prompt by prompt.
        options: with ``pair`` as the design has it.
        is_repeated: whether units have several calls.
        fields: columns and tag families in which to look for whom a change holds.
        levels: of the tests that sizes speak of, by family.
    """

    ref: Window
    cur: Window
    design: Design
    options: Options
    is_repeated: bool
    fields: tuple[str, ...]
    levels: Mapping[Family, float]

    @property
    def follows(self) -> bool:
        """Return whether the windows follow each other in time."""
        last, first = self.ref.rows["start_ns"].max(), self.cur.rows["start_ns"].min()
        return last is not None and first is not None and int(str(last)) < int(str(first))

    def is_paired(self, metric: Metric) -> bool:
        """Return whether a metric is compared prompt by prompt."""
        return self.design != "unpaired" and metric.side != "prompt"

    def is_fixed(self, metric: Metric) -> bool:
        """Return whether the design fixes a metric, so that it cannot have changed."""
        return self.design == "fixed" and metric.side == "prompt"

    def fixed(self, metric: Metric) -> Evidence:
        """Return the evidence of a metric that cannot have changed."""
        sizes = self.ref.rows.height, self.cur.rows.height
        return Evidence(
            metric.name,
            metric.kind,
            metric.side,
            "none",
            "identical",
            *sizes,
            *sizes,
            is_paired=True,
            note=_SAME_PROMPTS,
        )

    def with_columns(self, ref: pl.Series, cur: pl.Series) -> "Comparison":
        """Return the same with one more column of both windows."""
        return replace(
            self,
            ref=replace(self.ref, rows=self.ref.rows.with_columns(ref)),
            cur=replace(self.cur, rows=self.cur.rows.with_columns(cur)),
        )

    def measure(self, metric: Metric) -> tuple[Evidence, ...]:
        """Compare a column of all calls, and whether it is missing as often.

        That a score is missing says which calls were scored, and nothing of them; what the user's
        own functions did not say, which calls they were asked about.
        """
        if self.is_fixed(metric):
            return (self.fixed(metric),)
        tests = self.measure_rows(self.ref.rows, self.cur.rows, metric)
        is_asked = metric.side == "score" or metric.name.startswith(OWN)
        return tests[:1] if is_asked else tests

    def measure_rows(
        self, ref: pl.DataFrame, cur: pl.DataFrame, metric: Metric
    ) -> tuple[Evidence, ...]:
        """Compare a column of some calls of both windows."""
        columns = _column(ref, metric), _column(cur, metric)
        names = ref["span_id"].to_list(), cur["span_id"].to_list()
        level = self._level(metric)
        if not self.is_paired(metric):
            units = Units(ref[UNIT].to_numpy(), cur[UNIT].to_numpy())
            ranks = (ref[RANK].to_numpy(), cur[RANK].to_numpy()) if self.is_repeated else None
            return compare_column(
                *columns, metric, self.options, units, names, ranks=ranks, level=level
            )
        prompts = ref[PROMPT].to_numpy(), cur[PROMPT].to_numpy()
        there = [are_present(read_column(column, metric.kind)) for column in columns]
        found = self._measure_pairs(columns, prompts, names, metric)
        if all(each.all() for each in there):
            return (found,)
        absent = pl.Series(~there[0]), pl.Series(~there[1])
        return found, self._measure_pairs(absent, prompts, names, missing_metric(metric))

    def _level(self, metric: Metric) -> float:
        return self.levels.get(family_of(metric), self.options.alpha)

    def _measure_pairs(
        self,
        columns: tuple[pl.Series, pl.Series],
        prompts: tuple[Ints, Ints],
        names: tuple[list[str], list[str]],
        metric: Metric,
    ) -> Evidence:
        if metric.kind == "category":
            found = compare_category_pairs(*columns, prompts, names, metric, self.options)
        else:
            pairs = pair_up(*columns, prompts, names, self.options)
            found = None
            if pairs is not None:
                found = compare_pairs(pairs, metric, self.options, level=self._level(metric))
        return found or replace(
            self.fixed(metric), state="not_enough_data", note="no prompt is in both windows"
        )


def prepare(
    ref: Window, cur: Window, options: Options, levels: Mapping[Family, float]
) -> Comparison:
    """Read which calls of two windows ask the same, and which belong together.

    Args:
        ref: the window before.
        cur: the window after.
        options: what a unit is, and whether to pair.
        levels: of the tests that sizes speak of, by family.
    """
    prompts = number_prompts(ref.rows, cur.rows)
    units = _units(ref.rows, cur.rows, options.unit)
    design = read_design(prompts, options)
    fields = usual_fields(ref.rows, cur.rows, options)
    families = [field for field in fields if field.endswith(":*")]
    ready = [
        replace(
            window,
            rows=window.rows.with_columns(
                *(field_values(window.rows, family) for family in families),
                pl.Series(PROMPT, prompts[side], pl.Int64),
                pl.Series(UNIT, (units.ref, units.cur)[side], pl.Int64),
                pl.Series(
                    RANK,
                    rank_names(window.rows["span_id"].to_list(), options.seed)
                    if units.is_repeated
                    else np.zeros(window.rows.height, np.int64),
                    pl.Int64,
                ),
            ),
        )
        for side, window in enumerate((ref, cur))
    ]
    return Comparison(
        *_with_names_of_hashes(*ready),
        design,
        replace(options, pair="never" if design == "unpaired" else "prompt"),
        units.is_repeated,
        fields,
        levels,
    )


def _column(rows: pl.DataFrame, metric: Metric) -> pl.Series:
    """Return a metric's column, null where the window has none."""
    if metric.name.startswith(TAG):
        return field_values(rows, f"{metric.name.removeprefix(TAG)}:*")
    if metric.name in rows.columns:
        return rows[metric.name]
    return pl.Series(metric.name, [None] * rows.height, pl.String)


def number_prompts(ref: pl.DataFrame, cur: pl.DataFrame) -> tuple[Ints, Ints]:
    """Return what names each call's prompt; a call without a prompt asks what no other does."""
    if "prompt_hash" not in ref.columns or "prompt_hash" not in cur.columns:
        both = np.arange(ref.height + cur.height)
    else:
        both = _numbered(pl.concat([rows["prompt_hash"].cast(pl.Int64) for rows in (ref, cur)]))
    return both[: ref.height], both[ref.height :]


def _units(ref: pl.DataFrame, cur: pl.DataFrame, unit: str) -> Units:
    """Return each call's unit; a call without one is its own."""
    name = "span_id" if unit == "row" else f"{unit}_id"
    both = pl.concat(
        [
            rows[name].cast(pl.String)
            if name in rows.columns
            else pl.Series(name, [None] * rows.height, pl.String)
            for rows in (ref, cur)
        ]
    )
    numbers = _numbered(both)
    return Units(numbers[: ref.height], numbers[ref.height :])


def _numbered(names: pl.Series) -> Ints:
    """Return a number for each name, from 0, and a number of its own for each null."""
    known = names.rank("dense").cast(pl.Int64).fill_null(0).to_numpy()
    own = np.arange(1, known.size + 1) + known.max(initial=0)
    return np.where(known > 0, known, own).astype(np.int64)


def _with_names_of_hashes(ref: Window, cur: Window) -> tuple[Window, Window]:
    """Write the beginning of a text for the hash of what is repeated, where a text was drawn."""
    rows = [ref.rows, cur.rows]
    for name, (text, length) in _TEXT_OF_HASH.items():
        if any(name not in each.columns or text not in each.columns for each in rows):
            continue
        both = pl.concat([each.select(pl.col(name).cast(pl.Int64), text) for each in rows])
        named = (
            both.drop_nulls(name)
            .group_by(name)
            .agg(count=pl.len(), text=pl.col(text).min())
            .filter(pl.col("count") >= _FEWEST_REPEATS)
            .sort(["count", name], descending=[True, False])
            .head(_MOST_NAMED)
            .with_columns(
                text=pl.col("text")
                .str.slice(0, length)
                .str.replace_all(r"\s+", " ")
                .str.strip_chars()
            )
            .with_columns(
                text=pl.when(pl.col("text").is_null() | pl.col("text").is_duplicated())
                .then(pl.format("{} #{}", pl.col("text").fill_null(""), name))
                .otherwise("text")
            )
        )
        rows = [
            each.with_columns(
                pl.col(name)
                .cast(pl.Int64)
                .replace_strict(named[name], named["text"], default=pl.col(name).cast(pl.String))
            )
            for each in rows
        ]
    return replace(ref, rows=rows[0]), replace(cur, rows=rows[1])
