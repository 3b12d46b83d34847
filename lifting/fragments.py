"""Pieces: what hangs together in space, what floats, and what is only noise around a surface."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lifting.fuse import AXIS_BITS, Verdict, pack, unpack
from lifting.settings import Settings
from lifting.tally import KeyArray
from lifting.types import LabelArray
from propagate.types import BoolArray, FloatArray

Pair = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]

_UNANIMOUS, _SEVERAL, _FEWEST = 0.97, 2, 8  # of the votes, views on average, voxels

# Half of the 26 neighbours: the other half are their opposites.
_NEIGHBOURS = tuple(
    (x << (2 * AXIS_BITS)) + (y << AXIS_BITS) + z
    for x in (-1, 0, 1)
    for y in (-1, 0, 1)
    for z in (-1, 0, 1)
    if (x, y, z) > (0, 0, 0)
)


def well_seen(
    keys: KeyArray, weights: FloatArray, views: LabelArray, settings: Settings
) -> BoolArray:
    """(V,) bool: which voxels are surface, by what was seen around them.

    Noise in depth spreads a surface over a shell that is thin where the surface is not. So a voxel
    stays where the cloud is about as dense as anywhere near; density is the weight of a voxel and
    its 26 neighbours, and is compared with the best that is two steps between neighbours away.
    Where views are many, it and its neighbours must have been seen often enough besides.

    Args:
        keys: (V,) voxels in order.
        weights: (V,) how well each was seen.
        views: (V,) in how many views.
        settings: the shares.
    """
    columns = np.stack([weights, np.ones_like(weights), views.astype(np.float32)], axis=1)
    around = columns.copy()
    for one, other in _pairs(keys):  # each row stands at most once in `one` and once in `other`
        around[one] += columns[other]
        around[other] += columns[one]
    density, count, seen = around.T
    best = density
    for _ in range(2):
        near = best.copy()
        for one, other in _pairs(keys):
            near[one] = np.maximum(near[one], best[other])
            near[other] = np.maximum(near[other], best[one])
        best = near
    kept: BoolArray = density >= settings.least_support * best
    if settings.least_views > 1:
        kept &= seen >= settings.least_views * count
    return kept


def pieces(keys: KeyArray, labels: LabelArray) -> npt.NDArray[np.intp]:
    """(V,) the number, from 0, of the piece that each voxel belongs to.

    A piece is what hangs together among voxels with one label, looked at with voxels twice as
    large, so that a gap of one does not part it.

    Args:
        keys: (V,) voxels in order.
        labels: (V,) ids; all equal to ask for pieces of everything.
    """
    coarse, place = np.unique(pack(unpack(keys) >> 1), return_inverse=True)
    _, kind = np.unique(labels, return_inverse=True)
    nodes, node_of = np.unique((place << 32) | kind, return_inverse=True)
    node_place, node_kind = nodes >> 32, nodes & 0xFFFFFFFF
    sources, targets = [], []
    for one, other in _pairs(coarse):
        beside = np.full(len(coarse), -1, np.int64)
        beside[one] = other
        wanted = (beside[node_place] << 32) | node_kind
        at = np.minimum(np.searchsorted(nodes, wanted), len(nodes) - 1)
        linked = nodes[at] == wanted
        sources.append(np.flatnonzero(linked))
        targets.append(at[linked])
    ends = (np.concatenate(sources), np.concatenate(targets))
    links = coo_array((np.ones(len(ends[0]), bool), ends), shape=(len(nodes), len(nodes)))
    _, piece_of_node = connected_components(links, directed=False)
    found: npt.NDArray[np.intp] = piece_of_node[node_of].astype(np.intp)
    return found


def without_fragments(
    keys: KeyArray, verdict: Verdict, views: LabelArray, least_share: float
) -> LabelArray:
    """(V,) int32: the labels, but for small pieces that lie apart from their object's largest.

    Such a piece is another surface behind the edge of a mask, as a rule. Size is the weight of the
    votes, so that what only edges of masks cover counts little. The piece gets its next best label;
    where that makes a small piece again, none. A piece on which several views agree stays: a leg of
    a chair, or the side of a cabinet that stands behind something.

    Args:
        keys: (V,) voxels in order.
        verdict: the labels, the next best ones, and the votes.
        views: (V,) in how many views each was seen.
        least_share: of the largest piece's size.
    """
    labels = verdict.labels
    for instead in (verdict.seconds, np.zeros_like(labels)):
        piece = pieces(keys, labels)
        size = np.bincount(piece, verdict.votes)
        largest = np.zeros(len(size))
        ids, kind = np.unique(labels, return_inverse=True)
        np.maximum.at(largest, kind, size[piece])
        small = (size[piece] < least_share * largest[kind]) & (ids[kind] != 0)
        small &= ~_agreed(piece, verdict, views)[piece]
        labels = np.where(small, instead, labels)
    return labels


def _agreed(piece: npt.NDArray[np.intp], verdict: Verdict, views: LabelArray) -> BoolArray:
    """(P,) bool: which pieces have nearly all votes of several views, on more than a few voxels."""
    count, votes = np.bincount(piece), np.bincount(piece, verdict.votes)
    share = np.bincount(piece, verdict.votes * verdict.shares) / np.maximum(votes, 1e-12)
    seen = np.bincount(piece, views) / count
    agreed: BoolArray = (share > _UNANIMOUS) & (seen >= _SEVERAL) & (count >= _FEWEST)
    return agreed


def floating(keys: KeyArray, least_voxels: int) -> BoolArray:
    """(V,) bool: which voxels belong to pieces of fewer than `least_voxels` voxels."""
    piece = pieces(keys, np.zeros(len(keys), np.int32))
    small: BoolArray = np.bincount(piece)[piece] < least_voxels
    return small


def _pairs(keys: KeyArray) -> Iterator[Pair]:
    """For each of 13 directions: the rows of voxels that have a neighbour there, and its row."""
    for step in _NEIGHBOURS:
        wanted = keys + step
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        there = keys[at] == wanted
        yield np.flatnonzero(there), at[there]
