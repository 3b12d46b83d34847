"""Whose is it? Of objects that look alike, and may pass each other, that one's that is due there.

Memory alone would exchange them: it knows each by its looks and by what was around it where the
user answered, and in the end each stands where the other one began. Motion says where each must
be: what resembles one of them there is this one, and what both cover is divided between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from propagate.beliefs import Beliefs
from propagate.coords import Size
from propagate.logits import most_of_others
from propagate.selection import Choice, Selection
from propagate.types import READINGS, Evidence, FloatArray, Prompt, Recall

_LOOKS = [READINGS.index(name) for name in ("anchors", "recent", "nearby")]


def settled(beliefs: Beliefs, followed: Iterable[int]) -> Beliefs:
    """Beliefs in which an object is recognised where it is due, and not where another one is.

    Where one is more surely expected than the others, what is read of it is the most that is read
    of any of them; to the others, also those that are missing, the same place says that much less.

    Args:
        beliefs: of the frame.
        followed: objects seen in the frame before: only their places are known.
    """
    places = {key: beliefs.place(key) for key in followed if key in beliefs.recalls}
    known = {key: place for key, place in places.items() if place is not None}
    if not known or len(beliefs.recalls) < 2:
        return beliefs
    grid_hw = next(iter(beliefs.recalls.values())).maps.shape[-2:]
    due = np.stack([_on_grid(place, grid_hw) for place in known.values()])
    taken = due.max(0)
    changed = {
        key: recall if key in known else _read_as(recall, recall.maps[_LOOKS] * (1 - taken))
        for key, recall in beliefs.recalls.items()
    }
    if len(known) > 1:
        changed |= _shared_out([beliefs.recalls[key] for key in known], due)
    return replace(beliefs, recalls=changed)


def _shared_out(recalls: Sequence[Recall], due: FloatArray) -> dict[int, Recall]:
    """What is read of N objects, given to whom is due there: (N, h, w) 0..1."""
    read = np.stack([recall.maps[_LOOKS] for recall in recalls])  # (N, 3, h, w)
    lead = due - most_of_others(due)  # -1..1: sure to be another one, sure to be this one
    mine, theirs = np.maximum(lead, 0), np.maximum(-lead, 0)
    fair = np.maximum(read * (1 - theirs)[:, None], most_of_others(read) * mine[:, None])
    changed = {}
    for recall, looks, here in zip(recalls, fair, mine, strict=True):
        foreign = None if recall.foreign is None else recall.foreign * (1 - here)
        changed[recall.object_id] = replace(_read_as(recall, looks), foreign=foreign)
    return changed


def _read_as(recall: Recall, looks: FloatArray) -> Recall:
    """With other readings, but for how well a cell is known at all."""
    maps = recall.maps.copy()
    maps[_LOOKS] = looks
    return replace(recall, maps=maps)


def elsewhere(question: Prompt, foreign: FloatArray) -> Prompt:
    """A question again whose answer was something else: not there, and not near where it was.

    Args:
        question: about an object that is known.
        foreign: (h, w) 1 where there surely is something else.
    """
    evidence = question.evidence
    if evidence is None or evidence.recall is None:
        return question
    recall = evidence.recall.copy()
    recall[_LOOKS] *= 1 - _on_grid(foreign, recall.shape[-2:])
    return replace(question, evidence=Evidence(recall=recall))


def divided(choices: Sequence[Choice], beliefs: Beliefs, selection: Selection) -> list[Choice]:
    """The choices; those for two objects that pass each other are divided between them.

    Args:
        choices: one an object that is seen.
        beliefs: of the frame.
        selection: divides.
    """
    found = {choice.object_id: choice for choice in choices}
    for one, other in beliefs.passing():
        first, second = beliefs.place(one), beliefs.place(other)
        if one in found and other in found and first is not None and second is not None:
            pair = found[one], found[other]
            found[one], found[other] = selection.divide(pair, (first, second))
    return list(found.values())


def _on_grid(place: FloatArray, grid_hw: Size) -> FloatArray:
    """A place on the cells of what the memory reads."""
    return np.asarray(cv2.resize(place, grid_hw[::-1], interpolation=cv2.INTER_AREA), np.float32)
