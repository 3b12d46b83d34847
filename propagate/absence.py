"""Why an object has no mask in a frame: its state, and the reason in words."""

from __future__ import annotations

from propagate import coords
from propagate.types import FloatArray, Guess, Mask, Missing, Recall, State

COVERED = "covered by other objects"
_SURELY = 0.5  # trust in what is recognised


def never_seen(object_id: int) -> Missing:
    """An object that there is nothing to find by: its prompts got no pixel."""
    return Missing(object_id, "lost", "nothing is known of it; prompt it where it can be seen")


def said_absent(object_id: int) -> Missing:
    """An object that the user says is not in the frame."""
    return Missing(object_id, "absent", "said not to be here")


def without_pixels(mask: Mask, answer: FloatArray | None) -> Missing:
    """An object whose mask is empty.

    Args:
        mask: the empty mask.
        answer: the logits (h, w) from before others took their pixels, or None where the mask is
            the user's own.
    """
    if answer is None:
        return said_absent(mask.object_id)
    if (answer > 0).any():
        return Missing(mask.object_id, "occluded", COVERED, mask.score)
    reason = "nothing is found with this prompt; add a point on it, a box or a mask"
    return Missing(mask.object_id, "lost", reason, mask.score)


def diagnosis(
    guess: Guess | None, recall: Recall | None, size_hw: tuple[int, int], *, waited: bool
) -> tuple[State, str]:
    """State and reason of an object that the tracker does not find.

    Args:
        guess: where it is expected.
        recall: what is recognised of it.
        size_hw: (H, W) of the picture.
        waited: whether it has been missing for so long that it is not taken for hidden any more.
    """
    if guess is None or guess.box is None or _leaves(guess.box, size_hw):
        return "absent", "left the picture"
    if not waited:
        return "occluded", "hidden where it was expected"
    if recall is not None and recall.trust > _SURELY:
        return "lost", "something resembles it, but no answer is good enough"
    return "absent", "nothing resembles it"


def _leaves(box: FloatArray, size_hw: tuple[int, int]) -> bool:
    """Whether a box hangs out of the picture by its larger part, or clings to its edge."""
    height, width = size_hw
    margin = 0.01 * max(size_hw)
    touches = (
        box[0] <= margin
        or box[1] <= margin
        or box[2] >= width - margin
        or box[3] >= height - margin
    )
    narrow = min(box[2] - box[0], box[3] - box[1]) < 4 * margin
    inside = coords.point_inside(coords.box_middle(box), size_hw)
    return bool(not inside or (touches and narrow))
