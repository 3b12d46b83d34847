"""The functions that most users need: track, segment, load_segmenter, load_tracker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from propagate import automatic, plugins
from propagate import config as settings
from propagate.ahead import follow, in_their_frames
from propagate.anchors import Anchor, first_seen
from propagate.corrections import Recomputation
from propagate.errors import ConfigError, PromptError
from propagate.logits import to_picture
from propagate.masks import box_of
from propagate.prompting import merge_prompts
from propagate.segmenters import Segmenter
from propagate.tracker import Config, Tracker, build
from propagate.types import Evidence, Frame, FrameResult, ImageArray, Mask, Prompt, check_image
from propagate.videos import Video, open_video

_SEGMENTERS = "propagate.segmenters"
_ROUGH_TRUST = 0.4
"""In a mask that is to be improved: less forgets what is right, more keeps what is wrong."""


def load_segmenter(
    name: str = "lite", checkpoint: str | None = None, device: str = "auto"
) -> Segmenter:
    """A segmenter by name.

    Args:
        name: a file in `propagate/segmenters`, for example "lite".
        checkpoint: weights file; None takes what the segmenter ships with.
        device: "cpu", "cuda" or "auto"; a segmenter that has no such setting runs on the CPU.

    Raises:
        ConfigError: no such segmenter or device, or a checkpoint for one without weights.
        CheckpointError: the weights cannot be loaded.
    """
    known = plugins.settings(_SEGMENTERS, name)
    options = {"device": device} if "device" in known else {}
    if checkpoint is not None:
        if "checkpoint" not in known:
            raise ConfigError(f"segmenter {name!r} has no weights; leave the checkpoint out")
        options["checkpoint"] = checkpoint
    segmenter: Segmenter = plugins.build(_SEGMENTERS, name, options)
    return segmenter


def load_tracker(config: str = "default", **overrides: Any) -> Tracker:
    """A tracker from a preset or a YAML file.

    Args:
        config: "default", another preset's name, or a path.
        overrides: settings on top, a part's section as a mapping: `motion={"name": "velocity"}`.

    Raises:
        ConfigError: an unknown preset, key or value.
        CheckpointError: the segmenter's weights cannot be loaded.
    """
    mapping = {**settings.load(config), **overrides}
    return build(settings.from_mapping(Config, mapping))


def track(
    video: Any, prompts: Iterable[Prompt], *, tracker: Tracker | None = None
) -> Iterator[FrameResult]:
    """Follow objects through a video; yields one result a frame, in order, as frames are read.

    Args:
        video: path of a file, folder of images, camera index, array (T, H, W, 3) uint8 RGB, or
            iterable of Frames.
        prompts: what to follow; each speaks of one frame. Frames before the first prompt yield
            results without masks, so that the output lines up with the source.
        tracker: None takes `load_tracker()`.

    Raises:
        VideoError: the source cannot be read.
        PromptError: a prompt does not fit, or speaks of a frame that the source does not have.
    """
    waiting = list(prompts)
    if not waiting:
        raise PromptError("nothing to track; give at least one point, box or mask")
    tracker = load_tracker() if tracker is None else tracker
    return _results(open_video(video), waiting, tracker)


def _results(frames: Video, waiting: Sequence[Prompt], tracker: Tracker) -> Iterator[FrameResult]:
    waited = {prompt.frame_index for prompt in waiting}
    first = last = None
    live = frames.length_hint is None
    asks = in_their_frames(waiting)
    for _, state in follow(tracker, tracker.start(), frames, asks, live=live):
        assert state.last is not None
        last = state.last.index
        first = last if first is None else first
        waited.discard(last)
        yield state.last
    if waited:
        raise PromptError(
            f"a prompt speaks of frame {min(waited)}, which the video does not have: it goes from "
            f"frame {first} to frame {last}"
        )


def correct(
    video: Any,
    results: Mapping[int, FrameResult] | Iterable[FrameResult],
    prompts: Iterable[Prompt],
    *,
    anchors: Iterable[Anchor] | None = None,
    tracker: Tracker | None = None,
) -> Iterator[FrameResult]:
    """Correct a finished track; yields the frames that change, in order, when all are computed.

    An anchor is an object in a frame that the user answered. A correction becomes one: a mask is
    returned exactly as given, a click or box changes what is there. What lies between it and the
    neighbouring anchors of its object is tracked again from both sides and fused (behind the last
    anchor from one side); nothing else changes. Other objects lose the pixels that it takes there,
    but for their own anchors, which lose only what a correction claims in the very same frame.

    Args:
        video: what was tracked; it must be readable out of order, see `open_video`.
        results: those of all frames, by index if a mapping, which is read one frame at a time.
        prompts: corrections of known objects in frames that have a result.
        anchors: (frame index, object id) of what was answered before, corrections included. None:
            the first frame of each object.
        tracker: None takes `load_tracker()`.

    Raises:
        PromptError: nothing to correct, an unknown frame or object, or a prompt that does not fit.
        InputError: the results are not those of this video.
        VideoError: the source cannot be read, or not out of order.
    """
    asked = list(prompts)
    if not asked:
        raise PromptError("nothing to correct; give at least one point, box or mask")
    if not isinstance(results, Mapping):
        results = {result.index: result for result in results}
    known = first_seen(results) if anchors is None else tuple(anchors)
    tracker = load_tracker() if tracker is None else tracker
    return _corrected(Recomputation(open_video(video), results, tracker, known, asked))


def _corrected(correction: Recomputation) -> Iterator[FrameResult]:
    for _ in correction.work():
        pass
    yield from correction.changed()


def segment(
    image: ImageArray,
    points_xy: Any = None,
    labels: Any = None,
    box: Any = None,
    mask: Any = None,
    segmenter: str | Segmenter = "lite",
) -> list[Mask]:
    """Masks for one prompt on one picture, best first.

    Args:
        image: (H, W, 3) uint8 RGB.
        points_xy: (N, 2) pixels.
        labels: (N,) True or 1 where a point is on the object; None: all are.
        box: (x0, y0, x1, y1) pixels, end-exclusive.
        mask: (H, W) bool, a rough mask to improve.
        segmenter: a name or a loaded one, which is faster for many pictures.

    Raises:
        PromptError: nothing was asked, or a point or mask that does not fit the picture.
    """
    if isinstance(segmenter, str):
        segmenter = load_segmenter(segmenter)
    prompt = Prompt(
        0,
        1,
        points_xy=np.zeros((0, 2), np.float32) if points_xy is None else points_xy,
        labels=labels,
        box=box,
        mask=None if mask is None else np.asarray(mask, bool),
    )
    frame = Frame(0, image)
    asked = merge_prompts([prompt], frame, known=())
    questions = [_rough(one) for one in asked.values()]
    candidates = segmenter.decode(segmenter.encode(image), questions)[0]
    order = np.argsort(-candidates.scores, kind="stable")
    return [
        Mask(
            1,
            to_picture(candidates.logits[k], frame.size_hw, candidates.canvas),
            float(candidates.scores[k]),
        )
        for k in order
    ]


def _rough(prompt: Prompt) -> Prompt:
    """A prompt whose mask may be overruled: a segmenter would give the user's own back."""
    if prompt.mask is None:
        return prompt
    mask = prompt.mask
    evidence = Evidence(mask.astype(np.float32), _ROUGH_TRUST, box=box_of(mask))
    return replace(prompt, mask=None, evidence=evidence)


def generate_masks(
    image: ImageArray,
    *,
    segmenter: str | Segmenter = "lite",
    config: automatic.Config | None = None,
) -> list[dict[str, Any]]:
    """Masks of everything in a picture, as records like those of SA-1B, best first.

    Args:
        image: (H, W, 3) uint8 RGB.
        segmenter: a name or a loaded one.
        config: how to look; None takes `automatic.Config()`, or `automatic.SAM` for a SAM by name.

    Returns:
        See `propagate.automatic.generate`.
    """
    check_image(image)
    if config is None:
        named = isinstance(segmenter, str) and "sam" in segmenter.split("-")
        config = automatic.SAM if named else automatic.Config()
    loaded = load_segmenter(segmenter) if isinstance(segmenter, str) else segmenter
    return automatic.generate(image, loaded, config)
