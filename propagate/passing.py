"""Two objects that pass each other, one in front of the other, and may look alike.

Motion says where each must be (`Guess.passing`). What both cover is divided by that, and what
surrounds each of them afterwards is learnt, or memory would tell look-alikes apart by what was
around them before, and exchange them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from propagate.coords import Size
from propagate.framing import Beliefs
from propagate.masks import box_of
from propagate.selection import Choice, Selection
from propagate.types import FrameResult, Guess

_SURE = 0.6  # expected IoU from which on a mask may stand for an answer of the user's


def divided(
    choices: Sequence[Choice], beliefs: Beliefs, selection: Selection, size_hw: Size
) -> list[Choice]:
    """The choices; those for two objects that pass each other are divided between them.

    Args:
        choices: one an object that is seen.
        beliefs: of the frame.
        selection: divides.
        size_hw: of the picture.
    """
    found = {choice.object_id: choice for choice in choices}
    for one, other in beliefs.passing():
        first, second = beliefs.place(one, size_hw), beliefs.place(other, size_hw)
        if one in found and other in found and first is not None and second is not None:
            pair = found[one], found[other]
            found[one], found[other] = selection.divide(pair, (first, second))
    return list(found.values())


def told_apart(guesses: Mapping[int, Guess], result: FrameResult) -> tuple[int, ...]:
    """Objects that pass each other and are seen beside each other, not one behind the other.

    Such a frame is remembered as if the user had answered it: what surrounds each of two that look
    alike has changed, and memory would tell them apart by that.
    """
    found = []
    for key, guess in guesses.items():
        partner = guess.passing
        if partner is None or key not in result or partner not in result:
            continue
        both = result[key], result[partner]
        one, other = (box_of(mask.pixels) for mask in both)
        if one is None or other is None or min(mask.score for mask in both) < _SURE:
            continue
        if (one[2:] <= other[:2]).any() or (other[2:] <= one[:2]).any():
            found.append(key)
    return tuple(found)
