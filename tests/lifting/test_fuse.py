"""Tallies count as a dictionary would, whatever the order."""

from __future__ import annotations

from collections import defaultdict
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifting.fuse import centres, decide, pack, renamed, tally_view, unpack, voxel_keys
from lifting.tally import added, merged
from lifting.visibility import NO_VOTE, Samples
from propagate.errors import SceneError

VOXEL = 0.1


@st.composite
def samples(draw):
    count = draw(st.integers(0, 40))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    labels = random.choice([NO_VOTE, 0, 1, 2, 300, 2**31 - 1], count).astype(np.int32)
    colours = random.integers(0, 256, (count, 3)).astype(np.uint8) if draw(st.booleans()) else None
    return Samples(
        random.uniform(-0.3, 0.3, (count, 3)).astype(np.float32),
        labels,
        random.uniform(0.1, 1, count).astype(np.float32),
        random.uniform(0.1, 1, count).astype(np.float32),
        colours,
    )


def counted(views):
    """The same with dictionaries, in float64."""
    weights, votes, seen = defaultdict(float), defaultdict(float), defaultdict(set)
    places, colours = defaultdict(lambda: np.zeros(3)), defaultdict(lambda: np.zeros(3))
    for number, one in enumerate(views):
        for n, point in enumerate(one.points):
            key = tuple(np.floor(point * np.float32(1 / VOXEL)).astype(int))
            weights[key] += one.weights[n]
            places[key] = places[key] + one.weights[n] * point.astype(float)
            seen[key].add(number)
            if one.colours is not None:
                colours[key] = colours[key] + one.weights[n] * one.colours[n]
            if one.labels[n] != NO_VOTE:
                votes[key, int(one.labels[n])] += one.votes[n]
    return weights, places, colours, votes, seen


@given(st.lists(samples(), min_size=1, max_size=6), st.sampled_from([1, 3, 1000]))
def test_counts_as_dictionaries_do(views, block):
    with mock.patch("lifting.tally._BLOCK", block):  # places merged at a time
        counts_as_dictionaries_do(views)


def counts_as_dictionaries_do(views):
    tallies = ()
    for one in views:
        tallies = added(tallies, tally_view(one, VOXEL))
    tally = merged(tallies)
    weights, places, colours, votes, seen = counted(views)
    keys = [tuple(cell) for cell in unpack(tally.keys)]
    assert set(keys) == set(weights) and len(set(keys)) == len(keys)
    assert (np.diff(tally.keys) > 0).all() and (np.diff(tally.ballots) > 0).all()
    middles = centres(tally.keys, VOXEL)
    for row, key in enumerate(keys):
        assert np.isclose(tally.sums[row, 0], weights[key], rtol=1e-5)
        mean = middles[row] + tally.sums[row, 1:4] / tally.sums[row, 0] * VOXEL
        assert np.allclose(mean, places[key] / weights[key], atol=1e-5)
        assert np.allclose(tally.sums[row, 5:8], colours[key], rtol=1e-4, atol=1e-3)
        assert tally.views[row] == len(seen[key])
    found = {
        (keys[row], int(one)): vote
        for row, one, vote in zip(tally.rows, tally.ids, tally.votes, strict=True)
    }
    assert found.keys() == votes.keys()
    assert all(np.isclose(found[key], votes[key], rtol=1e-5) for key in votes)


@given(st.lists(samples(), min_size=1, max_size=5))
def test_the_winner_has_most_votes(views):
    tally = merged([tally_view(one, VOXEL) for one in views])
    verdict = decide(tally)
    for row in range(len(tally.keys)):
        mine = tally.rows == row
        ids, votes = tally.ids[mine], tally.votes[mine]
        if not len(ids):
            assert verdict.labels[row] == 0 and verdict.shares[row] == 0
            continue
        assert verdict.labels[row] == ids[votes.argmax()]
        assert np.isclose(verdict.votes[row], votes.max())
        assert np.isclose(verdict.shares[row], votes.max() / votes.sum(), rtol=1e-5)
        if len(ids) > 1:
            assert verdict.seconds[row] == ids[np.argsort(-votes)[1]]


@given(st.lists(samples(), min_size=2, max_size=8))
def test_tallies_stay_few_and_short(views):
    tallies = ()
    for one in views:
        tallies = added(tallies, tally_view(one, VOXEL))
        sizes = [len(tally.keys) for tally in tallies]
        assert all(size >= sum(sizes[n + 1 :]) for n, size in enumerate(sizes))


@given(samples(), samples())
def test_merging_changes_neither(one, other):
    one, other = tally_view(one, VOXEL), tally_view(other, VOXEL)
    before = [one.keys.copy(), one.sums.copy(), other.votes.copy(), other.views.copy()]
    merged([one, other])
    after = [one.keys, one.sums, other.votes, other.views]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@given(st.lists(st.tuples(*[st.integers(-(2**20) + 1, 2**20 - 1)] * 3), min_size=1))
def test_cells_pack_in_order(cells):
    cells = np.array(cells, np.int64)
    keys = pack(cells)
    assert np.array_equal(unpack(keys), cells)
    order = np.lexsort(cells.T[::-1])
    assert (np.diff(keys[order]) >= 0).all()


def test_renaming_joins_votes():
    points = np.zeros((4, 3), np.float32)
    ones = np.ones(4, np.float32)
    tally = tally_view(Samples(points, np.array([0, 1, 2, 3], np.int32), ones, ones, None), VOXEL)
    joined = renamed(tally, np.array([NO_VOTE, 7, 7, 5], np.int32))
    assert joined.ids.tolist() == [5, 7] and joined.votes.tolist() == [1, 2]
    assert joined.rows.tolist() == [0, 0]


def test_points_of_another_unit_are_refused():
    with pytest.raises(SceneError, match="too far for voxels.*metres"):
        voxel_keys(np.array([[3e5, 0, 0]], np.float32), VOXEL)
    with pytest.raises(SceneError, match="too far"):
        voxel_keys(np.array([[np.inf, 0, 0]], np.float32), VOXEL)


def seen_at(cells):
    points = np.stack([np.asarray(cells) * VOXEL + VOXEL / 2] + [np.zeros(len(cells))] * 2, 1)
    ones = np.ones(len(cells), np.float32)
    labels = np.ones(len(cells), np.int32)
    return tally_view(Samples(points.astype(np.float32), labels, ones, ones, None), VOXEL)


def test_what_one_view_of_many_saw_is_forgotten():
    random = np.random.default_rng(0)
    views = [np.array([500])] + [random.choice(100, 10, replace=False) for _ in range(200)]

    def after(count, forget_after):
        tallies = ()
        for cells in views[:count]:
            tallies = added(tallies, seen_at(cells), forget_after)
        tally = merged(tallies)
        assert tally.span == count
        return dict(zip(unpack(tally.keys)[:, 0].tolist(), tally.views.tolist(), strict=True))

    everything = after(201, 0)
    assert everything.pop(500) == 1
    remembered = after(201, 8)
    assert 500 not in remembered and remembered.keys() == everything.keys()
    assert sum(remembered.values()) > 0.98 * sum(everything.values())
    assert 500 in after(15, 8)  # not enough yet
