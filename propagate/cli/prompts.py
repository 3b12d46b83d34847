"""From what the user asks for to prompts, checked against the source before anything is written."""

from __future__ import annotations

import hashlib
import itertools
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from propagate.cli.phrases import Phrase
from propagate.cli.prompt_text import (
    Asked,
    parse_absent,
    parse_box,
    parse_mask,
    parse_point,
    read_prompts_file,
)
from propagate.errors import PromptError, VideoError
from propagate.export.png import MAX_ID
from propagate.prompting import merge_prompts
from propagate.types import BoolArray, Frame, Prompt
from propagate.videos import Video
from propagate.videos.images import read_mask

Size = tuple[int, int]


class SharedPixelsWarning(UserWarning):
    """Two masks of a frame lie on each other."""


def gather(
    points: Sequence[str],
    boxes: Sequence[str],
    masks: Sequence[str],
    file: Path | None = None,
    said: Sequence[Phrase] = (),
    absent: Sequence[str] = (),
) -> list[Asked]:
    """Everything that was asked for: masks, then boxes, then points, then the file.

    What is `said` is looked for later, when the video is open.

    Raises:
        PromptError: nothing was asked or said, or something cannot be read.
    """
    asked = [parse_mask(text) for text in masks]
    asked += [parse_box(text) for text in boxes]
    asked += [parse_point(text) for text in points]
    asked += [parse_absent(text) for text in absent]
    asked += [] if file is None else read_prompts_file(file)
    if not asked and not said:
        raise PromptError(
            "nothing to look for; give --point X,Y, --box X0,Y0,X1,Y1, --mask PNG or --text WORDS"
        )
    return asked


def resolve(asked: Sequence[Asked], size_hw: Size, first_frame: int) -> list[Prompt]:
    """Prompts with frame and object filled in.

    A point that names no object belongs to object 1. A mask's values are the ids, but one that
    another mask of the frame has taken becomes the lowest free number; so does each box that names
    none.

    Args:
        asked: in the order of `gather`.
        size_hw: (H, W) of the pictures.
        first_frame: for what names no frame.

    Raises:
        PromptError: a mask that cannot be used, or coordinates that make no prompt.
    """
    painted = [_paint(one, size_hw) for one in asked]
    named = {one.object_id for one in asked if one.object_id is not None}
    named |= {object_id for masks in painted for object_id in masks}
    free = (number for number in itertools.count(1) if number not in named)
    taken: set[tuple[int, int]] = set()
    prompts: list[Prompt] = []
    for one, masks in zip(asked, painted, strict=True):
        frame = first_frame if one.frame is None else one.frame
        for object_id, mask in masks.items():
            if (frame, object_id) in taken and one.object_id is None:
                object_id = next(free)
            taken.add((frame, object_id))
            prompts.append(Prompt(frame, object_id, mask=mask))
        if one.points or one.box is not None:
            prompts.append(_prompt(one, frame, free))
        elif one.absent:
            prompts.append(Prompt(frame, one.object_id or 1, mask=np.zeros(size_hw, bool)))
    return prompts


def check(
    prompts: Sequence[Prompt], video: Video, first_frame: int, known: Collection[int] = ()
) -> None:
    """Refuse prompts that the tracker would refuse later, when results are already there.

    Args:
        prompts: of any frames.
        video: what they are for.
        first_frame: a frame that is known to be there.
        known: objects that are followed already.

    Raises:
        PromptError: outside the picture or the video, of another size, empty, both a mask and
            points, or a negative point alone for an object that is not known yet.
    """
    size_hw = video.size_hw
    assert size_hw is not None  # files and folders know it
    blank = np.zeros((*size_hw, 3), np.uint8)
    known = set(known)
    for index in sorted({prompt.frame_index for prompt in prompts}):
        here = [prompt for prompt in prompts if prompt.frame_index == index]
        merged = merge_prompts(here, Frame(index, blank), known)
        for prompt in merged.values():
            _check_one(prompt)
        _tell_shared(merged)
        known |= set(merged)
        if index != first_frame:
            _check_frame(index, video)


def describe(prompts: Sequence[Prompt]) -> list[dict[str, Any]]:
    """Prompts as JSON values; a mask by its checksum."""
    return [_description(prompt) for prompt in prompts]


def _paint(one: Asked, size_hw: Size) -> dict[int, BoolArray]:
    """Object id → mask (H, W) of what was asked with a file."""
    if one.mask is None:
        return {}
    labels = read_mask(one.mask, size_hw)
    ids = [int(value) for value in np.unique(labels) if value > 0]
    if one.object_id is None:
        return {object_id: labels == object_id for object_id in ids}
    if len(ids) == 1:
        return {one.object_id: labels == ids[0]}
    if one.object_id not in ids:
        shown = ", ".join(map(str, ids[:8]))
        raise PromptError(f"{one.where}: the mask holds objects {shown}, not {one.object_id}")
    return {one.object_id: labels == one.object_id}


def _prompt(one: Asked, frame: int, free: Iterator[int]) -> Prompt:
    """The prompt of points and a box."""
    object_id = one.object_id
    if object_id is None:
        object_id = next(free) if one.box is not None else 1
    return Prompt(
        frame,
        object_id,
        points_xy=np.array(one.points, np.float32).reshape(-1, 2),
        labels=np.array(one.labels, bool),
        box=None if one.box is None else np.array(one.box, np.float32),
    )


def _check_one(prompt: Prompt) -> None:
    """What merging does not look at."""
    who = f"object {prompt.object_id} in frame {prompt.frame_index}"
    if prompt.object_id > MAX_ID:
        raise PromptError(f"{who}: ids go up to {MAX_ID}, which is what a mask picture can hold")
    if prompt.mask is not None and (len(prompt.points_xy) or prompt.box is not None):
        raise PromptError(
            f"{who}: has a mask, which is kept as it is, and points or a box, which would change "
            "nothing; give those another #ID or @FRAME, or leave the mask out"
        )


def _tell_shared(prompts: Mapping[int, Prompt]) -> None:
    """Warn of pixels that the masks of two objects of a frame have in common."""
    given = [one for one in prompts.values() if one.mask is not None]
    for below, above in itertools.combinations(given, 2):
        assert below.mask is not None and above.mask is not None
        shared = int((below.mask & above.mask).sum())
        if shared:
            warnings.warn(
                f"frame {above.frame_index}: the masks of objects {below.object_id} and "
                f"{above.object_id} share {shared} pixels, which a PNG shows as object "
                f"{above.object_id}; --set selection.overlap=true with --export rle keeps both",
                SharedPixelsWarning,
                stacklevel=3,
            )


def _check_frame(index: int, video: Video) -> None:
    """PromptError unless the video has the frame."""
    try:
        video.frame(index)
    except VideoError as error:
        raise PromptError(f"a prompt speaks of frame {index}, but {error}") from error


def _description(prompt: Prompt) -> dict[str, Any]:
    assert prompt.labels is not None  # a Prompt fills them in
    values: dict[str, Any] = {"frame": prompt.frame_index, "object": prompt.object_id}
    if len(prompt.points_xy):
        values["points"] = prompt.points_xy.tolist()
        values["labels"] = prompt.labels.astype(int).tolist()
    if prompt.box is not None:
        values["box"] = prompt.box.tolist()
    if prompt.says_absent:
        values["absent"] = True
    elif prompt.mask is not None:
        values["mask_sha256"] = hashlib.sha256(np.packbits(prompt.mask).tobytes()).hexdigest()
    return values
