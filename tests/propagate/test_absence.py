"""Why an object has no mask: said in words, and rightly."""

from __future__ import annotations

import numpy as np
import pytest

from propagate.absence import COVERED, without_pixels
from propagate.types import Mask

NOTHING = Mask(3, np.zeros((8, 8), bool), 0.4)
NO, YES = np.full((2, 2), -1, np.float32), np.array([[1, -1], [-1, -1]], np.float32)


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [(None, "absent", "said"), (NO, "lost", "nothing is found"), (YES, "occluded", COVERED)],
)
def test_an_empty_mask_is_the_users_own_or_no_answer_or_one_that_others_took(
    answer, state, reason
) -> None:
    missing = without_pixels(NOTHING, answer)
    assert (missing.object_id, missing.state) == (3, state)
    assert reason in missing.reason
