"""The appearance memory, on embeddings with exact matches."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from propagate.memory import appearance
from propagate.memory._attention import attend, locality, read
from propagate.types import FrameResult, Mask, Missing

GRID = (6, 10)
SIZE = (96, 160)


@dataclass(frozen=True)
class Keys:
    """An embedding made of given keys."""

    keys: torch.Tensor
    size_hw: tuple[int, int] = SIZE


def scene(shift: int = 0, seed: int = 0) -> Keys:
    """Every cell looks different; the whole picture moves by `shift` cells to the right."""
    rng = torch.Generator().manual_seed(seed)
    cells = torch.nn.functional.normalize(torch.randn(32, *GRID, generator=rng), dim=0) * 6.0
    return Keys(torch.roll(cells, shift, 2))


def block(x0: int, x1: int) -> np.ndarray:
    """A mask over whole cells: rows 1 to 4, columns x0 to x1."""
    mask = np.zeros(SIZE, bool)
    mask[16:64, x0 * 16 : x1 * 16] = True
    return mask


def result(index: int, *masks: Mask, missing: tuple[int, ...] = ()) -> FrameResult:
    gone = {i: Missing(i, "occluded", "test") for i in missing}
    return FrameResult(index, None, SIZE, masks, gone)


@pytest.fixture
def memory() -> appearance.Appearance:
    return appearance.Appearance(appearance.Config(every=2))


def test_an_object_is_recognised_where_it_moved_to(memory) -> None:
    state = memory.update(memory.start(), scene(), result(0, Mask(7, block(2, 4))), [7])
    recall = memory.recall(state, scene(shift=3))[7]
    moved = np.zeros(GRID, np.float32)
    moved[1:4, 5:7] = 1
    anchors, recent, _, familiar = recall.maps
    assert np.abs(anchors - moved).max() < 0.02
    assert np.abs(recent - moved).max() < 0.02
    assert familiar.min() > 0.99
    assert recall.trust > 0.95


def test_an_unknown_scene_is_not_familiar(memory) -> None:
    state = memory.update(memory.start(), scene(), result(0, Mask(1, block(2, 4))), [1])
    recall = memory.recall(state, scene(seed=99))[1]
    assert recall.maps[3].max() < 0.2
    assert recall.trust < 0.2


def test_nearby_ignores_a_look_alike_far_away(memory) -> None:
    keys = scene().keys.clone()
    keys[:, 1:4, 8:10] = keys[:, 1:4, 0:2]  # the same thing twice
    state = memory.update(memory.start(), Keys(keys), result(0, Mask(1, block(0, 2))), [1])
    near = memory.recall(state, Keys(keys))[1].maps[2]
    assert near[1:4, 0:2].min() > 0.85  # 1 / (1 + exp(-8² / 2·4²)) = 0.88
    assert near[1:4, 8:10].max() < 0.2


def test_many_objects_read_as_one_would(memory) -> None:
    both = result(0, Mask(1, block(0, 2)), Mask(300, block(5, 8)))
    state = memory.update(memory.start(), scene(), both, [1, 300])
    alone = memory.update(memory.start(), scene(), result(0, Mask(300, block(5, 8))), [300])
    np.testing.assert_allclose(
        memory.recall(state, scene(1))[300].maps,
        memory.recall(alone, scene(1))[300].maps,
        atol=1e-5,
    )


def test_a_missing_object_is_kept_and_a_dropped_one_forgotten(memory) -> None:
    state = memory.update(
        memory.start(), scene(), result(0, Mask(1, block(0, 2)), Mask(2, block(5, 8))), [1, 2]
    )
    state = memory.update(state, scene(1), result(1, missing=(2,)), [])
    recalls = memory.recall(state, scene(2))
    assert set(recalls) == {2}
    assert recalls[2].maps[1][1:4, 7:10].min() > 0.95


def test_size_is_fixed_however_long_the_video(memory) -> None:
    state = memory.start()
    sizes = []
    for index in range(60):
        anchors = [1] if index in (0, 9, 21, 22, 40, 41) else []
        state = memory.update(
            state, scene(seed=index), result(index, Mask(1, block(2, 4))), anchors
        )
        if index > 45:  # every store is full by then
            sizes.append(len(pickle.dumps(state)))
        assert len(state.bank()) <= 4 + 2 + 2 + 1
    assert max(sizes) - min(sizes) < 0.15 * max(sizes), "at most one frame more or less"
    assert state.anchors[0].index == 0, "the first frame is permanent"


def test_a_poor_mask_is_not_remembered_but_is_the_last_one(memory) -> None:
    state = memory.update(memory.start(), scene(), result(0, Mask(1, block(2, 4))), [1])
    for index in range(1, 12):
        poor = Mask(1, block(6, 8), score=0.2)
        state = memory.update(state, scene(), result(index, poor), [])
    assert state.recent == ()
    assert state.last is not None and state.last.index == 11


def test_what_is_shown_in_other_cells_is_remembered_too(memory) -> None:
    """A network's input sides are rounded: a window may have other cells than the picture."""
    state = memory.update(memory.start(), scene(), result(0, Mask(1, block(2, 4))), [1])
    part, window = (0.2, 0.0, 0.7, 1.0), Keys(scene().keys[:, :, 2:7], (96, 80))
    seen = np.zeros((6, 5), np.float32)
    seen[1:4, 0:2] = 1
    for read_ in memory.recall(state, window, part)[1].maps[:3]:
        assert np.abs(read_ - seen).max() < 0.02
    state = memory.update(state, window, result(1, Mask(1, block(2, 4))), [], part)
    everywhere = np.zeros(GRID, np.float32)
    everywhere[1:4, 2:4] = 1
    anchors, recent, near, _ = memory.recall(state, scene())[1].maps
    assert np.abs(anchors - everywhere).max() < 0.02
    assert np.abs(recent - everywhere).max() < 0.02
    assert np.abs(near - everywhere).max() < 0.1, "what the window did not show is like nothing"
    assert [frame.index for frame in state.anchors] == [0]


