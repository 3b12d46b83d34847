"""From what views saw to places with votes, and from votes to labels.

A place is a voxel (three whole numbers packed into one) or a point of a given cloud (its index);
`lifting.tally` counts what is said of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lifting.tally import ID_BITS, ID_MASK, IndexArray, KeyArray, Tally, grouped, starts, summed
from lifting.types import DoubleArray, LabelArray
from lifting.visibility import NO_VOTE, Samples
from propagate.errors import SceneError
from propagate.types import FloatArray

AXIS_BITS = 21
_HALF_RANGE = 1 << (AXIS_BITS - 1)


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
    fresh = starts(ordered)
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
    sums = summed(columns, order, first)
    return Tally(ordered[first], sums, np.ones(len(first), np.int32), ballots, votes)


def _ballots(rows: KeyArray, labels: LabelArray, votes: FloatArray) -> tuple[KeyArray, FloatArray]:
    """Ballots in order, each once, and what was voted with it; `NO_VOTE` is left out."""
    spoken = np.flatnonzero(labels != NO_VOTE)
    ballots = (rows.take(spoken) << ID_BITS) | labels.take(spoken)
    return grouped(ballots, votes.take(spoken))


def renamed(tally: Tally, new_ids: LabelArray) -> Tally:
    """The tally with every id `n` called `new_ids[n]`; votes for `NO_VOTE` are left out."""
    ids = new_ids[tally.ids]
    kept = ids != NO_VOTE
    ballots = (tally.ballots[kept] & ~np.int64(ID_MASK)) | ids[kept]
    ballots, votes = grouped(ballots, tally.votes[kept])
    return Tally(tally.keys, tally.sums, tally.views, ballots, votes, tally.span)


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
        first = np.flatnonzero(starts(tally.ballots >> ID_BITS))
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
