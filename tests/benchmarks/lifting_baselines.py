"""Two published ways to make objects of independent masks, written from their descriptions.

Both take posed views with depth and masks numbered in each view on its own, and return points with
instance ids (0 for none) and a score for each id.

- `pairwise_merging`, after Yang et al., "SAM3D: Segment Anything in 3D Scenes", 2023: every frame
  becomes a cloud of 5 cm voxels with its masks as groups; neighbouring clouds are merged two by
  two, up a tree; two groups become one where half of the smaller meets the other, asked in both
  directions. Its last step, a vote within pieces of a mesh, needs a mesh and is left out.
- `mask_clustering`, after Yan et al., "MaskClustering", 2024: masks are nodes; a mask that more
  than 0.3 of the views tear apart is dropped; two are joined where at least 0.9 of the frames that
  see both hold them in one mask, those with most observers first, in rounds over falling
  percentiles of the number of observers.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from lifting import camera as cameras

VOXEL = 0.05


def frame_cloud(view):
    """(N, 3) points of all pixels of masks, one a voxel, and (N,) the id of each."""
    rays, used = cameras.pixel_rays(view.camera), (view.depth > 0) & (view.labels > 0)
    in_cam = np.concatenate([rays[used] * view.depth[used][:, None], view.depth[used][:, None]], 1)
    points = in_cam @ view.camera.world_T_cam[:3, :3].T + view.camera.place
    return thinned(points, view.labels[used])


def thinned(points, ids):
    _, first = np.unique(np.floor(points / VOXEL).astype(np.int64), axis=0, return_index=True)
    return points[first], ids[first]


def merge_pair(one, other, walk):
    """Two clouds as one; groups that meet take the same id, looked at from either side."""
    (points, ids), (points2, ids2) = one, other
    ids2 = np.where(ids2 > 0, ids2 + ids.max(initial=0), 0)
    ids2 = renamed(ids, ids2, walk(points, points2))
    ids = renamed(ids2, ids, walk(points2, points))
    return thinned(np.concatenate([points, points2]), np.concatenate([ids, ids2]))


def renamed(ids, ids2, pairs):
    """The second ids; a group that shares half of the smaller one takes the first's id."""
    sizes, sizes2, meets = count(ids), count(ids2), {}
    for a, b in pairs:
        key = (ids[a], ids2[b])
        meets[key] = meets.get(key, 0) + 1
    names = {}
    for (a, b), common in sorted(meets.items(), key=lambda item: -item[1]):
        if b not in names and common >= 0.5 * min(sizes[a], sizes2[b]):
            names[b] = a
    return np.array([names.get(key, key) for key in ids2], np.int64)


def count(ids):
    return dict(zip(*np.unique(ids, return_counts=True), strict=True))


def by_steps(points, points2):
    """Pairs of neighbours, asked for point by point as the authors' program does."""
    tree = cKDTree(points)
    for b, point in enumerate(points2):
        apart, a = tree.query(point)
        if apart < 1.5 * VOXEL:
            yield a, b


def at_once(points, points2):
    """The same pairs from one query."""
    apart, nearest = cKDTree(points).query(points2)
    near = np.flatnonzero(apart < 1.5 * VOXEL)
    return zip(nearest[near].tolist(), near.tolist(), strict=True)


def pairwise_merging(views, walk=by_steps, least=20):
    clouds = [frame_cloud(view) for view in views]
    while len(clouds) > 1:
        pairs = zip(clouds[::2], clouds[1::2], strict=False)
        clouds = [merge_pair(*pair, walk) for pair in pairs] + clouds[len(clouds) // 2 * 2 :]
    points, ids = clouds[0]
    sizes = count(ids)
    ids = np.array([key if sizes[key] >= least else 0 for key in ids], np.int64)
    return points, ids, {key: float(size) for key, size in sizes.items()}


def numbers_of(views, points):
    """(V, N) the mask of each view on each point: a number from 1 over all views, 0 where the
    view shows no mask there, -1 where it does not show the point.
    """
    table, owner, first = np.full((len(views), len(points)), -1), [], 1
    for row, view in enumerate(views):
        pixels, depth = cameras.project(view.camera, points)
        inside = cameras.in_picture(view.camera, pixels, cameras.to_camera(view.camera, points))
        at = np.flatnonzero(inside)
        x, y = pixels[at].astype(int).T
        at, x, y = (part[np.abs(view.depth[y, x] - depth[at]) < 0.03] for part in (at, x, y))
        label = view.labels[y, x]
        table[row, at] = np.where(label > 0, label + first - 1, 0)
        owner += [row] * int(view.labels.max())
        first += int(view.labels.max())
    return table, np.array(owner)


def mask_clustering(views, points, least=20):
    table, owner = numbers_of(views, points)
    masks = [np.flatnonzero(table[owner[n]] == n + 1) for n in range(len(owner))]
    seen = np.zeros((len(masks), len(views)), bool)
    held = np.zeros((len(masks), len(masks)), bool)
    torn = np.zeros(len(masks))
    for n, mask in enumerate(masks):
        if len(mask) < least:
            continue
        for row in range(len(views)):
            labels = table[row, mask]
            shown = labels[labels >= 0]
            if len(shown) < 0.3 * len(mask) or not (shown > 0).any():
                continue
            sizes = np.bincount(shown[shown > 0])
            seen[n, row] = True
            if sizes.max() >= 0.8 * len(shown):
                held[n, sizes.argmax() - 1] = True
            else:
                torn[n] += 1
    good = seen.any(1) & (torn <= 0.3 * np.maximum(seen.sum(1), 1))
    held[:, ~good] = False
    cluster = [np.array([n]) for n in np.flatnonzero(good)]
    observers = (seen[good].astype(np.float32) @ seen[good].astype(np.float32).T).ravel()
    for percent in range(95, -5, -5):
        threshold = max(1.0, float(np.percentile(observers[observers > 0], percent)))
        cluster = joined(cluster, seen, held, threshold)
    ids, score = np.zeros(len(points), np.int64), {}
    votes = np.zeros((len(cluster) + 1, len(points)), np.float32)
    for key, members in enumerate(cluster, 1):
        for n in members if len(members) > 1 else ():
            votes[key, masks[n]] += 1
        score[key] = float(len(members))
    ids = votes.argmax(0)
    return points, np.where(votes.max(0) > 0, ids, 0), score


def joined(cluster, seen, held, threshold):
    sees = np.stack([seen[members].any(0) for members in cluster]).astype(np.float32)
    holds = np.stack([held[members].any(0) for members in cluster]).astype(np.float32)
    both, same = sees @ sees.T, holds @ holds.T
    linked = (both >= threshold) & (same >= 0.9 * both)
    total, number = connected_components(linked, directed=False)
    return [
        np.concatenate([cluster[n] for n in np.flatnonzero(number == key)]) for key in range(total)
    ]