def test_of_a_missing_object_is_said_what_looks_more_like_something_else(memory) -> None:
    both = result(0, Mask(1, block(2, 4)), Mask(2, block(6, 8)))
    state = memory.update(memory.start(), scene(), both, [1, 2])
    state = memory.update(state, scene(1), result(1, Mask(2, block(7, 9)), missing=(1,)), [])
    recalls = memory.recall(state, scene())
    assert recalls[2].strange is None, "it is followed"
    strange = recalls[1].strange
    assert np.abs(strange[1:4, 2:4]).max() < 1e-5, "nothing looks more like it than itself"
    others = np.ones(GRID, bool)
    others[1:4, 2:4] = False
    assert strange[others].min() > 0.3


def test_what_is_where_an_object_is_said_to_be_away_is_not_it(memory) -> None:
    state = memory.update(memory.start(), scene(), result(0, Mask(1, block(2, 4))), [1])
    gone = FrameResult(1, None, SIZE, (), {1: Missing(1, "absent", "said")})
    mixed = 0.9 * scene().keys + 0.3 * scene(seed=7).keys
    alike = Keys(6 * torch.nn.functional.normalize(mixed, dim=0))
    before = memory.recall(state, alike)[1].maps
    recall = memory.recall(memory.update(state, alike, gone, [1]), alike)[1]
    assert before[1][1:4, 2:4].min() > 0.95
    assert recall.maps[1][1:4, 2:4].max() < 0.2 and recall.foreign[1:4, 2:4].all()
    own = memory.recall(memory.update(state, alike, gone, [1]), scene())[1]
    assert own.maps[1][1:4, 2:4].min() > 0.8 and not own.foreign[1:4, 2:4].any()


def test_state_is_never_edited(memory) -> None:
    state = memory.update(memory.start(), scene(), result(0, Mask(1, block(2, 4))), [1])
    before = pickle.dumps(state)
    memory.recall(state, scene(1))
    memory.update(state, scene(1), result(1, Mask(1, block(3, 5))), [])
    assert pickle.dumps(state) == before


def test_reading_is_a_softmax_over_what_is_known() -> None:
    rng = torch.Generator().manual_seed(0)
    keys, stored = torch.randn(5, 8, generator=rng), torch.randn(12, 8, generator=rng)
    masks, known = torch.rand(12, 2, generator=rng), torch.ones(12, 2)
    known[6:, 1] = 0
    weights, best = attend(keys, stored)
    logits = keys @ stored.T
    expected = torch.stack(
        [logits.softmax(1) @ masks[:, 0], logits[:, :6].softmax(1) @ masks[:6, 1]]
    )
    torch.testing.assert_close(read(weights, masks, known), expected)
    torch.testing.assert_close(best, logits.amax(1))


