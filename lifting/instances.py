"""Objects from masks that were made in every view on its own: which masks mean the same thing.

Two masks belong together when most views that see both parts of the scene see them in one mask
(the view consensus of Yan et al., "MaskClustering: View Consensus based Mask Graph Clustering for
Open-Vocabulary 3D Instance Segmentation", 2024). Here views may split an object or swallow two:

- a mask that most views take apart covers several objects and is dropped, and what such a mask
  holds together says nothing;
- a view that takes one of two masks apart has no say about the two;
- evidence is added up over clusters, and the pairs that agree best are joined first, until no two
  clusters are held together by most of the views that see both.

Nothing is trained. All matrices are sparse; rows and columns are masks, places or views.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from lifting.fuse import pack, unpack
from lifting.tally import IndexArray, KeyArray, Tally
from lifting.types import LabelArray
from lifting.visibility import NO_VOTE
from propagate.types import FloatArray

_LEAST_PLACES = 4  # of twice a voxel; smaller masks cannot be compared
_SEEN = 0.3  # of a mask's places, for a view to have a say about it
_WITHIN = 0.65  # of what a view sees of a mask lies in one of its own: contained
_MOST = 0.5
_SURE = 0.9
_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Numbering:
    """What the numbers that a tally counts stand for.

    Attributes:
        views: (N,) the view that each number comes from.
        masks: (N,) the id of the mask there; 0 for what no mask covers.
    """

    views: LabelArray
    masks: LabelArray


def link(tally: Tally, cells: KeyArray, numbering: Numbering) -> LabelArray:
    """(N,) int32: the object that each numbered mask belongs to, from 1; `NO_VOTE` for none.

    Objects are ordered by how many masks they have, most first.

    Args:
        tally: votes for numbers, one number for each mask of each view and one for the rest of it.
        cells: (V,) the voxel of each place of the tally.
        numbering: of the votes.
    """
    shared = overlaps(tally, cells, numbering)
    inside, apart = containers(shared, numbering)
    # A lone view that disagrees may itself be the one that is wrong.
    visible = np.asarray(inside.sum(axis=1)) - 1 + apart
    whole = apart <= _MOST * (visible + 1)
    whole &= (shared.diagonal() >= _LEAST_PLACES) & (numbering.masks > 0)
    kept = np.flatnonzero(whole)
    if not len(kept):
        return np.full(len(whole), NO_VOTE, np.int32)
    cluster = clustered(inside[kept][:, kept], numbering.views[kept])
    return _objects(cluster, kept, numbering)


def overlaps(tally: Tally, cells: KeyArray, numbering: Numbering) -> csr_array:
    """(N, N) how many places two numbers share; on the diagonal, how many a number has.

    A place is a cube of twice a voxel, and has one number a view: that with most of its votes.
    """
    _, place_of = np.unique(pack(unpack(cells) >> 1), return_inverse=True)
    places, numbers, votes = place_of[tally.rows], tally.ids, tally.votes
    order = np.lexsort((numbers, places))  # numbers of one view lie together
    places, numbers, votes = places[order], numbers[order], votes[order]
    fresh = _changes(places, numbers)
    if len(fresh):
        votes = np.add.reduceat(votes, fresh)
    places, numbers = places[fresh], numbers[fresh]
    views = numbering.views[numbers]
    best = np.lexsort((-votes, views, places))
    best = best[_changes(places[best], views[best])]
    held = csr_array(
        (np.ones(len(best), np.float32), (numbers[best], places[best])),
        shape=(len(numbering.views), int(place_of.max(initial=0)) + 1),
    )
    return csr_array(held @ held.T)


def _changes(*columns: npt.NDArray[np.generic]) -> IndexArray:
    """Where any of the columns differs from the row before; the first row too."""
    fresh = np.ones(len(columns[0]), bool)
    for column in columns:
        fresh[1:] &= column[1:] == column[:-1]
    fresh[1:] = ~fresh[1:]
    return np.flatnonzero(fresh)


def containers(shared: csr_array, numbering: Numbering) -> tuple[csr_array, FloatArray]:
    """Which masks hold which, and how often a mask is taken apart.

    Args:
        shared: from `overlaps`.
        numbering: of its rows and columns.

    Returns:
        (N, N) 1 where the column's mask holds what its view sees of the row's mask (every mask
        holds itself), else 0; (N,) by how many views the mask is taken apart.
    """
    count = len(numbering.views)
    entries = shared.tocoo()
    rows, columns = entries.coords
    sizes = shared.diagonal()
    ours = numbering.masks[rows] > 0
    rows, columns, amounts = rows[ours], columns[ours], entries.data[ours]
    views = numbering.views[columns]
    pairs, pair_of = np.unique(rows.astype(np.int64) << 32 | views, return_inverse=True)
    named = np.where(numbering.masks[columns] > 0, amounts, 0)
    seen, told = np.bincount(pair_of, amounts), np.bincount(pair_of, named)
    asked = (seen >= _SEEN * sizes[pairs >> 32]) & (told >= _MOST * seen) & (told > 0)
    within = asked[pair_of] & (named >= _WITHIN * told[pair_of])
    holds = csr_array(
        (np.ones(within.sum(), np.float32), (rows[within], columns[within])), shape=(count, count)
    )
    has_holder = np.zeros(len(pairs), bool)
    has_holder[pair_of[within]] = True
    apart = np.bincount((pairs >> 32)[asked & ~has_holder], minlength=count)
    return holds, apart.astype(np.float32)


def clustered(inside: csr_array, views: LabelArray) -> IndexArray:
    """(M,) the cluster of each mask.

    Args:
        inside: (M, M) which masks hold which, only those that cover one object.
        views: (M,) the view that each mask comes from.
    """
    count = inside.shape[0]
    by_view = _grouping(views)
    cluster = np.arange(count)
    held, seen = inside, (by_view @ inside.T).T.toarray()
    while True:
        one, other, rate = consensus(held, seen)
        joined = joined_pairs(one, other, rate, held.shape[0])
        if joined is None:
            return cluster
        cluster = joined[cluster]
        gather = _grouping(joined)
        held, seen = csr_array(gather @ held), gather @ seen


def _grouping(groups: npt.NDArray[np.integer]) -> csr_array:
    """(G, N) 1 where column n belongs to group `groups[n]`."""
    count = len(groups)
    ones = np.ones(count, np.float32)
    return csr_array((ones, (groups, np.arange(count))), shape=(int(groups.max()) + 1, count))


def consensus(held: csr_array, seen: FloatArray) -> tuple[IndexArray, IndexArray, FloatArray]:
    """Pairs that most of the views that see both hold together, and what part of them does.

    Args:
        held: (M, masks) how often each mask holds parts of each cluster.
        seen: (M, views) how often each view has a say about parts of each cluster.

    Returns:
        Rows, greater rows, and the part, above a half, a little less where few views were asked.
    """
    ones: list[IndexArray] = []
    others: list[IndexArray] = []
    rates: list[FloatArray] = []
    for start in range(0, held.shape[0], _BLOCK):  # in blocks, as all pairs would be many
        block = slice(start, start + _BLOCK)
        together = csr_array(held[block] @ held.T).tocoo()
        rows, columns = together.coords
        asked = (seen[block] @ seen.T)[rows, columns]
        kept = (rows + start < columns) & (together.data > _MOST * asked)
        ones.append(rows[kept].astype(np.intp) + start)
        others.append(columns[kept].astype(np.intp))
        rates.append(together.data[kept] / (asked[kept] + 1))
    return np.concatenate(ones), np.concatenate(others), np.concatenate(rates)


def joined_pairs(
    one: IndexArray, other: IndexArray, rate: FloatArray, count: int
) -> IndexArray | None:
    """(count,) new cluster numbers after joining the best pairs; None where there are no pairs.

    A pair is joined where each is the other's best; where it is surely one thing, to be the best
    of one of them is enough.
    """
    if not len(one):
        return None
    order = np.lexsort((other, one, -rate))
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    best = np.full(count, len(order))
    np.minimum.at(best, one, rank)
    np.minimum.at(best, other, rank)
    firsts, seconds = best[one] == rank, best[other] == rank
    chosen = (firsts & seconds) | ((firsts | seconds) & (rate > _SURE))
    links = csr_array(
        (np.ones(chosen.sum(), bool), (one[chosen], other[chosen])), shape=(count, count)
    )
    _, numbers = connected_components(links, directed=False)
    joined: IndexArray = numbers.astype(np.intp)
    return joined


def _objects(cluster: IndexArray, kept: IndexArray, numbering: Numbering) -> LabelArray:
    """Number the clusters from 1, those with most masks first; lone masks are left out."""
    masks = np.bincount(cluster)
    several = masks > 1
    if numbering.views.max() == 0:
        several[:] = True  # a single view has nothing to compare with
    order = np.argsort(-masks, kind="stable")
    order = order[several[order]]
    ids = np.full(len(masks), NO_VOTE, np.int32)
    ids[order] = np.arange(1, len(order) + 1)
    objects = np.full(len(numbering.views), NO_VOTE, np.int32)
    objects[kept] = ids[cluster]
    return objects
