"""What certainly is not the object: what looks more like something else where the user answered.

Frames in between are no witnesses. Where an object passed in front of something, a little of that
may be remembered as a part of it; in the answered frames it is told apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from propagate.memory._bank import Remembered

_ITS_OWN, _NOT_ITS = 0.3, 0.02  # covers of cells that are the object, and that are not
_KNOWN = 0.6  # cosine from which on two cells may show the same
_OUTGROWN = 3.0  # times the cells it had where it was answered: those were too coarse to tell now
_MARGIN = 0.03  # of cosine, by which something else must be more like a cell than the object is


def likeness_to(bank: Sequence[Remembered], logits: Tensor, object_id: int) -> Tensor:
    """How like an object Q cells look at most: the best logit of its own cells, (Q,).

    Args:
        bank: the remembered frames, M cells in all; one of them at least shows the object.
        logits: (Q, M), how like the cells of a picture are theirs.
        object_id: of the object.
    """
    covers = [frame.covers.get(object_id, frame.keys.new_zeros(len(frame.keys))) for frame in bank]
    cover = torch.cat(covers)
    own = torch.nonzero(cover > min(_ITS_OWN, 0.5 * float(cover.max())))[:, 0]
    return logits[:, own].amax(1)


def foreign_cells(
    bank: Sequence[Remembered], logits: Tensor, temperature: float
) -> dict[int, Tensor]:
    """For every object that was answered somewhere: which of Q cells are foreign, (Q,) bool.

    Args:
        bank: the remembered frames, M cells in all, the last one at the end.
        logits: (Q, M), how like the cells of a picture are theirs.
        temperature: the logit of a cell with itself.
    """
    looks = torch.split(logits, [len(frame.keys) for frame in bank], 1)
    likeness = {n: looks[n] for n, frame in enumerate(bank) if frame.anchors}
    nearest = {n: one.max(1) for n, one in likeness.items()}
    foreign = {}
    for object_id in sorted(frozenset[int]().union(*(bank[n].anchors for n in likeness))):
        frames = [n for n in likeness if object_id in bank[n].anchors]
        covers = [bank[n].covers[object_id] for n in frames]
        own = [
            likeness[n][:, inside].amax(1)
            for n, cover in zip(frames, covers, strict=True)
            if len(inside := torch.nonzero(cover > _ITS_OWN)[:, 0])
        ]
        if not own or _outgrown(bank[-1].covers.get(object_id), covers):
            continue
        values = torch.stack([nearest[n].values for n in frames])
        best, first = values.max(0)
        beside = torch.stack(
            [cover[nearest[n].indices] < _NOT_ITS for n, cover in zip(frames, covers, strict=True)]
        )
        least = torch.stack(own).amax(0) + _MARGIN * temperature
        clearly = best > least.clamp(min=_KNOWN * temperature)
        foreign[object_id] = beside.gather(0, first[None])[0] & clearly
    return foreign


def _outgrown(now: Tensor | None, answered: Sequence[Tensor]) -> bool:
    """Whether an object has come so near that what was answered shows it from far at best."""
    return now is not None and float(now.sum()) > _OUTGROWN * max(float(c.sum()) for c in answered)