def test_locality_falls_with_distance() -> None:
    near = locality((3, 5), sigma=1.0)
    assert near.shape == (15, 15)
    assert near[0, 0] == 1
    cell = 2 * 5 + 3  # row 2, column 3
    assert float(near[0, cell]) == pytest.approx(np.exp(-(2**2 + 3**2) / 2))


def test_locality_between_other_numbers_of_cells() -> None:
    halves = locality((1, 4), 1.0, there_hw=(1, 8))
    assert halves.shape == (4, 8)
    torch.testing.assert_close(halves[1, 2], halves[1, 3])  # both lie in it, a quarter off
    assert float(halves[1, 2]) == pytest.approx(np.exp(-(0.25**2) / 2))


def test_nearby_means_nearby_in_the_picture_whatever_part_of_it_was_shown() -> None:
    """A cell attends to the last frame's cell at its own place, though the window moved."""
    here, there = (0.5, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0)
    factors = locality((1, 8), 0.3, here, there)
    # Cell 0 of the right half lies between cells 3 and 4 of the whole, nearer to 4.
    assert factors[0].argmax() == 4
    assert factors[7].argmax() == 7
    torch.testing.assert_close(locality((1, 8), 0.3, here, here), locality((1, 8), 0.3))


def test_a_window_is_remembered_with_what_it_shows(memory) -> None:
    """The right half, seen alone: the mask covers the cells that show it."""
    part = (0.5, 0.0, 1.0, 1.0)
    state = memory.update(memory.start(), scene(), result(0, Mask(1, block(5, 10))), [1], part)
    recall = memory.recall(state, scene(), part)[1]
    assert recall.maps[0][1:4].min() > 0.98  # columns 5 to 10 are the whole right half
    assert recall.maps[0][0].max() < 0.02


def test_what_lies_around_a_closer_look_is_known_not_to_be_the_object(memory) -> None:
    """The object was looked at from near; what was beside it is recognised when it comes closer."""
    near = (0.0, 0.0, 0.5, 1.0)
    both = result(0, Mask(1, block(2, 4)))
    closer = Keys(scene(seed=5).keys)
    alone = memory.update(memory.start(), closer, both, [1], near)
    wide = memory.update(memory.update(memory.start(), scene(), both, [1]), closer, both, [1], near)
    assert len(wide.anchors) == 2
    later = scene(shift=-3)  # what was on the right is in the middle now
    around = slice(3, 7)
    assert memory.recall(wide, later)[1].maps[1][:, around].max() < 0.02
    assert memory.recall(alone, later)[1].maps[1][:, around].max() > 0.02


def test_from_far_an_object_is_recognised_though_it_was_looked_at_from_near(memory) -> None:
    both = result(0, Mask(1, block(2, 4)))
    state = memory.update(memory.start(), scene(), both, [1])
    state = memory.update(state, Keys(scene(seed=5).keys), both, [1], (0.0, 0.0, 0.5, 1.0))
    recall = memory.recall(state, scene(shift=3))[1]
    assert recall.maps[1][1:4, 5:7].min() > 0.9


def test_where_no_answer_is_left_the_answers_say_nothing() -> None:
    memory = appearance.Appearance(appearance.Config(anchors=1))
    state = memory.update(memory.start(), scene(), result(0, Mask(1, block(2, 4))), [1])
    both = Mask(1, block(2, 4)), Mask(2, block(6, 8))
    state = memory.update(state, scene(), result(1, *both), [])
    recalls = memory.recall(state, scene())
    assert recalls[2].maps[0].max() == 0 and recalls[2].maps[1].max() > 0.9
    assert recalls[1].maps[0].max() > 0.9


def test_a_frame_may_be_answered_bit_by_bit(memory) -> None:
    one, other = Mask(1, block(2, 4)), Mask(2, block(6, 8))
    state = memory.update(memory.start(), scene(), result(0, one), [1])
    wrong = Mask(1, block(0, 1))  # what the tracker says of it when only 2 is answered
    state = memory.update(state, scene(), result(0, wrong, other), [2])
    maps = {i: recall.maps[0] for i, recall in memory.recall(state, scene()).items()}
    assert maps[1][1:4, 2:4].min() > 0.95 and maps[1][:, :2].max() < 0.05
    assert maps[2][1:4, 6:8].min() > 0.95


