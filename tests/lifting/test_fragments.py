"""Pieces against a plain search through neighbours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lifting.fragments import floating, pieces, well_seen, without_fragments
from lifting.fuse import Verdict, pack
from lifting.settings import Settings


def searched(cells, labels):
    """Pieces at half the resolution, by walking from cell to cell."""
    nodes = {(tuple(cell >> 1), label) for cell, label in zip(cells, labels, strict=True)}
    piece, count = {}, 0
    for start in sorted(nodes):
        if start in piece:
            continue
        waiting = [start]
        while waiting:
            (x, y, z), label = node = waiting.pop()
            if node in piece or node not in nodes:
                continue
            piece[node] = count
            waiting += [
                ((x + a, y + b, z + c), label)
                for a in (-1, 0, 1)
                for b in (-1, 0, 1)
                for c in (-1, 0, 1)
            ]
        count += 1
    return [piece[tuple(cell >> 1), label] for cell, label in zip(cells, labels, strict=True)]


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(3, 20))
def test_pieces_are_what_a_walk_finds(seed, count, reach):
    random = np.random.default_rng(seed)
    cells = np.unique(random.integers(-reach, reach, (count, 3)), axis=0)
    labels = random.integers(0, 3, len(cells))
    keys = pack(cells)
    order = np.argsort(keys)
    found = pieces(keys[order], labels[order])
    truth = searched(cells[order], labels[order])
    pairs = set(zip(found.tolist(), truth, strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def block(low, high):
    axes = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)


def test_a_far_small_piece_gets_the_next_label():
    cells = np.concatenate([block((0, 0, 0), (10, 10, 2)), block((40, 0, 0), (43, 3, 1))])
    keys = pack(cells)
    order = np.argsort(keys)
    far = cells[order][:, 0] >= 40
    ones = np.ones(len(keys), np.float32)
    verdict = Verdict(
        np.full(len(keys), 5, np.int32), np.where(far, 8, 0).astype(np.int32), ones, ones
    )
    once = np.ones(len(keys), np.int32)
    labels = without_fragments(keys[order], verdict, once, 0.1)
    assert set(labels[far]) == {8} and set(labels[~far]) == {5}
    assert set(without_fragments(keys[order], verdict, once, 0.01)) == {5}
    # what several views agree on stays; not what they disagree on
    assert set(without_fragments(keys[order], verdict, 2 * once, 0.1)) == {5}
    split = replace(verdict, shares=np.where(far, 0.8, 1).astype(np.float32))
    assert set(without_fragments(keys[order], split, 2 * once, 0.1)[far]) == {8}
    assert floating(keys[order], 30)[far].all() and not floating(keys[order], 30)[~far].any()


def test_the_shell_around_a_surface_is_noise():
    surface, shell = block((0, 0, 0), (30, 30, 1)), block((0, 0, 1), (30, 30, 4))
    cells = np.concatenate([surface, shell[::2]])
    cells = cells[np.argsort(pack(cells))]
    keys, height = pack(cells), cells[:, 2]
    weights = np.where(height == 0, 10, 1).astype(np.float32)
    views = np.where(height == 0, 9, 1).astype(np.int32)
    kept = well_seen(keys, weights, views, Settings(least_views=1))
    assert kept[height == 0].all() and not kept[height == 2].any()
    often = well_seen(keys, weights, views, Settings(least_support=0))
    assert often[height == 0].all() and not often[height > 1].any()
    everything = well_seen(keys, weights, views, Settings(least_support=0, least_views=1))
    assert everything.all()
