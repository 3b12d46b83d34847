"""Remembered frames and their masks, read by attention over the segmenter's own keys.

Kept are the frames that the user answered, the last frame, a few recent ones, and a few of the
older ones that differ most: the size is fixed whatever the length of the video. All objects share
one attention, so a further object costs one column of a matrix product.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from propagate.coords import WHOLE, Part
from propagate.masks import box_of, cell_cover
from propagate.memory._attention import familiarity, locality, share
from propagate.memory._bank import (
    MemoryState,
    Remembered,
    completed,
    keep_anchors,
    most_different,
    with_look,
)
from propagate.memory._foreign import foreign_cells, likeness_to
from propagate.types import Embedding, FloatArray, FrameResult, Mask, Recall


@dataclass(frozen=True)
class Config:
    """Settings of the appearance memory.

    Attributes:
        anchors: most frames that are kept because the user answered them; beyond that the oldest
            but the very first one goes.
        recent: frames in the ring of recent ones; more holds an object better through fast change.
        diverse: older frames kept because they look different; they bring back an old appearance.
        every: frames between two that enter the ring; higher reaches further back.
        least_score: a mask below this expected IoU is not remembered.
        sharpness: factor on the logits of matches; higher lets fewer cells vote.
        sigma: cells that something may move between two frames and still be found "nearby".
    """

    anchors: int = 4
    recent: int = 2
    diverse: int = 2
    every: int = 5
    least_score: float = 0.5
    sharpness: float = 2.0
    sigma: float = 4.0


class Appearance:
    """See the module."""

    def __init__(self, config: Config) -> None:
        """Hold the settings."""
        self._config = config

    def start(self) -> MemoryState:
        """See `Memory.start`."""
        return MemoryState()

    @torch.inference_mode()
    def recall(
        self, state: MemoryState, embedding: Embedding, part: Part = WHOLE
    ) -> dict[int, Recall]:
        """See `Memory.recall`."""
        if state.last is None:
            return {}
        grid_hw = _grid(embedding)
        query = _cells(embedding)
        bank = state.bank()
        ids = tuple(i for i in state.ids if any(_shows(frame, i) for frame in bank))
        logits = query @ torch.cat([frame.keys for frame in bank]).T
        temperature = float(query[0].square().sum())
        best = logits.amax(1)
        foreign = foreign_cells(bank, logits, temperature)
        strange = {
            i: (best - likeness_to(bank, logits, i)) / temperature
            for i in ids
            if not _shows(state.last, i)  # of what is followed there is no doubt
        }
        last = state.last
        places = locality(grid_hw, self._config.sigma, part, last.part, last.grid_hw)
        familiar = familiarity(best, temperature)
        weights = logits.sub_(best[:, None]).mul_(self._config.sharpness).exp_()
        maps = _read(weights, familiar, bank, ids, places.to(query))
        found = torch.unflatten(maps, 2, grid_hw).cpu().numpy()
        elsewhere, unlike = (
            {i: one.reshape(grid_hw).float().cpu().numpy() for i, one in each.items()}
            for each in (foreign, strange)
        )
        return {
            object_id: Recall(
                object_id,
                found[n],
                _trust(found[n], state.areas[object_id] / _share_of(part)),
                elsewhere.get(object_id),
                unlike.get(object_id),
            )
            for n, object_id in enumerate(ids)
        }

    @torch.inference_mode()
    def update(
        self,
        state: MemoryState,
        embedding: Embedding,
        result: FrameResult,
        anchors: Collection[int],
        part: Part = WHOLE,
    ) -> MemoryState:
        """See `Memory.update`."""
        grid_hw = _grid(embedding)
        covers = {mask.object_id: _cover(mask, grid_hw, part) for mask in result.masks}
        away = [i for i in anchors if i in result.missing and result.missing[i].state == "absent"]
        covers |= {i: np.zeros(grid_hw[0] * grid_hw[1], np.float32) for i in away}
        now = Remembered(
            result.index,
            _cells(embedding),
            grid_hw,
            {i: torch.from_numpy(cover).to(embedding.keys.device) for i, cover in covers.items()},
            frozenset(anchors) & frozenset(covers),
            part,
        )
        ids = tuple(sorted({*covers, *result.missing}))
        shares = {i: _share_of(part) * float(c.mean()) for i, c in covers.items() if i not in away}
        areas = {i: shares.get(i, state.areas.get(i, 0.0)) for i in ids}
        state = state.without({*state.ids} - {*ids})
        now = completed(now, state.anchors)
        state = replace(state, ids=ids, areas=areas, last=now)
        if now.anchors:
            looks = with_look(state.anchors, now)
            return replace(state, anchors=keep_anchors(looks, self._config.anchors))
        return self._with_recent(state, now, result.masks)

    def _with_recent(
        self, state: MemoryState, now: Remembered, masks: tuple[Mask, ...]
    ) -> MemoryState:
        """Every so often the frame enters the ring, as far as its masks are good."""
        good = {m.object_id for m in masks if m.score >= self._config.least_score}
        entered = (*state.recent, *state.anchors)
        if not good or any(abs(now.index - f.index) < self._config.every for f in entered):
            return state
        kept = replace(now, covers={i: cover for i, cover in now.covers.items() if i in good})
        recent = (*state.recent, kept)
        if len(recent) <= self._config.recent:
            return replace(state, recent=recent)
        diverse = most_different((*state.diverse, recent[0]), self._config.diverse)
        return replace(state, recent=recent[1:], diverse=diverse)


def _grid(embedding: Embedding) -> tuple[int, int]:
    return embedding.keys.shape[1], embedding.keys.shape[2]


def _cells(embedding: Embedding) -> Tensor:
    """Keys as (h*w, C) float32."""
    cells: Tensor = embedding.keys.flatten(1).T.contiguous()
    return cells


def _cover(mask: Mask, grid_hw: tuple[int, int], part: Part) -> FloatArray:
    """(h*w,) float32: how far a mask covers each cell of a part of the picture."""
    height, width = mask.pixels.shape
    x0, y0, x1, y1 = np.rint(np.array(part) * [width, height, width, height]).astype(int)
    pixels = mask.pixels[y0:y1, x0:x1]
    box = box_of(pixels)
    if box is None:
        return np.zeros(grid_hw[0] * grid_hw[1], np.float32)
    return cell_cover(pixels, box, grid_hw).ravel()


def _share_of(part: Part) -> float:
    """Of the picture's area."""
    return (part[2] - part[0]) * (part[3] - part[1])