def test_of_two_close_looks_at_a_frame_each_knows_its_own_object(memory) -> None:
    one, other = Mask(1, block(2, 4)), Mask(2, block(6, 8))
    left, right = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)
    state = memory.update(memory.start(), scene(), result(0, one), [1])
    state = memory.update(state, scene(seed=5), result(0, one), [1], left)
    state = memory.update(state, scene(), result(0, one, other), [2])
    state = memory.update(state, scene(seed=6), result(0, one, other), [2], right)
    wide, near, far = sorted(state.anchors, key=lambda look: look.part[0] - look.part[2])
    assert wide.anchors == wide.surroundings == {1, 2}
    assert {*near.anchors, *far.anchors} == {1, 2} and not near.surroundings | far.surroundings
    for _ in range(9):  # one more correction of the same frame takes an old one's place
        state = memory.update(state, scene(seed=6), result(0, one, other), [2], right)
    assert len(state.anchors) == 3


def test_the_last_answer_of_an_object_is_kept_as_long_as_others_can_go(memory) -> None:
    masks = Mask(1, block(2, 4)), Mask(2, block(6, 8))
    state = memory.update(memory.start(), scene(), result(0, masks[0]), [1])
    for index in range(1, 12):
        state = memory.update(state, scene(), result(index, *masks), [2 if index == 1 else 1])
    assert [look.index for look in state.anchors] == [0, 1, 10, 11]


def test_an_id_that_is_used_again_is_not_what_it_was(memory) -> None:
    masks = Mask(1, block(2, 4)), Mask(2, block(6, 8))
    state = memory.update(memory.start(), scene(), result(0, *masks), [1, 2])
    state = memory.update(state, scene(), result(1, masks[0]), [])
    state = memory.update(state, scene(), result(2, masks[0], Mask(2, block(8, 10))), [2])
    anchors = memory.recall(state, scene())[2].maps[0]
    assert anchors[1:4, 8:].min() > 0.95 and anchors[:, 6:8].max() < 0.05


@pytest.mark.parametrize("indices", [range(12), range(30, 18, -1)], ids=["forwards", "backwards"])
def test_frames_enter_the_ring_every_so_often_either_way(memory, indices) -> None:
    state = memory.start()
    for n, index in enumerate(indices):
        state = memory.update(state, scene(), result(index, Mask(1, block(2, 4))), [1][n:])
    assert [abs(frame.index - indices[0]) for frame in state.recent] == [8, 10]


def test_how_large_an_object_is_does_not_depend_on_the_part_that_was_shown(memory) -> None:
    part = (0.0, 0.0, 0.5, 1.0)
    mask = Mask(1, block(0, 4))
    far = memory.update(memory.start(), scene(), result(0, mask), [1])
    near = memory.update(memory.start(), scene(), result(0, mask), [1], part)
    assert near.areas[1] == pytest.approx(far.areas[1]) == pytest.approx(12 / 60)


def test_what_stood_beside_the_object_is_foreign_wherever_it_appears(memory) -> None:
    state = memory.update(memory.start(), scene(), result(0, Mask(1, block(2, 4))), [1])
    foreign = memory.recall(state, scene(shift=3))[1].foreign
    assert not foreign[1:4, 5:7].any(), "the object itself, elsewhere"
    beside = np.ones(GRID, bool)
    beside[1:4, 5:7] = False
    assert foreign[beside].all()


def test_what_was_never_seen_is_not_foreign(memory) -> None:
    state = memory.update(memory.start(), scene(), result(0, Mask(1, block(0, 10))), [1])
    state = memory.update(
        state, scene(seed=5), result(1, Mask(1, block(0, 10)), Mask(2, block(4, 6))), [2]
    )
    recall = memory.recall(state, scene(seed=5))
    few = recall[1].foreign[1:4].mean()  # only the frame that answered object 1 speaks of it
    assert few < 0.1
    assert recall[2].foreign[1:4, :4].all() and not recall[2].foreign[1:4, 4:6].any()


def test_without_an_answer_nothing_is_foreign(memory) -> None:
    state = memory.update(memory.start(), scene(), result(0, Mask(1, block(2, 4))), [])
    assert memory.recall(state, scene())[1].foreign is None


@pytest.mark.parametrize(("columns", "tells"), [(5, True), (10, False)])
def test_an_answer_from_far_does_not_tell_what_is_foreign_from_near(memory, columns, tells) -> None:
    """What comes near shows cells that from far were none of its own, and resembled others."""
    state = memory.update(memory.start(), scene(), result(0, Mask(1, block(2, 5))), [1])
    near = result(1, Mask(1, block(0, columns) | np.roll(block(0, columns), 32, 0)))
    state = memory.update(state, scene(), near, [])
    assert (memory.recall(state, scene())[1].foreign is not None) == tells
