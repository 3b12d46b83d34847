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


def told_apart(
    guesses: Mapping[int, Guess], result: FrameResult, before: FrameResult | None
) -> tuple[int, ...]:
    """Objects that pass each other and now are seen beside each other, not one behind the other.

    Such a frame is remembered as if the user had answered it: what surrounds each of two that look
    alike has changed, and memory would tell them apart by that. Only the first one is: the user's
    own answers must not be forgotten for it.

    Args:
        guesses: of the frame.
        result: of the frame.
        before: of the frame before.
    """
    pairs = [(key, guess.passing) for key, guess in guesses.items() if guess.passing is not None]
    now = [pair for pair in pairs if _are_beside(pair, result)]
    return tuple(pair[0] for pair in now if before is None or not _are_beside(pair, before))


def _are_beside(pair: tuple[int, int], result: FrameResult) -> bool:
    """Whether both are surely seen, and their boxes lie apart."""
    if not all(key in result and result[key].score >= _SURE for key in pair):
        return False
    one, other = (box_of(result[key].pixels) for key in pair)
    if one is None or other is None:
        return False
    return bool((one[2:] <= other[:2]).any() or (other[2:] <= one[:2]).any())
