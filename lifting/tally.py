"""Counts of places and votes that merge: what makes the lift incremental and bounded.

A `Tally` holds places and votes in sorted arrays, so that tallies merge in linear time. A list of
tallies, each as long as all that follow together, takes one view after the other at a cost that
hardly grows with what is there already, never changes an older value, and holds twice the occupied
places at most, however many views there were (O'Neil et al., "The log-structured merge-tree",
1996).

Ids are any numbers from 0 to 2^31 - 1; nothing is allotted for ids that no place has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from lifting.types import LabelArray
from propagate.types import BoolArray, FloatArray

KeyArray = npt.NDArray[np.int64]
IndexArray = npt.NDArray[np.intp]

ID_BITS = 32
ID_MASK = (1 << ID_BITS) - 1

_BLOCK = 100_000  # places of the longest tally that are merged at a time; bounds what merging takes


@dataclass(frozen=True, eq=False)
class Tally:
    """What is known of V places, with M votes.

    Attributes:
        keys: (V,) int64, the places, in order, each once.
        sums: (V, 8) float32: weight; weight times the offset (3) from the voxel's centre in
            voxels; weight of those samples that had a colour; that weight times the colour (3).
        views: (V,) int32: by how many views the place was seen.
        ballots: (M,) int64, in order, each once: the place's row and the id it got, packed.
        votes: (M,) float32: the weight of the ballot.
        span: how many views were counted.
    """

    keys: KeyArray
    sums: FloatArray
    views: LabelArray
    ballots: KeyArray
    votes: FloatArray
    span: int = 1

    @property
    def rows(self) -> npt.NDArray[np.intp]:
        """(M,) the place of each vote, a row of `keys`."""
        return (self.ballots >> ID_BITS).astype(np.intp)

    @property
    def ids(self) -> LabelArray:
        """(M,) int32: the id of each vote."""
        return (self.ballots & ID_MASK).astype(np.int32)

    def at(self, wanted: BoolArray) -> Tally:
        """The tally of some of the places (V,)."""
        row_of = np.cumsum(wanted) - 1
        rows = self.rows
        kept = wanted[rows]
        return Tally(
            self.keys[wanted],
            self.sums[wanted],
            self.views[wanted],
            (row_of[rows[kept]] << ID_BITS) | (self.ballots[kept] & ID_MASK),
            self.votes[kept],
            self.span,
        )


Tallies = tuple[Tally, ...]


def merged(tallies: Sequence[Tally]) -> Tally:
    """All of them (one or more) together, as if their views had been counted in one."""
    if len(tallies) == 1:
        return tallies[0]
    longest = max(tallies, key=lambda one: len(one.keys)).keys
    cuts = longest[_BLOCK::_BLOCK]
    rows = [[0, *np.searchsorted(one.keys, cuts).tolist(), len(one.keys)] for one in tallies]
    blocks = [
        _merged_block(
            [_between(one, *at[n : n + 2]) for one, at in zip(tallies, rows, strict=True)]
        )
        for n in range(len(cuts) + 1)
    ]
    return _strung(blocks, sum(one.span for one in tallies))


def _between(tally: Tally, start: int, end: int) -> Tally:
    """Places from row `start` to row `end`, without a copy of what is large."""
    first, last = np.searchsorted(tally.ballots, np.array([start, end]) << ID_BITS)
    return Tally(
        tally.keys[start:end],
        tally.sums[start:end],
        tally.views[start:end],
        tally.ballots[first:last] - (start << ID_BITS),
        tally.votes[first:last],
    )


def _strung(blocks: Sequence[Tally], span: int) -> Tally:
    """Tallies of places that follow each other, as one."""
    starts_at = np.cumsum([0, *(len(one.keys) for one in blocks)])
    moved = [
        one.ballots + (int(start) << ID_BITS)
        for one, start in zip(blocks, starts_at[:-1], strict=True)
    ]
    return Tally(
        np.concatenate([one.keys for one in blocks]),
        np.concatenate([one.sums for one in blocks]),
        np.concatenate([one.views for one in blocks]),
        np.concatenate(moved),
        np.concatenate([one.votes for one in blocks]),
        span,
    )


def _merged_block(tallies: Sequence[Tally]) -> Tally:
    keys = np.concatenate([one.keys for one in tallies])
    order = np.argsort(keys, kind="stable")  # these are sorted runs, so nearly linear
    ordered = keys.take(order)
    fresh = starts(ordered)
    first = np.flatnonzero(fresh)
    row_of = np.empty(len(keys), np.int64)
    row_of[order] = np.cumsum(fresh) - 1
    ends = np.cumsum([len(one.keys) for one in tallies])
    parts = np.split(row_of, ends[:-1])
    views = np.zeros(len(first), np.int32)
    for one, rows in zip(tallies, parts, strict=True):
        views[rows] += one.views
    ballots = np.concatenate(
        [
            (rows.take(one.rows) << ID_BITS) | (one.ballots & ID_MASK)
            for one, rows in zip(tallies, parts, strict=True)
        ]
    )
    ballots, votes = grouped(ballots, np.concatenate([one.votes for one in tallies]))
    sums = summed(np.concatenate([one.sums for one in tallies]), order, first)
    return Tally(ordered[first], sums, views, ballots, votes)


def added(tallies: Tallies, new: Tally, forget_after: int = 0) -> Tallies:
    """The tallies with one more, merged so that each is as long as all that follow together.

    Args:
        tallies: from `added`, or none.
        new: of one view.
        forget_after: places that a single one of so many views has seen, and none of as many
            after, are forgotten: noise would otherwise grow with the number of views. 0: none are.
    """
    kept = (*tallies, new)
    sizes = np.array([len(one.keys) for one in kept])
    following = sizes.sum() - np.cumsum(sizes)
    short = np.flatnonzero(sizes < following)
    if not len(short):
        return kept
    start = int(short[0])
    old = kept[start]
    whole = merged(kept[start:])
    if forget_after and min(old.span, whole.span - old.span) >= forget_after:
        whole = whole.at((whole.views > 1) | ~_among(whole.keys, old.keys))
    return (*kept[:start], whole)


def _among(keys: KeyArray, others: KeyArray) -> BoolArray:
    """(N,) bool: which of the keys are among the others; both in order."""
    if not len(others):
        return np.zeros(len(keys), bool)
    at = np.minimum(np.searchsorted(others, keys), len(others) - 1)
    found: BoolArray = others[at] == keys
    return found


def starts(ordered: KeyArray) -> BoolArray:
    """(N,) bool: where a new value begins."""
    fresh = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    return fresh


def summed(values: FloatArray, order: IndexArray, first: IndexArray) -> FloatArray:
    """Sums of the runs of `values[order]` that begin at `first`.

    A product with a sparse matrix of ones does it without sorting the rows.
    """
    ends = np.append(first, len(order))
    ones = np.ones(len(order), values.dtype)
    runs = csr_array((ones, order, ends), shape=(len(first), len(order)))
    sums: FloatArray = runs @ values
    return sums


def grouped(ballots: KeyArray, votes: FloatArray) -> tuple[KeyArray, FloatArray]:
    """Ballots in order, each once, with the sum of its votes."""
    order = np.argsort(ballots, kind="stable")
    ordered = ballots.take(order)
    first = np.flatnonzero(starts(ordered))
    return ordered[first], summed(votes, order, first)
