"""Counting votes: which ids were said of which place, with how much weight, by how many views.

A place is a voxel (three whole numbers packed into one) or a point of a given cloud (its index).
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

from lifting.types import DoubleArray, LabelArray
from lifting.visibility import NO_VOTE, Samples
from propagate.errors import SceneError
from propagate.types import BoolArray, FloatArray

KeyArray = npt.NDArray[np.int64]
IndexArray = npt.NDArray[np.intp]

AXIS_BITS = 21
_HALF_RANGE = 1 << (AXIS_BITS - 1)
_ID_BITS = 32
_ID_MASK = (1 << _ID_BITS) - 1


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
    """

    keys: KeyArray
    sums: FloatArray
    views: LabelArray
    ballots: KeyArray
    votes: FloatArray

    @property
    def rows(self) -> npt.NDArray[np.intp]:
        """(M,) the place of each vote, a row of `keys`."""
        return (self.ballots >> _ID_BITS).astype(np.intp)

    @property
    def ids(self) -> LabelArray:
        """(M,) int32: the id of each vote."""
        return (self.ballots & _ID_MASK).astype(np.int32)


Tallies = tuple[Tally, ...]


def voxel_keys(points: FloatArray, voxel_m: float) -> KeyArray:
    """(N,) int64: the voxels that hold the points (N, 3).

    Raises:
        SceneError: points farther than 2^20 voxels from the origin.
    """
    cells = np.floor(points * np.float32(1 / voxel_m))
    if len(cells) and not (np.abs(cells).max() < _HALF_RANGE - 1):
        far = float(np.abs(points).max())
        raise SceneError(
            f"points lie {far:g} m from the origin, too far for voxels of {voxel_m:g} m; "
            "are poses and depth in metres?"
        )
    return pack(cells.astype(np.int64))


def pack(cells: npt.NDArray[np.int64]) -> KeyArray:
    """(N,) int64 of whole coordinates (N, 3)."""
    moved = cells + _HALF_RANGE
    return (moved[:, 0] << (2 * AXIS_BITS)) | (moved[:, 1] << AXIS_BITS) | moved[:, 2]


def unpack(keys: KeyArray) -> npt.NDArray[np.int64]:
    """The inverse of `pack`."""
    mask = (1 << AXIS_BITS) - 1
    parts = [keys >> (2 * AXIS_BITS), (keys >> AXIS_BITS) & mask, keys & mask]
    return np.stack(parts, axis=1) - _HALF_RANGE


def centres(keys: KeyArray, voxel_m: float) -> DoubleArray:
    """(N, 3) metres: the middles of voxels."""
    return ((unpack(keys) + 0.5) * voxel_m).astype(np.float64, copy=False)


def tally_view(samples: Samples, voxel_m: float) -> Tally:
    """What one view says, by voxel; by point of the given cloud where the samples have indices."""
    weights = samples.weights
    if samples.indices is not None:
        keys = samples.indices.astype(np.int64)
        offsets = np.zeros((len(keys), 3), np.float32)
    else:
        keys = voxel_keys(samples.points, voxel_m)
        scaled = samples.points * np.float32(1 / voxel_m)
        offsets = scaled - np.floor(scaled) - np.float32(0.5)
    order = np.argsort(keys)
    ordered = keys.take(order)
    fresh = _starts(ordered)
    first = np.flatnonzero(fresh)
    columns = np.zeros((len(keys), 8), np.float32)
    columns[:, 0] = weights
    columns[:, 1:4] = offsets
    columns[:, 1:4] *= weights[:, None]
    if samples.colours is not None:
        columns[:, 4] = weights
        np.multiply(samples.colours, weights[:, None], out=columns[:, 5:8])
    labels = samples.labels.take(order)
    rows = np.cumsum(fresh) - 1
    ballots, votes = _ballots(rows, labels, samples.votes.take(order))
    sums = _sums(columns, order, first)
    return Tally(ordered[first], sums, np.ones(len(first), np.int32), ballots, votes)


def _ballots(rows: KeyArray, labels: LabelArray, votes: FloatArray) -> tuple[KeyArray, FloatArray]:
    """Ballots in order, each once, and what was voted with it; `NO_VOTE` is left out."""
    spoken = np.flatnonzero(labels != NO_VOTE)
    ballots = (rows.take(spoken) << _ID_BITS) | labels.take(spoken)
    return _grouped(ballots, votes.take(spoken))


