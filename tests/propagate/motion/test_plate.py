"""The clean plate: what lies behind objects, against backgrounds that are known exactly."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from propagate.motion import flow
from propagate.motion._plate import Plate
from propagate.types import Frame

HW = (90, 160)
NOWHERE = np.zeros(HW, bool)


def ground(seed: int = 3, grain: float = 2.0) -> np.ndarray:
    """(90, 160 + 40) uint8, wider than a picture so that a camera can pan."""
    noise = np.random.default_rng(seed).normal(size=(HW[0], HW[1] + 40))
    smooth = cv2.GaussianBlur(noise, (0, 0), grain)
    return np.clip(128 + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def seen_from(x: int) -> np.ndarray:
    return np.ascontiguousarray(ground()[:, x : x + HW[1]])


def panned(step: int) -> np.ndarray:
    """The backward flow while the camera pans to the right."""
    steps = np.zeros((*HW, 2), np.float32)
    steps[..., 0] = step
    return steps


def block(x: int) -> np.ndarray:
    places = NOWHERE.copy()
    places[30:60, x : x + 30] = True
    return places


@pytest.mark.parametrize("pan", [0, 2])
def test_what_lay_there_before_is_kept_while_objects_hide_it(pan):
    plate = Plate.first(seen_from(0), NOWHERE)
    for step in range(1, 9):
        place = block(60 - step * pan)  # at rest in the scene
        flow_ = panned(pan)
        flow_[place] = 7.0  # whatever the object does is not the scene's
        plate = plate.moved(flow_, place)
        picture = seen_from(step * pan)
        picture[place] = 255
        plate = plate.learned(picture, place, np.zeros(HW, np.float32))
    truth = seen_from(8 * pan)
    inner = np.s_[10:80, 10:130]
    assert np.abs(plate.grey - truth)[inner].mean() < 1
    assert plate.seen_in(truth)[inner].mean() > 0.9
    other = np.ascontiguousarray(ground(seed=4)[:, : HW[1]])
    assert plate.seen_in(other)[inner].mean() < 0.02


def test_what_was_never_in_sight_is_not_known():
    plate = Plate.first(seen_from(0), block(60))
    again = plate.moved(panned(0), block(60)).seen_in(seen_from(0))
    assert again[block(60)].max() == 0
    assert again[10:80, 100:150].mean() > 0.9
    beyond = plate.moved(panned(20), NOWHERE)
    assert beyond.seen_in(seen_from(20))[:, 142:].max() == 0, "came in by the picture's edge"


def test_what_has_no_texture_cannot_be_told():
    flat = np.full(HW, 90, np.uint8)
    assert Plate.first(flat, NOWHERE).seen_in(flat).max() == 0


def test_an_answer_that_insists_is_right_in_the_end():
    plate, picture = Plate.first(seen_from(0), NOWHERE), seen_from(0)
    held = []
    for _ in range(12):
        plate = plate.moved(panned(0), block(60))
        seen = plate.seen_in(picture)
        held.append(bool(seen[block(60)].mean() > 0.5))
        plate = plate.learned(picture, block(60), seen)
    assert held[0] and held[4] and not held[-1]
    assert sorted(held, reverse=True) == held


@pytest.mark.parametrize("sudden", [False, True])
def test_what_an_object_uncovers_is_not_expected_to_be_it(scene, sudden):
    """A thing passes a spot, and its mask sticks to the spot.

    One that was not seen before it was there may have been there all the time.
    """
    motion = flow.build(flow.Config())
    spot = np.zeros((240, 320), bool)
    spot[105:135, 190:230] = True
    state = motion.start()
    for index, x in enumerate((60, 85, 110, 135, 160, 185, 210, 235)):
        frame, mask = scene.at(index, (x, 120))
        motion.guess(state, frame)
        masks = {} if sudden and index < 5 else {1: mask | (spot if index > 5 else mask)}
        state = motion.update(state, frame, scene.answered(frame, masks))
    frame, mask = scene.at(8, (262, 120))
    prior = motion.guess(state, frame)[1].prior
    expected = cv2.resize(prior, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    assert expected[mask].mean() > 0.7
    left = expected[spot & ~mask].mean()
    assert left > 0.2 if sudden else left < 0.05


def test_a_picture_of_another_size_begins_anew(scene):
    motion = flow.build(flow.Config())
    state = scene.feed(motion, [scene.at(index, (60 + 10 * index, 120)) for index in range(3)])
    assert state.plate is not None
    small = Frame(3, np.ascontiguousarray(scene.background[:120, :160]))
    state = motion.update(state, small, scene.answered(small, {1: np.ones((120, 160), bool)}))
    assert state.plate is None
