"""Which texts of two windows would change places if nothing had changed, and how they are folded.

Folds keep together what shares a prompt or a unit, so that no text is judged by its like.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from headway_measures.clusters import Floats
from headway_measures.drift.smoothers import LARGEST_GROUP, connected_groups, draw_folds
from headway_measures.drift.units import Ints, Texts

FEWEST_UNITS = 50
"""With fewer units a side nothing is tested."""


@dataclass(frozen=True, slots=True)
class DrawnTexts:
    """The texts that take part, of both windows.

    Args:
        texts: of the reference, then of the current window.
        labels: -1 and 1.
        places: where they stood among all texts given.
    """

    texts: list[str]
    labels: Floats
    prompts: Ints
    units: Ints
    places: Ints


@dataclass(frozen=True, slots=True)
class Exchange:
    """What may be permuted, if nothing changed.

    Args:
        items: of each row, those that keep a label together.
        labels: of each item.
        strata: of each item; labels are permuted within one.
        folds: of each row.
        is_paired: whether strata are prompts.
        note: what had to be done otherwise.
    """

    items: Ints
    labels: Floats
    strata: Ints
    folds: Ints
    is_paired: bool
    note: str

    def draw(self, count: int, rng: Generator) -> Floats:
        """Return permuted labels; (rows, count)."""
        keys = rng.random((self.strata.size, count)) + self.strata[:, None]
        order = np.argsort(keys, axis=0)
        drawn = np.empty_like(keys)
        sorted_labels = self.labels[np.argsort(self.strata, kind="stable")]
        np.put_along_axis(drawn, order, sorted_labels[:, None], axis=0)
        return drawn[self.items]


def draw_texts(ref: Texts, cur: Texts, most: int, is_paired: bool, rng: Generator) -> DrawnTexts:
    """Take at most so many texts a side, units or prompts whole; if paired, of shared prompts."""
    sides = (ref.prompts, cur.prompts) if is_paired else (ref.units, cur.units)
    keys, group = np.unique(np.concatenate(sides), return_inverse=True)
    order = rng.permutation(keys.size)[group]
    split = len(ref.texts)
    places = [np.arange(split), np.arange(split, group.size)]
    if is_paired:
        shared = np.intersect1d(group[:split], group[split:])
        places = [each[np.isin(group[each], shared)] for each in places]
    places = [np.sort(each[np.argsort(order[each], kind="stable")[:most]]) for each in places]
    taken = np.concatenate(places)
    texts = ref.texts + cur.texts
    return DrawnTexts(
        [texts[place] for place in taken.tolist()],
        np.repeat([-1.0, 1.0], [each.size for each in places]),
        np.concatenate([ref.prompts, cur.prompts])[taken],
        np.concatenate([ref.units, cur.units])[taken],
        taken,
    )


def find_exchange(sample: DrawnTexts, is_paired: bool, rng: Generator) -> Exchange | None:
    """Return what is exchangeable and how rows are folded; None where too little is."""
    groups = connected_groups(sample.prompts, sample.units)
    folded, note = groups, ""
    if np.bincount(groups).max() > LARGEST_GROUP * groups.size:
        folded, note = sample.units, "prompts link most calls: folds keep sessions together only"
    strata = groups if is_paired else np.zeros_like(groups)
    items = _items(sample, strata if is_paired else None)
    _, first, item = np.unique(items, return_index=True, return_inverse=True, axis=0)
    item = item.reshape(-1)
    strata, labels = strata[first], sample.labels[first]
    if not is_paired:
        # A unit in both windows has its own stratum: its calls change places among themselves.
        strata = np.where(items[first, 1] >= 0, items[first, 0] + 1, 0)
    mixed = np.intersect1d(strata[labels < 0], strata[labels > 0])
    can_move = np.isin(strata, mixed)
    movers = mixed.size if is_paired else min((can_move & (labels == s)).sum() for s in (-1, 1))
    if movers < FEWEST_UNITS:
        return None
    _, strata = np.unique(strata, return_inverse=True)
    return Exchange(item, labels, strata, draw_folds(folded, rng), is_paired, note)


def _items(sample: DrawnTexts, groups: Ints | None) -> Ints:
    """Return what names each row's item: a row of numbers."""
    sides = (sample.labels > 0).astype(np.int64)
    if groups is None:
        in_both = np.isin(
            sample.units, np.intersect1d(sample.units[sides == 0], sample.units[sides == 1])
        )
        _, unit = np.unique(sample.units, return_inverse=True)
        return np.column_stack([unit, np.where(in_both, np.arange(unit.size), -1)])
    # Where sessions link prompts, all their answers change windows together, else one by one.
    _, prompt = np.unique(sample.prompts, return_inverse=True)
    pairs = np.unique(np.column_stack([groups, prompt]), axis=0)[:, 0]
    is_linked = (np.bincount(pairs, minlength=groups.max() + 1) > 1)[groups]
    _, unit = np.unique(sample.units, return_inverse=True)
    alone = np.where(is_linked, -1, unit)
    return np.column_stack([groups, alone, sides])