def _read(
    weights: Tensor,
    familiar: Tensor,
    bank: tuple[Remembered, ...],
    ids: tuple[int, ...],
    places: Tensor,
) -> Tensor:
    """`READINGS` of N objects (N, 4, Q).

    Args:
        weights: (Q, M) unnormalised attention to all cells of the bank.
        familiar: (Q,) how well each cell is known.
        bank: the remembered frames, the last one at the end.
        ids: of the objects.
        places: (Q, L) how near cells of the last frame are.
    """
    totals = weights @ _columns(bank, ids).to(weights)
    anchors = share(totals[:, 0::4], totals[:, 1::4])  # nothing where no answer is left
    recent = share(totals[:, 2::4], totals[:, 3::4])
    close = weights[:, -places.shape[1] :] * places
    near = _nearby(close, bank[-1], ids, recent)
    known = familiar[:, None].expand_as(recent)
    return torch.stack([anchors, recent, near, known]).permute(2, 0, 1).clamp(0, 1)


def _columns(bank: tuple[Remembered, ...], ids: tuple[int, ...]) -> Tensor:
    """(M, 4N) values to read: for each object cover and presence, over anchors and over all."""
    columns = [torch.zeros(len(frame.keys), len(ids), 4) for frame in bank]
    for rows, frame in zip(columns, bank, strict=True):
        for n, object_id in enumerate(ids):
            cover = frame.covers.get(object_id)
            if cover is None:
                continue
            rows[:, n, 2], rows[:, n, 3] = cover, 1
            # From far an object's cells are its surroundings' too: they would claim anything.
            if object_id in frame.anchors - frame.surroundings:
                rows[:, n, 0], rows[:, n, 1] = cover, 1
    return torch.cat(columns).flatten(1)


def _nearby(close: Tensor, last: Remembered, ids: tuple[int, ...], instead: Tensor) -> Tensor:
    """(Q, N) read from the last frame around the same place; `instead` where it lacks an object."""
    read = instead.clone()
    known = [n for n, object_id in enumerate(ids) if object_id in last.covers]
    if known:
        covers = torch.stack([last.covers[ids[n]] for n in known], 1)
        read[:, known] = share(close @ covers, close.sum(1, keepdim=True))
    return read


def _shows(frame: Remembered, object_id: int) -> bool:
    cover = frame.covers.get(object_id)
    return cover is not None and bool(cover.any())


def _trust(maps: FloatArray, area: float) -> float:
    """How much of an object whose area is a share of the cells' is seen: mean of its best cells."""
    seen = np.sort((maps[1] * maps[3]).ravel())
    count = int(np.clip(round(0.5 * area * len(seen)), 1, len(seen)))
    return float(seen[-count:].mean())


def build(config: Config) -> Any:
    """The memory."""
    return Appearance(config)