def _starts(ordered: KeyArray) -> BoolArray:
    """(N,) bool: where a new value begins."""
    fresh = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    return fresh


def _sums(values: FloatArray, order: IndexArray, first: IndexArray) -> FloatArray:
    """Sums of the runs of `values[order]` that begin at `first`.

    A product with a sparse matrix of ones does it without sorting the rows.
    """
    ends = np.append(first, len(order))
    ones = np.ones(len(order), values.dtype)
    runs = csr_array((ones, order, ends), shape=(len(first), len(order)))
    sums: FloatArray = runs @ values
    return sums


def _grouped(ballots: KeyArray, votes: FloatArray) -> tuple[KeyArray, FloatArray]:
    """Ballots in order, each once, with the sum of its votes."""
    order = np.argsort(ballots, kind="stable")
    ordered = ballots.take(order)
    first = np.flatnonzero(_starts(ordered))
    return ordered[first], _sums(votes, order, first)


def merged(tallies: Sequence[Tally]) -> Tally:
    """All of them (one or more) together, as if their views had been counted in one."""
    if len(tallies) == 1:
        return tallies[0]
    keys = np.concatenate([one.keys for one in tallies])
    order = np.argsort(keys, kind="stable")  # these are sorted runs, so nearly linear
    ordered = keys.take(order)
    fresh = _starts(ordered)
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
            (rows.take(one.rows) << _ID_BITS) | (one.ballots & _ID_MASK)
            for one, rows in zip(tallies, parts, strict=True)
        ]
    )
    ballots, votes = _grouped(ballots, np.concatenate([one.votes for one in tallies]))
    sums = _sums(np.concatenate([one.sums for one in tallies]), order, first)
    return Tally(ordered[first], sums, views, ballots, votes)


def added(tallies: Tallies, new: Tally) -> Tallies:
    """The tallies with one more, merged so that each is as long as all that follow together."""
    kept = (*tallies, new)
    sizes = np.array([len(one.keys) for one in kept])
    following = sizes.sum() - np.cumsum(sizes)
    short = np.flatnonzero(sizes < following)
    if not len(short):
        return kept
    return (*kept[: short[0]], merged(kept[short[0] :]))


def renamed(tally: Tally, new_ids: LabelArray) -> Tally:
    """The tally with every id `n` called `new_ids[n]`; votes for `NO_VOTE` are left out."""
    ids = new_ids[tally.ids]
    kept = ids != NO_VOTE
    ballots = (tally.ballots[kept] & ~np.int64(_ID_MASK)) | ids[kept]
    ballots, votes = _grouped(ballots, tally.votes[kept])
    return Tally(tally.keys, tally.sums, tally.views, ballots, votes)


@dataclass(frozen=True, eq=False)
class Verdict:
    """Who won each of V places.

    Attributes:
        labels: (V,) int32, 0 where nobody voted or the background won.
        seconds: (V,) int32, the next best id, 0 where there is none.
        shares: (V,) float32, 0..1, the winner's part of all votes.
        votes: (V,) float32, the winner's votes.
    """

    labels: LabelArray
    seconds: LabelArray
    shares: FloatArray
    votes: FloatArray

    def at(self, rows: IndexArray) -> Verdict:
        """The verdict on some of the places, in the order of `rows`."""
        return Verdict(self.labels[rows], self.seconds[rows], self.shares[rows], self.votes[rows])


def decide(tally: Tally) -> Verdict:
    """The id with the most votes for every place; of equal ones the smallest."""
    count = len(tally.keys)
    labels, seconds = np.zeros(count, np.int32), np.zeros(count, np.int32)
    shares, won = np.zeros(count, np.float32), np.zeros(count, np.float32)
    rows, ids, votes = tally.rows, tally.ids, tally.votes
    if len(rows):
        first = np.flatnonzero(_starts(tally.ballots >> _ID_BITS))
        voted = rows[first]
        order = np.lexsort((ids, -votes, rows))
        labels[voted] = ids[order][first]
        runs = np.diff(np.append(first, len(rows)))
        several = runs > 1
        seconds[voted[several]] = ids[order][first[several] + 1]
        all_votes = np.add.reduceat(votes, first)
        won[voted] = votes[order][first]
        shares[voted] = won[voted] / np.maximum(all_votes, np.finfo(np.float32).tiny)
    return Verdict(labels, seconds, shares, won)
