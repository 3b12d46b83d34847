"""What the tracker relies on in a plugin, as checks that raise AssertionError."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from propagate.memory import Memory
from propagate.motion import Motion
from propagate.segmenters import Segmenter
from propagate.testing.shapes import MovingShapes, moving_shapes
from propagate.types import (
    READINGS,
    Candidates,
    Embedding,
    Evidence,
    FloatArray,
    FrameResult,
    Guess,
    Mask,
    Missing,
    Prompt,
    Recall,
)


def check_segmenter(segmenter: Segmenter) -> None:
    """Shapes, kinds, order, determinism; one prompt answered as in a batch; nothing is changed."""
    for size_hw in ((64, 96), (97, 55)):
        video = moving_shapes(3, 2, size_hw)
        image = video.images[0].copy()
        embedding = segmenter.encode(image)
        _require(np.array_equal(image, video.images[0]), "encode changed the image")
        _check_embedding(embedding, size_hw)
        _require(segmenter.decode(embedding, []) == [], "no prompts must give an empty list")
        prompts = _all_kinds_of_prompts(video, embedding)
        before = pickle.dumps(prompts)
        answers = segmenter.decode(embedding, prompts)
        _require(pickle.dumps(prompts) == before, "decode changed the prompts")
        _check_answers(answers, prompts, size_hw)
        again = segmenter.decode(segmenter.encode(image), prompts)
        alone = [segmenter.decode(embedding, [prompt])[0] for prompt in prompts]
        # Another batch may be summed in another order; at 8 to 16 bfloat16 has steps of 1/16.
        for name, others, near in (("a second time", again, 1e-2), ("alone", alone, 1e-1)):
            for one, other in zip(answers, others, strict=True):
                same = np.allclose(one.logits, other.logits, rtol=1e-3, atol=near)
                same &= np.allclose(one.scores, other.scores, atol=1e-3)
                _require(same, f"the prompt of object {one.object_id} asked {name} differs")


def check_motion(motion: Motion) -> None:
    """Kinds, determinism and resuming; objects come, coast and go; states are never changed."""
    video = moving_shapes(2, 8)
    frames = list(video.frames())
    state = motion.start()
    _require(motion.guess(state, frames[0]) == {}, "nothing is known at the start")
    for frame in frames:
        result = _coming_and_going(video, frame.index)
        before = pickle.dumps(state)
        guesses = motion.guess(state, frame)
        resumed = motion.guess(pickle.loads(before), frame)
        known = set() if frame.index == 0 else _ids(_coming_and_going(video, frame.index - 1))
        _require(set(guesses) == known, f"guesses for {set(guesses)}, but {known} are followed")
        for key, guess in guesses.items():
            _require(guess.object_id == key, "a guess stands under another object's id")
            _check_guess(guess)
            _require(_same(guess, resumed[key]), "a saved state guesses differently")
        following = motion.update(state, frame, result)
        _require(pickle.dumps(state) == before, "guess or update changed the state it was given")
        state = following
    for mask in (np.ones((96, 128), bool), np.arange(96 * 128).reshape(96, 128) == 0):
        edge = motion.update(state, frames[0], FrameResult(0, 0.0, (96, 128), (Mask(9, mask),)))
        _require(set(motion.guess(edge, frames[1])) == {9}, "an odd mask must be followed too")


def check_memory(memory: Memory, segmenter: Segmenter) -> None:
    """Kinds, determinism and resuming; a bounded state that is never changed."""
    video = moving_shapes(2, 8)
    embeddings = [segmenter.encode(image) for image in video.images]
    state = memory.start()
    _require(memory.recall(state, embeddings[0]) == {}, "nothing is known at the start")
    sizes = []
    for step in range(96):
        index = step % len(embeddings)
        result = _coming_and_going(video, index)
        anchors = [1] if step == 0 else [2] if step == 2 else []
        before = pickle.dumps(state)
        recalls = memory.recall(state, embeddings[index])
        if 0 < step < 8:
            resumed = memory.recall(pickle.loads(before), embeddings[index])
            _require(step > 6 or 1 in recalls, "an object that was shown is not recalled")
            _require(set(recalls) <= {1, 2}, "an object that was never shown is recalled")
            for key, recall in recalls.items():
                _require(recall.object_id == key, "a recall stands under another object's id")
                wanted = (len(READINGS), *embeddings[index].keys.shape[1:])
                _require(recall.maps.shape == wanted, f"recall maps must have shape {wanted}")
                _check_soft(recall.maps, 3, "recall maps")
                _check_unit(recall.trust, "recall trust")
                _require(_same(recall, resumed[key]), "a saved state recalls differently")
        following = memory.update(state, embeddings[index], result, anchors)
        _require(pickle.dumps(state) == before, "recall or update changed the state it was given")
        state = following
        sizes.append(len(before))
    _require(sizes[95] <= 1.1 * sizes[63] + 1024, "the state grows with the video")


def _coming_and_going(video: MovingShapes, index: int) -> FrameResult:
    """The truth, but: object 2 comes in frame 2, 1 is hidden in 4 and 5 and forgotten from 6."""
    truth = video.result(index)
    shown = [2] if index >= 2 else []
    shown += [1] if index < 4 else []
    missing = {1: Missing(1, "occluded", "hidden")} if index in (4, 5) else {}
    return replace(truth, masks=tuple(truth[key] for key in shown), missing=missing)


def _ids(result: FrameResult) -> set[int]:
    return {mask.object_id for mask in result.masks} | set(result.missing)


def _all_kinds_of_prompts(video: MovingShapes, embedding: Embedding) -> list[Prompt]:
    """Ids out of order; points of both signs, boxes, masks, evidence, and all of them at once."""
    soft: FloatArray = video.masks[2][0, ::2, ::3].astype(np.float32)
    far = video.images.shape[2] - 0.5
    points, labels = np.array([[12.5, 9.5], [far, 0.5]], np.float32), np.array([True, False])
    box = np.array([4, 6, 30, 28], np.float32)
    shape = (len(READINGS), *embedding.keys.shape[1:])
    recall = np.linspace(0, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    evidence = Evidence(soft, 0.5, recall, box, points, labels)
    return [
        Prompt(0, 7, points_xy=points[:1]),
        Prompt(0, 2, box=box),
        Prompt(0, 300, mask=video.masks[1][0]),
        Prompt(0, 4, evidence=evidence),
        Prompt(0, 6, evidence=Evidence(recall=recall)),
        Prompt(0, 8, evidence=Evidence(trust=1, points_xy=points, labels=labels)),
        Prompt(0, 1, points, labels, box, video.masks[3][0], evidence),
    ]


def _check_embedding(embedding: Embedding, size_hw: tuple[int, int]) -> None:
    import torch

    keys = embedding.keys
    _require(tuple(embedding.size_hw) == size_hw, f"embedding.size_hw must be {size_hw}")
    fits = isinstance(keys, torch.Tensor) and keys.ndim == 3 and keys.dtype == torch.float32
    _require(fits, "embedding.keys must be a (C, h, w) float32 tensor")
    _require(bool(torch.isfinite(keys).all()), "embedding.keys must be finite")


def _check_answers(
    answers: Sequence[Candidates], prompts: Sequence[Prompt], size_hw: tuple[int, int]
) -> None:
    ids = [answer.object_id for answer in answers]
    wanted = [prompt.object_id for prompt in prompts]
    _require(ids == wanted, f"answers must come in the order of the prompts {wanted}, got {ids}")
    for answer in answers:
        logits, scores = answer.logits, answer.scores
        _require(tuple(answer.size_hw) == size_hw, f"candidates.size_hw must be {size_hw}")
        fits = isinstance(logits, np.ndarray) and logits.dtype == np.float32 and logits.size > 0
        _require(fits and bool(np.isfinite(logits).all()), "logits must be finite float32, K >= 1")
        fits = isinstance(scores, np.ndarray) and scores.dtype == np.float32
        _require(fits and bool(((scores >= 0) & (scores <= 1)).all()), "scores must be 0..1")


def _check_guess(guess: Guess) -> None:
    points, box = guess.points_xy, guess.box
    fits = points.ndim == 2 and points.shape[1] == 2 and points.dtype == np.float32
    _require(fits and bool(np.isfinite(points).all()), "points_xy must be finite (N, 2) float32")
    if box is not None:
        fits = box.shape == (4,) and box.dtype == np.float32 and bool(np.isfinite(box).all())
        _require(fits and box[0] < box[2] and box[1] < box[3], f"not a box: {box}")
    if guess.prior is not None:
        _check_soft(guess.prior, 2, "guess prior")
    _check_unit(guess.trust, "guess trust")


def _check_soft(array: FloatArray, dimensions: int, what: str) -> None:
    fits = array.ndim == dimensions and array.dtype == np.float32
    _require(fits, f"{what} must be float32 of {dimensions} dimensions")
    _require(bool(((array >= 0) & (array <= 1)).all()), f"{what} must be 0..1")


def _check_unit(value: float, what: str) -> None:
    _require(0 <= value <= 1, f"{what} must be 0..1, got {value}")


def _same(one: Guess | Recall, other: Guess | Recall) -> bool:
    """Whether two answers agree, field by field, up to rounding."""
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)]
    return all(
        a is b is None or (np.shape(a) == np.shape(b) and np.allclose(a, b, atol=1e-5))
        for a, b in pairs
    )


def _require(fits: bool, message: str) -> None:  # noqa: FBT001 - the condition is the point
    if not fits:
        raise AssertionError(message)
